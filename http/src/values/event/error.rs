//! Why an event is not sent, or a stream of events cannot be made.

use std::fmt;

/// Why an [`Event`](super::Event) was not sent, or options for streams of events cannot be met.
///
/// ```
/// use anthill_http::events::{Event, EventError, EventHub};
/// let hub = EventHub::new();
/// let error = hub.send(Event::data("hello").id("7\ndata: forged")).unwrap_err();
/// assert_eq!(error, EventError::Field("id"));
/// assert_eq!(error.to_string(), "the event's id has a line break or a zero byte in it: remove or encode it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventError {
    /// This field of the event has a line break in it, or, if it is the `id`, a zero byte. Nobody was sent anything.
    Field(&'static str),
    /// Nobody will ever get it: the hub or the sender was closed, or the only client has gone.
    Closed,
    /// The queue is full, and the event was to be sent without losing another. It was not queued.
    Full,
    /// This option for streams of events is zero.
    ZeroOption(&'static str),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => {
                write!(f, "the event's {name} has a line break or a zero byte in it: remove or encode it")
            }
            Self::Closed => f.write_str("nobody gets events from here any more: stop sending them"),
            Self::Full => {
                f.write_str("the client is behind by as many events as are queued for it: send it later")
            }
            Self::ZeroOption("heartbeat") => {
                f.write_str("heartbeat must be above zero; None switches it off")
            }
            Self::ZeroOption(name) => write!(f, "{name} must be at least 1"),
        }
    }
}

impl std::error::Error for EventError {}
