//! One who sends to one.

use super::mailbox::{Mailbox, Outcome, WhenFull};
use super::options::EventOptions;
use super::stream::EventStream;
use crate::values::event::{Event, EventError};
use crate::wire::wake::Waker;
use std::fmt;
use std::sync::Arc;

/// Sends events to one client; clones send to the same one.
///
/// The stream ends, behind what waits for it, when the last clone is dropped or one of them is
/// [closed](EventSender::close).
#[derive(Clone)]
pub struct EventSender {
    shared: Arc<SenderShared>,
}

struct SenderShared {
    mailbox: Arc<Mailbox<Waker>>,
    options: EventOptions,
}

/// A stream of events for one client, and who sends to it, with the default options.
///
/// Where the stream ends a browser's `EventSource` connects again, and what makes the events would begin anew: see
/// [`events`](crate::events).
///
/// ```
/// use anthill_http::RequestCtx;
/// use anthill_http::events::{Event, event_channel};
///
/// fn progress(ctx: &mut RequestCtx) {
///     let (sender, stream) = event_channel();
///     ctx.set_event_stream(stream);
///     std::thread::spawn(move || {
///         for step in 1..=3 {
///             // An error says that the client has gone: nobody wants the rest.
///             sender.send(Event::data(format!("step {step}")))?;
///         }
///         Ok::<(), anthill_http::events::EventError>(())
///     });
/// }
/// # let _: fn(&mut RequestCtx) = progress;
///
/// let (sender, stream) = event_channel();
/// assert!(sender.is_connected());
/// drop(stream);
/// assert!(!sender.is_connected() && sender.send(Event::data("too late")).is_err());
/// ```
pub fn event_channel() -> (EventSender, EventStream) {
    channel(EventOptions::new())
}

/// The same, with these options.
///
/// # Errors
/// [`EventError::ZeroOption`].
pub fn event_channel_with(options: EventOptions) -> Result<(EventSender, EventStream), EventError> {
    options.checked().map(channel)
}

fn channel(options: EventOptions) -> (EventSender, EventStream) {
    let mailbox = Arc::new(Mailbox::new());
    let stream = EventStream::new(mailbox.clone(), &options);
    (EventSender { shared: Arc::new(SenderShared { mailbox, options }) }, stream)
}

impl EventSender {
    /// Sends `event`. When as many wait as may, the client loses by the policy of the
    /// [options](EventOptions::overflow).
    ///
    /// May be called from any thread, and waits for nobody.
    ///
    /// # Errors
    /// [`EventError::Closed`] when the client has gone, was cut off by this very event, or the stream has ended;
    /// [`EventError::Field`].
    pub fn send(&self, event: Event) -> Result<(), EventError> {
        self.post(&event, self.shared.options.when_full())
    }

    /// Sends `event` if it costs no other one.
    ///
    /// ```
    /// use anthill_http::events::{Event, EventError, EventOptions, event_channel_with};
    /// let (sender, _stream) = event_channel_with(EventOptions::new().queue(1))?;
    /// sender.try_send(Event::data("first"))?;
    /// assert_eq!(sender.try_send(Event::data("second")), Err(EventError::Full));
    /// assert_eq!(sender.lost(), 0);
    /// # Ok::<(), EventError>(())
    /// ```
    ///
    /// # Errors
    /// [`EventError::Full`] when as many wait as may; otherwise as [`send`](Self::send).
    pub fn try_send(&self, event: Event) -> Result<(), EventError> {
        self.post(&event, WhenFull::Refuse)
    }

    fn post(&self, event: &Event, when_full: WhenFull) -> Result<(), EventError> {
        let SenderShared { mailbox, options } = &*self.shared;
        let posted = mailbox.post(&event.encode()?, options.queue, when_full);
        if let Some(waker) = posted.wakes {
            waker.wake();
        }
        match posted.outcome {
            Outcome::Queued => Ok(()),
            Outcome::Refused => Err(EventError::Full),
            Outcome::Gone => Err(EventError::Closed),
        }
    }

    /// Whether events still go to the client: it has not gone, was not cut off, and the stream was not ended.
    pub fn is_connected(&self) -> bool {
        self.shared.mailbox.is_open()
    }

    /// How many events the client has lost because it was too slow.
    pub fn lost(&self) -> u64 {
        self.shared.mailbox.lost()
    }

    /// Ends the stream behind what waits for it.
    pub fn close(&self) {
        self.shared.end();
    }
}

impl SenderShared {
    fn end(&self) {
        if let Some(waker) = self.mailbox.end() {
            waker.wake();
        }
    }
}

impl Drop for SenderShared {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for EventSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSender").field("is_connected", &self.is_connected()).finish_non_exhaustive()
    }
}
