//! Events on their way to one reader.
//!
//! *Finding nothing* and *asking to be told* are one step under the lock, and so is *bringing something* and *looking
//! who is to be told*; so no event is left lying. Telling itself happens outside: the methods hand the reader's waker
//! out, once for each time that it found nothing, however many events come before it looks again.
//!
//! A mailbox knows no connection: what wakes its reader is the reader's own business.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::message::events::sync::{Mutex, lock};

/// Room for so many events is kept by a mailbox that was emptied.
const KEPT_EVENTS: usize = 8;

/// Events for one reader, who is told by a `W` that some have come.
#[derive(Debug)]
pub(crate) struct Mailbox<W> {
    state: Mutex<MailboxState<W>>,
}

#[derive(Debug)]
struct MailboxState<W> {
    events: VecDeque<Arc<[u8]>>,
    /// How the reader is told; there since it looked last, unless it was told.
    waker: Option<W>,
    /// The reader found nothing, and has not been told since.
    waits: bool,
    stage: Stage,
    /// Events dropped in front of the next one, which the reader was not told of.
    untold: u64,
    /// Events dropped in all.
    lost: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// Nothing more comes; what is there is still read.
    Ended,
    /// An event came for which there was no room, and that was not to be. What was there is gone.
    Overrun,
    /// The reader is gone.
    Left,
}

/// What is to be done with an event for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// The oldest one that was not read makes room.
    DropOldest,
    /// The reader is cut off.
    Overrun,
    /// It is not taken.
    Refuse,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Queued,
    Refused,
    /// Nobody reads here, or will from now on.
    Gone,
}

/// What became of an event, and of others for its sake.
#[derive(Debug)]
pub(crate) struct Posted<W> {
    pub(crate) outcome: Outcome,
    /// Events that this one cost, itself included.
    pub(crate) lost: u64,
    /// To be woken by the caller.
    pub(crate) wakes: Option<W>,
}

/// What the reader found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Event {
        event: Arc<[u8]>,
        /// So many in front of it were dropped.
        lost: u64,
    },
    Nothing,
    /// Nothing, and nothing more will come.
    End,
    /// There was no room for what came, and the reader was to be cut off then.
    Overrun,
}

impl<W> Mailbox<W> {
    pub(crate) fn new() -> Self {
        Mailbox {
            state: Mutex::new(MailboxState {
                events: VecDeque::new(),
                waker: None,
                waits: false,
                stage: Stage::Open,
                untold: 0,
                lost: 0,
            }),
        }
    }

    /// Leaves an event for the reader, of which `room` wait at most.
    pub(crate) fn post(&self, event: &Arc<[u8]>, room: usize, when_full: WhenFull) -> Posted<W> {
        let mut state = lock(&self.state);
        if state.stage != Stage::Open {
            return Posted { outcome: Outcome::Gone, lost: 0, wakes: None };
        }
        let mut lost = 0;
        if state.events.len() >= room {
            match when_full {
                WhenFull::Refuse => return Posted { outcome: Outcome::Refused, lost: 0, wakes: None },
                WhenFull::DropOldest => {
                    state.events.pop_front();
                    lost = 1;
                    state.untold += 1;
                }
                WhenFull::Overrun => return state.overrun(),
            }
        }
        state.lost += lost;
        state.events.push_back(event.clone());
        Posted { outcome: Outcome::Queued, lost, wakes: state.told() }
    }

    /// The reader looks whether there is something to take, the end included. If not, whoever brings something next is
    /// given the waker, to wake it once.
    pub(crate) fn look(&self, waker: impl FnOnce() -> W) -> bool {
        let mut state = lock(&self.state);
        if state.waker.is_none() {
            state.waker = Some(waker());
        }
        state.waits = state.events.is_empty() && state.stage == Stage::Open;
        !state.waits
    }

    /// The reader takes the next event.
    pub(crate) fn take(&self) -> Taken {
        let mut state = lock(&self.state);
        let Some(event) = state.events.pop_front() else {
            return match state.stage {
                Stage::Open => Taken::Nothing,
                Stage::Overrun => Taken::Overrun,
                Stage::Ended | Stage::Left => Taken::End,
            };
        };
        if state.events.is_empty() && state.events.capacity() > KEPT_EVENTS {
            state.events = VecDeque::new();
        }
        Taken::Event { event, lost: std::mem::take(&mut state.untold) }
    }

    /// Says that nothing more comes. The answer is to be woken.
    #[must_use]
    pub(crate) fn end(&self) -> Option<W> {
        let mut state = lock(&self.state);
        if state.stage != Stage::Open {
            return None;
        }
        state.stage = Stage::Ended;
        state.told()
    }

    /// The reader is gone.
    pub(crate) fn leave(&self) {
        let mut state = lock(&self.state);
        state.stage = Stage::Left;
        state.events = VecDeque::new();
        state.waker = None;
    }

    /// Whether events are still taken.
    pub(crate) fn is_open(&self) -> bool {
        lock(&self.state).stage == Stage::Open
    }

    /// Whether the reader was cut off.
    pub(crate) fn is_overrun(&self) -> bool {
        lock(&self.state).stage == Stage::Overrun
    }

    /// Events that were dropped because there was no room.
    pub(crate) fn lost(&self) -> u64 {
        lock(&self.state).lost
    }
}

impl<W> MailboxState<W> {
    /// The waker of a reader that waits.
    fn told(&mut self) -> Option<W> {
        if std::mem::take(&mut self.waits) { self.waker.take() } else { None }
    }

    /// Cuts the reader off. It is woken in any case: it may be waiting for its peer to take more.
    fn overrun(&mut self) -> Posted<W> {
        let lost = self.events.len() as u64 + 1;
        self.lost += lost;
        self.events = VecDeque::new();
        self.stage = Stage::Overrun;
        self.waits = false;
        Posted { outcome: Outcome::Gone, lost, wakes: self.waker.take() }
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    fn event(number: u8) -> Arc<[u8]> {
        Arc::new([number])
    }

    fn taken(number: u8, lost: u64) -> Taken {
        Taken::Event { event: event(number), lost }
    }

    #[test]
    fn a_reader_that_waits_is_told_once() {
        let mailbox = Mailbox::new();
        let post = |number| mailbox.post(&event(number), 10, WhenFull::DropOldest).wakes;
        assert_eq!(post(1), None, "nobody has looked yet");
        assert!(mailbox.look(|| 'a'));
        assert_eq!(post(2), None, "it knows that there is something");
        assert_eq!(
            (mailbox.take(), mailbox.take(), mailbox.take()),
            (taken(1, 0), taken(2, 0), Taken::Nothing)
        );
        assert!(!mailbox.look(|| 'b'));
        assert!(!mailbox.look(|| 'c'), "a second look asks for nothing new");
        assert_eq!((post(3), post(4)), (Some('a'), None));
        assert!(mailbox.look(|| 'd'));
        assert_eq!(mailbox.end(), None, "it does not wait");
        assert_eq!((mailbox.take(), mailbox.take(), mailbox.take()), (taken(3, 0), taken(4, 0), Taken::End));
        assert!(mailbox.look(|| 'e'), "the end is something");
    }

    #[test]
    fn an_end_is_told() {
        let mailbox = Mailbox::new();
        assert!(!mailbox.look(|| 'a'));
        assert_eq!((mailbox.end(), mailbox.end()), (Some('a'), None));
        assert_eq!(mailbox.post(&event(1), 1, WhenFull::Refuse).outcome, Outcome::Gone);
        assert!(!mailbox.is_open());
    }

    #[test]
    fn what_is_lost_is_counted_and_told() {
        let mailbox: Mailbox<()> = Mailbox::new();
        for number in 1..=5 {
            let posted = mailbox.post(&event(number), 2, WhenFull::DropOldest);
            assert_eq!((posted.outcome, posted.lost), (Outcome::Queued, u64::from(number > 2)));
        }
        assert_eq!(mailbox.post(&event(6), 2, WhenFull::Refuse).outcome, Outcome::Refused);
        assert_eq!(
            (mailbox.take(), mailbox.take(), mailbox.take()),
            (taken(4, 3), taken(5, 0), Taken::Nothing)
        );
        assert_eq!(mailbox.lost(), 3);
    }

    #[test]
    fn who_is_cut_off_is_woken_whatever_it_waits_for() {
        let mailbox = Mailbox::new();
        let post = |number| mailbox.post(&event(number), 1, WhenFull::Overrun);
        assert_eq!(post(1).outcome, Outcome::Queued);
        assert!(mailbox.look(|| 'a'));
        let posted = post(2);
        assert_eq!((posted.outcome, posted.lost, posted.wakes), (Outcome::Gone, 2, Some('a')));
        assert!(mailbox.is_overrun() && mailbox.look(|| 'b'));
        assert_eq!((mailbox.take(), mailbox.lost()), (Taken::Overrun, 2));
        assert_eq!(post(3).lost, 0);
    }

    #[test]
    fn nothing_is_kept_for_a_reader_that_is_gone() {
        let mailbox: Mailbox<()> = Mailbox::new();
        let kept = event(1);
        assert_eq!(mailbox.post(&kept, 5, WhenFull::DropOldest).outcome, Outcome::Queued);
        mailbox.leave();
        assert_eq!(mailbox.post(&kept, 5, WhenFull::DropOldest).outcome, Outcome::Gone);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}
