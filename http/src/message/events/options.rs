//! What a stream of events is like, on one page.

use super::mailbox::WhenFull;
use crate::values::event::EventError;
use std::time::Duration;

/// How events reach a client: for [`EventHub::with`](super::EventHub::with) and
/// [`event_channel_with`](super::event_channel_with).
///
/// ```
/// use anthill_http::events::{EventHub, EventOptions, Overflow};
/// use std::time::Duration;
/// let options = EventOptions::new().queue(16).overflow(Overflow::Disconnect).heartbeat(Duration::from_secs(5));
/// let hub = EventHub::with(options)?;
/// # let _ = hub;
/// let error = EventHub::with(EventOptions::new().queue(0)).unwrap_err();
/// assert_eq!(error.to_string(), "queue must be at least 1");
/// # Ok::<(), anthill_http::events::EventError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until something is made with them"]
pub struct EventOptions {
    pub(super) queue: usize,
    pub(super) overflow: Overflow,
    pub(super) heartbeat: Option<Duration>,
    pub(super) tells_loss: bool,
}

/// What becomes of a client for which as many events wait as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// It loses the oldest event that it was not sent, and stays. No `Last-Event-ID` tells of that: where each event
    /// matters, disconnect it.
    #[default]
    DropOldest,
    /// It is disconnected in the middle of the response, so that it knows. Browsers then connect again, with the
    /// `Last-Event-ID` of what they had.
    Disconnect,
}

impl EventOptions {
    /// The defaults, which every setter names.
    pub fn new() -> Self {
        Self {
            queue: 128,
            overflow: Overflow::DropOldest,
            heartbeat: Some(Duration::from_secs(15)),
            tells_loss: false,
        }
    }

    /// How many events wait for one client at most, beside those that were handed to the system for it; 128 when not
    /// set. At least 1. Events are counted, not their bytes: that many times the largest event may be in memory, but
    /// what waits for many clients is there once.
    pub fn queue(mut self, events: usize) -> Self {
        self.queue = events;
        self
    }

    /// What becomes of a client that takes events more slowly than they come, when its queue is full; the oldest is
    /// dropped when not set.
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.overflow = policy;
        self
    }

    /// After how long without an event a client is sent a comment, 15 s when not set; never with `None`. Above zero.
    ///
    /// It keeps proxies from closing the connection, and shows clients that have vanished without a word.
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.heartbeat = interval.into();
        self
    }

    /// Says whether a client that has lost events is sent an event `lagged` in their place, with their number as its
    /// data; no when not set. In browsers it is heard by `addEventListener("lagged", ...)`, not by `onmessage`.
    pub fn tell_loss(mut self, tells: bool) -> Self {
        self.tells_loss = tells;
        self
    }

    /// The options themselves, when they can be met.
    pub(super) fn checked(self) -> Result<Self, EventError> {
        if self.queue == 0 {
            return Err(EventError::ZeroOption("queue"));
        }
        if self.heartbeat.is_some_and(|interval| interval.is_zero()) {
            return Err(EventError::ZeroOption("heartbeat"));
        }
        Ok(self)
    }

    /// What is done when the queue is full.
    pub(super) fn when_full(&self) -> WhenFull {
        match self.overflow {
            Overflow::DropOldest => WhenFull::DropOldest,
            Overflow::Disconnect => WhenFull::Overrun,
        }
    }
}

impl Default for EventOptions {
    fn default() -> Self {
        Self::new()
    }
}
