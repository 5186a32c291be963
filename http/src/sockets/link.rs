//! What all who have to do with one socket share: those who send, and whoever serves it.
//!
//! The rule: whoever sends encodes, unless what was sent before has a part in it; then the one who serves the
//! connection does, in the order in which things are sent.

use super::counts::SocketCounters;
use super::end::WebSocketEnd;
use super::error::WebSocketError;
use super::options::{QueuePolicy, SocketSettings};
use super::outbox::{Fate, Outbox, Put, WithoutRoom};
use crate::stop::StopSignal;
use crate::wire::members::MemberList;
use crate::wire::wake::Waker;
use crate::ws::{CloseFrame, DeflateParams, Message, MessageEncoder, Role, SharedMessage};
use parking_lot::Mutex;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, ThreadId};
use std::time::Instant;

/// What a frame has beside its payload at most.
const FRAME_HEADER_BYTES_MAX: usize = 14;

/// Something on its way to the peer.
#[derive(Debug)]
pub(super) enum ToPeer {
    /// Encoded already.
    Frames(Vec<u8>),
    /// To be encoded behind what was sent before.
    Message(Message),
    /// The same for many.
    Shared(SharedMessage),
}

/// The groups that a socket is in.
#[derive(Debug, Default)]
struct Memberships {
    has_ended: bool,
    of: Vec<(Weak<MemberList<SocketLink>>, usize)>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct SocketLink {
    /// Our own.
    pub(super) role: Role,
    pub(super) outbox: Outbox<ToPeer, CloseFrame, Waker>,
    pub(super) settings: Arc<SocketSettings>,
    pub(super) counters: Arc<SocketCounters>,
    pub(super) stop: StopSignal,
    pub(super) subprotocol: Option<String>,
    pub(super) deflate: Option<DeflateParams>,
    /// The thread that runs the user's code for this socket, and is the one that sends what waits.
    serving: Mutex<Option<ThreadId>>,
    memberships: Mutex<Memberships>,
    end: OnceLock<WebSocketEnd>,
}

impl SocketLink {
    pub(super) fn new(
        role: Role,
        settings: Arc<SocketSettings>,
        counters: Arc<SocketCounters>,
        stop: StopSignal,
        subprotocol: Option<String>,
        deflate: Option<DeflateParams>,
    ) -> Self {
        Self {
            role,
            outbox: Outbox::new(),
            settings,
            counters,
            stop,
            subprotocol,
            deflate,
            serving: Mutex::default(),
            memberships: Mutex::default(),
            end: OnceLock::new(),
        }
    }

    /// Sends `message`, by the policy of the socket; or by waiting for room, as long as it takes.
    pub(super) fn send(&self, message: Message, waits: bool) -> Result<(), WebSocketError> {
        let when_full = self.settings.when_full;
        if self.is_served_here() {
            return self.put(message, |item, weight| {
                self.outbox.put(item, weight, self.settings.room, WithoutRoom::Admit)
            });
        }
        let until = match when_full {
            _ if waits => Some(None),
            QueuePolicy::Block(limit) => Some(Instant::now().checked_add(limit)),
            _ => None,
        };
        self.put(message, |item, weight| match until {
            Some(until) => self.outbox.put_when_room(item, weight, self.settings.room, until),
            None => self.outbox.put(item, weight, self.settings.room, when_full.without_waiting()),
        })
    }

    /// Sends `message` if there is room for it now.
    pub(super) fn try_send(&self, message: Message) -> Result<(), WebSocketError> {
        self.put(message, |item, weight| {
            self.outbox.put(item, weight, self.settings.room, WithoutRoom::Refuse)
        })
    }

    fn put(
        &self,
        message: Message,
        put: impl FnOnce(ToPeer, usize) -> Put<Waker>,
    ) -> Result<(), WebSocketError> {
        if !self.outbox.is_open() {
            return Err(WebSocketError::Closed);
        }
        let weight = message.len();
        let Put { fate, lost, wakes } = put(self.prepare(message), weight);
        self.count_and_wake(lost, wakes);
        match fate {
            Fate::Queued => Ok(()),
            Fate::Refused => Err(WebSocketError::Full),
            Fate::Gone => Err(WebSocketError::Closed),
        }
    }

    /// Leaves a message that many get, whose waker is to be woken. True: it was taken.
    pub(super) fn put_shared(&self, message: &SharedMessage) -> (bool, Option<Waker>) {
        let SocketSettings { room, when_full, .. } = &*self.settings;
        let without = if self.is_served_here() { WithoutRoom::Admit } else { when_full.without_waiting() };
        let item = ToPeer::Shared(message.clone());
        let Put { fate, lost, wakes } = self.outbox.put(item, message.payload().len(), *room, without);
        let lost = lost + u64::from(fate == Fate::Refused);
        self.counters.dropped.fetch_add(lost, Ordering::Relaxed);
        (fate == Fate::Queued, wakes)
    }

    fn prepare(&self, message: Message) -> ToPeer {
        if self.deflate.as_ref().is_some_and(|params| params.keeps_context(self.role)) {
            return ToPeer::Message(message);
        }
        let mut frames = Vec::with_capacity(message.len() + FRAME_HEADER_BYTES_MAX);
        let mut encoder = MessageEncoder::new(self.role, self.deflate.as_ref());
        encoder.message(message.kind(), message.as_bytes(), &mut frames);
        ToPeer::Frames(frames)
    }

    /// Closes behind what waits, unless that was done before.
    pub(super) fn close(&self, frame: CloseFrame) {
        self.count_and_wake(0, self.close_quietly(frame));
    }

    /// The same, with a waker that is to be woken.
    pub(super) fn close_quietly(&self, frame: CloseFrame) -> Option<Waker> {
        self.outbox.close(frame)
    }

    /// Has whoever serves the socket look at it.
    pub(super) fn nudge(&self) {
        self.count_and_wake(0, self.outbox.nudge());
    }

    fn count_and_wake(&self, lost: u64, wakes: Option<Waker>) {
        if lost > 0 {
            self.counters.dropped.fetch_add(lost, Ordering::Relaxed);
        }
        if let Some(waker) = wakes {
            waker.wake();
        }
    }

    /// The user's code runs on this thread until the answer is dropped.
    pub(super) fn serve_here(&self) -> ServedHere<'_> {
        *self.serving.lock() = Some(thread::current().id());
        ServedHere(self)
    }

    fn is_served_here(&self) -> bool {
        *self.serving.lock() == Some(thread::current().id())
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<&WebSocketEnd> {
        self.end.get()
    }

    /// It has ended: nothing is taken any more, and the groups forget it. False: that was known.
    pub(super) fn ended(&self, end: WebSocketEnd) -> bool {
        if self.end.set(end).is_err() {
            return false;
        }
        self.outbox.end();
        let memberships = {
            let mut memberships = self.memberships.lock();
            memberships.has_ended = true;
            std::mem::take(&mut memberships.of)
        };
        leave(memberships);
        true
    }

    /// Enters a group. False: it has ended, or the group has been closed, or it is in there already.
    pub(super) fn join(self: &Arc<Self>, group: &Arc<MemberList<SocketLink>>) -> bool {
        let mut memberships = self.memberships.lock();
        let is_in =
            |(of, _): &(Weak<MemberList<SocketLink>>, usize)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(group));
        if memberships.has_ended || memberships.of.iter().any(is_in) {
            return false;
        }
        memberships.of.retain(|(of, _)| of.strong_count() > 0);
        let Some(place) = group.enter(self) else { return false };
        memberships.of.push((Arc::downgrade(group), place));
        true
    }

    /// Leaves a group. False: it is not in there.
    pub(super) fn part(&self, group: &Arc<MemberList<SocketLink>>) -> bool {
        let mut memberships = self.memberships.lock();
        let place = memberships.of.iter().position(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(group)));
        let left = place.map(|place| memberships.of.swap_remove(place));
        drop(memberships);
        left.map(|left| leave([left])).is_some()
    }
}

fn leave(memberships: impl IntoIterator<Item = (Weak<MemberList<SocketLink>>, usize)>) {
    for (group, place) in memberships {
        if let Some(group) = group.upgrade() {
            group.leave(place);
        }
    }
}

/// See [`SocketLink::serve_here`].
pub(super) struct ServedHere<'a>(&'a SocketLink);

impl Drop for ServedHere<'_> {
    fn drop(&mut self) {
        *self.0.serving.lock() = None;
    }
}
