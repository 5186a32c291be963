//! What a client is sent of the events in its mailbox.
//!
//! The rule: whatever is put between two events is whole, and nothing is put in the middle of one.

use super::mailbox::{Mailbox, Taken};
use super::options::EventOptions;
use super::subscribers::Subscribers;
use crate::util::panic;
use crate::values::event::{Event, EventError};
use crate::wire::wake::Waker;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A comment that says nothing.
const HEARTBEAT: &[u8] = b":\n\n";

/// Events are gathered up to so many bytes, to be sent at once.
const GATHERED_BYTES: usize = 16 * 1024;

/// Events for one client, as the body of a response: see
/// [`Response::set_event_stream`](crate::Response::set_event_stream).
///
/// From [`EventHub::subscribe`](super::EventHub::subscribe) or [`event_channel`](super::event_channel). Events that are
/// sent before it becomes a response wait for it. Dropping it, whether it became a response or not, tells whoever sends
/// that the client is gone.
pub struct EventStream {
    mailbox: Arc<Mailbox<Waker>>,
    /// The hub's list, and the place on it.
    membership: Option<(Arc<Subscribers>, usize)>,
    heartbeat: Option<Duration>,
    tells_loss: bool,
    /// Something is to be sent even if it means nothing.
    is_to_beat: bool,
    /// To be sent before everything else.
    first: Vec<u8>,
    /// An event under way, and how much of it has been taken.
    current: Option<(Arc<[u8]>, usize)>,
    at_end: Option<Box<dyn FnOnce() + Send>>,
}

impl EventStream {
    /// One that reads what is put into `mailbox`.
    pub(super) fn new(mailbox: Arc<Mailbox<Waker>>, options: &EventOptions) -> Self {
        Self {
            mailbox,
            membership: None,
            heartbeat: options.heartbeat,
            tells_loss: options.tells_loss,
            is_to_beat: false,
            first: Vec::new(),
            current: None,
            at_end: None,
        }
    }

    /// The same, of which `subscribers` know at `place` until it is dropped.
    pub(super) fn of_subscriber(mut self, subscribers: Arc<Subscribers>, place: usize) -> Self {
        self.membership = Some((subscribers, place));
        self
    }

    /// Has `event` sent before those that come by themselves. Several are sent in the order of the calls.
    ///
    /// So a client that comes back is given what it has missed: subscribe first, then look up what came after its
    /// [`last_event_id`](crate::RequestCtx::last_event_id); what comes meanwhile waits behind.
    ///
    /// ```
    /// use anthill_http::events::{Event, EventHub};
    /// let hub = EventHub::new();
    /// let mut stream = hub.subscribe();
    /// stream.send_first(Event::data("missed").id("41"))?;
    /// # Ok::<(), anthill_http::events::EventError>(())
    /// ```
    ///
    /// # Errors
    /// [`EventError::Field`].
    pub fn send_first(&mut self, event: Event) -> Result<(), EventError> {
        self.first.extend_from_slice(&event.encode()?);
        Ok(())
    }

    /// Has `code` run when the stream is over: it came to its end, the client has gone or was cut off, or the stream
    /// was dropped before it was ever sent. A later one takes the place of an earlier one.
    ///
    /// It runs on a thread that serves connections, like a handler.
    pub fn on_end(&mut self, code: impl FnOnce() + Send + 'static) {
        self.at_end = Some(Box::new(code));
    }
}

/// For whoever sends it.
impl EventStream {
    /// How long a client should be left without a word at most.
    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat
    }

    /// Whether [`take`](Self::take) would give something now, the end included. If not, the waker is kept, and used
    /// once when it would.
    pub(crate) fn is_ready(&mut self, waker: &dyn Fn() -> Waker) -> bool {
        // In any case, because whoever is cut off is told through the waker.
        let has_come = self.mailbox.look(waker);
        has_come || self.is_to_beat || !self.first.is_empty() || self.current.is_some()
    }

    /// The next piece is a comment, unless there is something else.
    pub(crate) fn beat(&mut self) {
        self.is_to_beat = true;
    }

    /// Takes no further events; those that wait are still sent.
    pub(crate) fn end(&self) {
        // It is the reader who ends it, so there is nobody to be told.
        drop(self.mailbox.end());
    }

    /// Whether the client was cut off because it was too slow.
    pub(crate) fn is_overrun(&self) -> bool {
        self.mailbox.is_overrun()
    }

    /// Replaces what is in `piece` by what comes next, `most` bytes at most: whole events as far as they fit, or a part
    /// of a large one. Nothing at the end.
    ///
    /// # Errors
    /// When the client is to be cut off.
    pub(crate) fn take(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        piece.clear();
        self.is_to_beat = false;
        if !self.first.is_empty() {
            self.current = Some((std::mem::take(&mut self.first).into(), 0));
        }
        if self.is_overrun() {
            return Err(too_slow());
        }
        let enough = most.min(GATHERED_BYTES);
        let mut is_over = false;
        while piece.len() < enough && !is_over {
            if self.current.is_some() {
                self.take_current(piece, most);
                continue;
            }
            match self.mailbox.take() {
                Taken::Event { event, lost } => {
                    if lost > 0 && self.tells_loss {
                        piece.extend_from_slice(format!("event: lagged\ndata: {lost}\n\n").as_bytes());
                    }
                    self.current = Some((event, 0));
                }
                Taken::Nothing => break,
                Taken::End => is_over = true,
                Taken::Overrun => return Err(too_slow()),
            }
        }
        if piece.is_empty() && !is_over {
            piece.extend_from_slice(HEARTBEAT);
        }
        Ok(())
    }

    fn take_current(&mut self, piece: &mut Vec<u8>, most: usize) {
        let Some((event, taken)) = &mut self.current else { return };
        let rest = event.get(*taken..).unwrap_or_default();
        let next = &rest[..rest.len().min(most.saturating_sub(piece.len()))];
        piece.extend_from_slice(next);
        *taken += next.len();
        if *taken >= event.len() {
            self.current = None;
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client took its events too slowly")
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if let Some((subscribers, place)) = self.membership.take() {
            subscribers.leave(place);
        }
        self.mailbox.leave();
        if let Some(code) = self.at_end.take() {
            if panic::call(code).is_err() {
                log::error!("what was to run at the end of a stream of events panicked");
            }
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("heartbeat", &self.heartbeat).finish_non_exhaustive()
    }
}
