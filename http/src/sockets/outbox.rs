//! What is on its way to one peer.
//!
//! *Finding nothing* and *asking to be told* are one step under the lock, and so is *bringing something* and *looking
//! whether somebody is to be told*; so nothing is left lying. Telling itself happens outside: the methods hand the
//! waker of whoever serves the connection out, once for each time that it found nothing.
//!
//! Who closes is told of in any case, and so is who cuts the peer off: the connection may be waiting for its peer to
//! take more.
//!
//! An outbox knows no connection and no frame: `F` is what is sent, `C` what it ends with, `W` what wakes its reader.

use crate::sockets::sync::{Condvar, Instant, Mutex, lock, wait_until};
use std::collections::VecDeque;

/// QueueRoom for so many is kept by an outbox that was emptied.
const KEPT: usize = 4;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Outbox<F, C, W> {
    state: Mutex<OutboxState<F, C, W>>,
    /// For those who wait for room.
    has_room: Condvar,
}

#[derive(Debug)]
struct OutboxState<F, C, W> {
    waiting: VecDeque<(F, usize)>,
    /// What all of them weigh.
    bytes: usize,
    /// How the reader is told, from its first look on.
    waker: Option<W>,
    /// The reader found nothing, and has not been told since.
    waits: bool,
    /// The reader is to look for something else than what is in here.
    is_nudged: bool,
    stage: OutboxStage<C>,
    /// How many threads wait for room.
    senders: usize,
    lost: u64,
}

#[derive(Debug)]
enum OutboxStage<C> {
    Open,
    /// This comes behind what waits, and then nothing; `None` once it was taken.
    Closing(Option<C>),
    /// There was no room, and the peer is to be cut off then. What waited is gone.
    Overrun,
    /// The reader is gone.
    Ended,
}

/// Whether anything is still taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Openness {
    Open,
    Closed,
    /// And the peer is to be cut off.
    Overrun,
}

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueRoom {
    pub(crate) messages: usize,
    /// One that is larger waits all the same, when it is alone.
    pub(crate) bytes: usize,
}

/// What is to be done when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WithoutRoom {
    /// It waits all the same.
    Admit,
    /// It is not taken.
    Refuse,
    /// The oldest make room.
    DropOldest,
    /// The peer is cut off.
    CutOff,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Queued,
    Refused,
    /// Nothing is sent any more, or will be from now on.
    Gone,
}

/// What became of it, and of others for its sake.
#[derive(Debug)]
pub(crate) struct Put<W> {
    pub(crate) fate: Fate,
    /// How many this one cost, itself included.
    pub(crate) lost: u64,
    /// To be woken by the caller.
    pub(crate) wakes: Option<W>,
}

/// What the reader found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromOutbox<F, C> {
    Item(F),
    /// The last there is.
    Close(C),
    Nothing,
    /// The peer is to be cut off.
    Overrun,
}

impl<F, C, W: Clone> Outbox<F, C, W> {
    pub(crate) fn new() -> Self {
        let state = OutboxState {
            waiting: VecDeque::new(),
            bytes: 0,
            waker: None,
            waits: false,
            is_nudged: false,
            stage: OutboxStage::Open,
            senders: 0,
            lost: 0,
        };
        Self { state: Mutex::new(state), has_room: Condvar::new() }
    }

    /// Leaves `item` for the peer.
    pub(crate) fn put(&self, item: F, weight: usize, room: QueueRoom, without: WithoutRoom) -> Put<W> {
        lock(&self.state).put(item, weight, room, without)
    }

    /// The same, once there is room; refused when there is none until `deadline`.
    pub(crate) fn put_when_room(
        &self,
        item: F,
        weight: usize,
        room: QueueRoom,
        deadline: Option<Instant>,
    ) -> Put<W> {
        let mut state = lock(&self.state);
        let mut is_late = false;
        while matches!(state.stage, OutboxStage::Open) && !state.has_room(weight, room) && !is_late {
            state.senders += 1;
            (state, is_late) = wait_until(&self.has_room, state, deadline);
            state.senders -= 1;
        }
        state.put(item, weight, room, WithoutRoom::Refuse)
    }

    /// The reader will be told by this.
    pub(crate) fn be_told_by(&self, waker: impl FnOnce() -> W) {
        let mut state = lock(&self.state);
        if state.waker.is_none() {
            state.waker = Some(waker());
        }
    }

    /// The reader looks whether there is something to take, or it was nudged. If not, whoever brings something next is
    /// given the waker, to wake it once.
    pub(crate) fn look(&self) -> bool {
        let mut state = lock(&self.state);
        let is_something = std::mem::take(&mut state.is_nudged)
            || !state.waiting.is_empty()
            || matches!(state.stage, OutboxStage::Closing(Some(_)) | OutboxStage::Overrun);
        state.waits = !is_something;
        is_something
    }

    /// As [`look`](Self::look), of a reader that takes nothing for now: whether it was nudged, or has to give up.
    #[cfg(feature = "client")]
    pub(crate) fn look_for_nudge(&self) -> bool {
        let mut state = lock(&self.state);
        let is_called = std::mem::take(&mut state.is_nudged) || matches!(state.stage, OutboxStage::Overrun);
        state.waits = !is_called;
        is_called
    }

    /// The reader takes the next.
    pub(crate) fn take(&self) -> FromOutbox<F, C> {
        let mut state = lock(&self.state);
        let Some((item, weight)) = state.waiting.pop_front() else {
            return match &mut state.stage {
                OutboxStage::Overrun => FromOutbox::Overrun,
                OutboxStage::Closing(close) => close.take().map_or(FromOutbox::Nothing, FromOutbox::Close),
                OutboxStage::Open | OutboxStage::Ended => FromOutbox::Nothing,
            };
        };
        state.bytes -= weight;
        if state.waiting.is_empty() && state.waiting.capacity() > KEPT {
            state.waiting = VecDeque::new();
        }
        let are_waited_for = state.senders > 0;
        drop(state);
        if are_waited_for {
            self.has_room.notify_all();
        }
        FromOutbox::Item(item)
    }

    /// Has `close` sent behind what waits, and nothing behind that. The answer is to be woken; `None` where the end was
    /// settled before.
    #[must_use]
    pub(crate) fn close(&self, close: C) -> Option<W> {
        let mut state = lock(&self.state);
        if !matches!(state.stage, OutboxStage::Open) {
            return None;
        }
        state.stage = OutboxStage::Closing(Some(close));
        let told = state.told_for_certain();
        drop(state);
        self.has_room.notify_all();
        told
    }

    /// Has the reader look again. The answer is to be woken.
    #[must_use]
    pub(crate) fn nudge(&self) -> Option<W> {
        let mut state = lock(&self.state);
        state.is_nudged = true;
        state.told()
    }

    /// Nobody reads any more.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.stage = OutboxStage::Ended;
        let dropped = std::mem::take(&mut state.waiting);
        state.bytes = 0;
        let waker = state.waker.take();
        drop(state);
        self.has_room.notify_all();
        drop((dropped, waker));
    }

    /// Whether anything is still taken.
    pub(crate) fn is_open(&self) -> bool {
        matches!(lock(&self.state).stage, OutboxStage::Open)
    }

    /// The same, and whether the peer is to be cut off.
    pub(crate) fn openness(&self) -> Openness {
        match lock(&self.state).stage {
            OutboxStage::Open => Openness::Open,
            OutboxStage::Closing(_) | OutboxStage::Ended => Openness::Closed,
            OutboxStage::Overrun => Openness::Overrun,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        lock(&self.state).waiting.len()
    }

    /// How many were dropped because there was no room.
    pub(crate) fn lost(&self) -> u64 {
        lock(&self.state).lost
    }
}

impl<F, C, W: Clone> OutboxState<F, C, W> {
    fn has_room(&self, weight: usize, room: QueueRoom) -> bool {
        self.waiting.is_empty()
            || self.waiting.len() < room.messages && self.bytes.saturating_add(weight) <= room.bytes
    }

    fn put(&mut self, item: F, weight: usize, room: QueueRoom, without: WithoutRoom) -> Put<W> {
        if !matches!(self.stage, OutboxStage::Open) {
            return Put { fate: Fate::Gone, lost: 0, wakes: None };
        }
        let mut lost = 0;
        if !self.has_room(weight, room) {
            match without {
                WithoutRoom::Admit => {}
                WithoutRoom::Refuse => return Put { fate: Fate::Refused, lost: 0, wakes: None },
                WithoutRoom::CutOff => return self.overrun(),
                WithoutRoom::DropOldest => {
                    while !self.has_room(weight, room) {
                        let Some((_, weight)) = self.waiting.pop_front() else { break };
                        self.bytes -= weight;
                        lost += 1;
                    }
                    self.lost += lost;
                }
            }
        }
        self.waiting.push_back((item, weight));
        self.bytes = self.bytes.saturating_add(weight);
        Put { fate: Fate::Queued, lost, wakes: self.told() }
    }

    fn overrun(&mut self) -> Put<W> {
        let lost = self.waiting.len() as u64 + 1;
        self.lost += lost;
        self.waiting = VecDeque::new();
        self.bytes = 0;
        self.stage = OutboxStage::Overrun;
        Put { fate: Fate::Gone, lost, wakes: self.told_for_certain() }
    }

    /// The waker of a reader that waits.
    fn told(&mut self) -> Option<W> {
        if std::mem::take(&mut self.waits) { self.waker.clone() } else { None }
    }

    /// The waker, whatever the reader does.
    fn told_for_certain(&mut self) -> Option<W> {
        self.waits = false;
        self.waker.clone()
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    const ROOM: QueueRoom = QueueRoom { messages: 2, bytes: 10 };

    type Box = Outbox<u8, &'static str, char>;

    fn put(outbox: &Box, item: u8, without: WithoutRoom) -> (Fate, u64, Option<char>) {
        let Put { fate, lost, wakes } = outbox.put(item, usize::from(item), ROOM, without);
        (fate, lost, wakes)
    }

    fn told() -> Box {
        let outbox = Outbox::new();
        outbox.be_told_by(|| 'w');
        outbox
    }

    #[test]
    fn a_reader_that_waits_is_told_once() {
        let outbox = told();
        assert_eq!(put(&outbox, 1, WithoutRoom::Refuse), (Fate::Queued, 0, None), "nobody has looked yet");
        assert!(outbox.look());
        assert_eq!((outbox.take(), outbox.take()), (FromOutbox::Item(1), FromOutbox::Nothing));
        assert!(!outbox.look());
        assert_eq!(put(&outbox, 2, WithoutRoom::Refuse), (Fate::Queued, 0, Some('w')));
        assert_eq!(put(&outbox, 3, WithoutRoom::Refuse), (Fate::Queued, 0, None));
        assert_eq!(outbox.nudge(), None, "it knows that there is something");
        assert!(outbox.look());
        assert_eq!((outbox.take(), outbox.take()), (FromOutbox::Item(2), FromOutbox::Item(3)));
        assert!(!outbox.look());
        assert_eq!((outbox.nudge(), outbox.nudge()), (Some('w'), None));
        assert!(outbox.look() && !outbox.look(), "a nudge is one look");
    }

    #[test]
    fn what_closes_comes_last_and_is_told_whatever_the_reader_does() {
        let outbox = told();
        assert_eq!(put(&outbox, 1, WithoutRoom::Refuse).0, Fate::Queued);
        assert_eq!((outbox.close("bye"), outbox.close("again")), (Some('w'), None));
        assert_eq!(put(&outbox, 2, WithoutRoom::Admit).0, Fate::Gone);
        assert!(!outbox.is_open() && outbox.look());
        assert_eq!(
            (outbox.take(), outbox.take(), outbox.take()),
            (FromOutbox::Item(1), FromOutbox::Close("bye"), FromOutbox::Nothing)
        );
        assert!(!outbox.look());
        outbox.end();
        assert_eq!(outbox.close("late"), None);
    }

    #[test]
    fn each_policy_does_what_it_says() {
        let outbox = told();
        for item in [4, 5] {
            assert_eq!(put(&outbox, item, WithoutRoom::Refuse).0, Fate::Queued);
        }
        assert_eq!(put(&outbox, 6, WithoutRoom::Refuse), (Fate::Refused, 0, None));
        // By its weight it needs the room of both.
        assert_eq!(put(&outbox, 7, WithoutRoom::DropOldest), (Fate::Queued, 2, None));
        assert_eq!(put(&outbox, 8, WithoutRoom::Admit), (Fate::Queued, 0, None));
        assert_eq!((outbox.len(), outbox.lost()), (2, 2));
        assert_eq!(put(&outbox, 9, WithoutRoom::CutOff), (Fate::Gone, 3, Some('w')));
        assert!(outbox.openness() == Openness::Overrun && outbox.look());
        assert_eq!((outbox.take(), outbox.lost()), (FromOutbox::Overrun, 5));
        let large = told();
        assert_eq!(put(&large, 200, WithoutRoom::Refuse).0, Fate::Queued, "alone, it waits however large");
    }

    #[test]
    fn who_waits_for_room_is_told_of_it_and_of_the_end() {
        let outbox = told();
        for item in [1, 2] {
            assert_eq!(put(&outbox, item, WithoutRoom::Refuse).0, Fate::Queued);
        }
        assert_eq!(outbox.put_when_room(3, 3, ROOM, Some(Instant::now())).fate, Fate::Refused);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| outbox.put_when_room(3, 3, ROOM, None).fate);
            assert_eq!(outbox.take(), FromOutbox::Item(1));
            assert_eq!(waits.join().expect("it is told"), Fate::Queued);
            let waits = scope.spawn(|| outbox.put_when_room(4, 4, ROOM, None).fate);
            assert_eq!(outbox.close("bye"), Some('w'));
            assert_eq!(waits.join().expect("it is told"), Fate::Gone);
        });
    }
}
