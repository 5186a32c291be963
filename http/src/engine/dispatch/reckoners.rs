//! Who reckons for handshakes, and what waits for that.
//!
//! The idea: that is computing, so there are as many at it as there are shards, and for more of them nothing would go
//! faster. They do not come out of the budget of those who may block, so a handshake waits for no handler. What comes
//! while all are at it waits here, first come, first served, until its time is over: a driver never does it instead,
//! because what is run may be the user's (a resolver of certificates), and may block for ever. The end of a handshake
//! has a line of its own, which comes first: it is short, much was spent on it, and its client waits for less. One of
//! them that sleeps while something waits is *lent* to the helpers: it counts among those, as far as their budget goes,
//! and another one may begin in its place.
//!
//! The invariant: what waits has somebody at work who looks here when they are done, or the monitor's next look calls
//! somebody. Moments are passed in, as time since the engine started.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use crate::engine::sync::{Mutex, lock};

/// See the module's text. `W` is what is to be done, `T` a thread that does it.
#[derive(Debug)]
pub(crate) struct Reckoners<W, T> {
    /// So many may wait in each line.
    line_max: usize,
    state: Mutex<ReckonersState<W, T>>,
}

#[derive(Debug)]
struct ReckonersState<W, T> {
    /// How many more may begin.
    room: usize,
    at_work: Vec<Stint<T>>,
    /// The number of the next piece that is begun.
    next: u64,
    /// What waits and goes first.
    first: VecDeque<Unbegun<W>>,
    /// What waits behind that.
    later: VecDeque<Unbegun<W>>,
    /// Nobody's time is over before.
    soonest: Duration,
    /// The last worker that was called could not be had.
    is_short: bool,
}

/// Somebody at work, and at which piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stint<T> {
    pub(crate) piece: PieceNumber,
    pub(crate) thread: T,
    /// When the piece was begun.
    pub(crate) since: Duration,
    is_lent: bool,
}

/// What tells a piece that was begun from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PieceNumber(u64);

/// Something to be done, and until when it is worth it.
#[derive(Debug)]
pub(crate) struct Unbegun<W> {
    pub(crate) work: W,
    until: Duration,
    goes_first: bool,
}

/// What came of leaving something to the reckoners.
#[derive(Debug)]
pub(crate) enum Left<W> {
    /// The caller must call a worker for this, which counts as come.
    MustCall(Unbegun<W>),
    Waits,
    /// As many wait as may.
    Refused(W),
}

/// What somebody does next who has done a piece.
#[derive(Debug)]
pub(crate) enum AfterPiece<W> {
    /// Another one.
    Another(PieceNumber, W),
    /// Nothing waits.
    Nothing,
    /// What helpers do: it has been one of them since it was lent.
    Helps,
}

impl<W, T: Copy> Reckoners<W, T> {
    /// As many as `count` at a time, for whom `line_max` may wait in each line.
    pub(crate) fn new(count: usize, line_max: usize) -> Self {
        let state = ReckonersState {
            room: count,
            at_work: Vec::new(),
            next: 0,
            first: VecDeque::new(),
            later: VecDeque::new(),
            soonest: Duration::MAX,
            is_short: false,
        };
        Self { line_max, state: Mutex::new(state) }
    }

    /// Leaves `work`, which is worth it `until` then, and may go before all that does not.
    pub(crate) fn hand_over(&self, work: W, until: Duration, goes_first: bool) -> Left<W> {
        let mut state = lock(&self.state);
        let may_begin = state.room > 0 && !state.is_short;
        if state.line(goes_first).len() >= self.line_max && !may_begin {
            return Left::Refused(work);
        }
        state.line(goes_first).push_back(Unbegun { work, until, goes_first });
        state.soonest = state.soonest.min(until);
        match may_begin.then(|| state.begin()).flatten() {
            Some(first) => Left::MustCall(first),
            None => Left::Waits,
        }
    }

    /// Takes what waits first, if somebody may be called for it, who counts as come.
    pub(crate) fn call_for_waiting(&self) -> Option<Unbegun<W>> {
        lock(&self.state).begin()
    }

    /// The worker that was called could not be had. What it was called for, if the caller does not know better, waits
    /// again before all others.
    pub(crate) fn call_failed(&self, unbegun: Option<Unbegun<W>>) {
        let mut state = lock(&self.state);
        state.room += 1;
        state.is_short = true;
        if let Some(unbegun) = unbegun {
            state.soonest = state.soonest.min(unbegun.until);
            state.line(unbegun.goes_first).push_front(unbegun);
        }
    }

    /// A worker that was called is here, as `thread`, and begins at `now`.
    pub(crate) fn arrive(&self, thread: T, now: Duration) -> PieceNumber {
        let mut state = lock(&self.state);
        state.is_short = false;
        let piece = state.number();
        state.at_work.push(Stint { piece, thread, since: now, is_lent: false });
        piece
    }

    /// Somebody has done `piece`, and it is `now`.
    pub(crate) fn next(&self, piece: PieceNumber, now: Duration) -> AfterPiece<W> {
        let mut state = lock(&self.state);
        let place = state.at_work.iter().position(|stint| stint.piece == piece);
        let Some(place) = place else { return AfterPiece::Nothing };
        if state.at_work[place].is_lent {
            state.at_work.swap_remove(place);
            return AfterPiece::Helps;
        }
        match state.take() {
            Some(Unbegun { work, .. }) => {
                let number = state.number();
                (state.at_work[place].piece, state.at_work[place].since) = (number, now);
                AfterPiece::Another(number, work)
            }
            None => {
                state.at_work.swap_remove(place);
                state.room += 1;
                AfterPiece::Nothing
            }
        }
    }

    /// Those at work who might be lent, if something waits; `None`: nothing does.
    pub(crate) fn at_work(&self) -> Option<Vec<Stint<T>>> {
        let state = lock(&self.state);
        (state.waiting() > 0).then(|| state.at_work.iter().filter(|stint| !stint.is_lent).copied().collect())
    }

    /// Whether somebody is at work who takes what waits next.
    pub(crate) fn is_one_at_work(&self) -> bool {
        lock(&self.state).at_work.iter().any(|stint| !stint.is_lent)
    }

    /// Whoever is at `piece` is one of the helpers from now on, and somebody else may begin. `None`: it is done, or
    /// nothing waits any more.
    pub(crate) fn lend(&self, piece: PieceNumber) -> Option<()> {
        let mut state = lock(&self.state);
        if state.waiting() == 0 {
            return None;
        }
        state.at_work.iter_mut().find(|stint| stint.piece == piece)?.is_lent = true;
        state.room += 1;
        Some(())
    }

    /// Takes what has waited in vain until `now`, one at a time.
    pub(crate) fn take_expired(&self, now: Duration) -> Option<W> {
        let mut state = lock(&self.state);
        if state.soonest > now {
            return None;
        }
        for goes_first in [true, false] {
            let line = state.line(goes_first);
            if let Some(place) = line.iter().position(|unbegun| unbegun.until <= now) {
                return line.remove(place).map(|unbegun| unbegun.work);
            }
        }
        let all = state.first.iter().chain(&state.later);
        state.soonest = all.map(|unbegun| unbegun.until).min().unwrap_or(Duration::MAX);
        None
    }

    /// Takes the first that waits, whatever its time.
    pub(crate) fn take_waiting(&self) -> Option<W> {
        lock(&self.state).take().map(|unbegun| unbegun.work)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.state).waiting()
    }

    /// Whether no worker could be had when one was called last. That excuses one piece which is done otherwise: for the
    /// next one somebody is called again, since there may be threads by then, of which nobody else would tell.
    pub(crate) fn take_shortness(&self) -> bool {
        mem::take(&mut lock(&self.state).is_short)
    }
}

impl<W, T> ReckonersState<W, T> {
    fn begin(&mut self) -> Option<Unbegun<W>> {
        if self.room == 0 {
            return None;
        }
        let first = self.take()?;
        self.room -= 1;
        Some(first)
    }

    fn line(&mut self, goes_first: bool) -> &mut VecDeque<Unbegun<W>> {
        if goes_first { &mut self.first } else { &mut self.later }
    }

    /// What is begun next.
    fn take(&mut self) -> Option<Unbegun<W>> {
        self.first.pop_front().or_else(|| self.later.pop_front())
    }

    fn waiting(&self) -> usize {
        self.first.len() + self.later.len()
    }

    fn number(&mut self) -> PieceNumber {
        let number = PieceNumber(self.next);
        self.next = self.next.wrapping_add(1);
        number
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;
    const NEVER: Duration = Duration::MAX;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Two of them, with a piece each, for whom three may wait.
    fn busy() -> (Reckoners<u32, ()>, [PieceNumber; 2]) {
        let reckoners = Reckoners::new(2, 3);
        let pieces = [1, 2].map(|work| {
            assert!(
                matches!(reckoners.hand_over(work, NEVER, false), Left::MustCall(first) if first.work == work)
            );
            reckoners.arrive((), NOW)
        });
        (reckoners, pieces)
    }

    fn another(after: AfterPiece<u32>) -> Option<(PieceNumber, u32)> {
        match after {
            AfterPiece::Another(piece, work) => Some((piece, work)),
            _ => None,
        }
    }

    #[test]
    fn what_waits_is_begun_in_order_and_no_more_wait_than_may() {
        let (reckoners, [first, second]) = busy();
        assert!(reckoners.at_work().is_none(), "nothing waits");
        assert!((3..6).all(|work| matches!(reckoners.hand_over(work, NEVER, false), Left::Waits)));
        assert!(matches!(reckoners.hand_over(6, NEVER, false), Left::Refused(6)));
        let (third, work) = another(reckoners.next(second, NOW)).expect("one waits");
        assert_eq!(work, 3);
        assert_eq!(another(reckoners.next(third, NOW)).expect("one waits").1, 4);
        let (last, work) = another(reckoners.next(first, NOW)).expect("one waits");
        assert_eq!((work, reckoners.waiting()), (5, 0));
        assert!(matches!(reckoners.next(last, NOW), AfterPiece::Nothing));
        assert!(matches!(reckoners.hand_over(7, NEVER, false), Left::MustCall(first) if first.work == 7));
        assert!(matches!(reckoners.hand_over(8, NEVER, false), Left::Waits));
    }

    #[test]
    fn what_goes_first_waits_for_nobody_who_does_not() {
        let (reckoners, [first, second]) = busy();
        assert!((3..6).all(|work| matches!(reckoners.hand_over(work, NEVER, false), Left::Waits)));
        assert!(matches!(reckoners.hand_over(6, NEVER, false), Left::Refused(6)));
        assert!((7..10).all(|work| matches!(reckoners.hand_over(work, at(work.into()), true), Left::Waits)));
        assert!(
            matches!(reckoners.hand_over(10, NEVER, true), Left::Refused(10)),
            "no more than of the others"
        );
        let (third, work) = another(reckoners.next(first, NOW)).expect("some wait");
        assert_eq!((work, reckoners.waiting()), (7, 5));
        // Whoever was called in vain for one leaves it where it was.
        assert_eq!(reckoners.lend(third), Some(()));
        let unbegun = reckoners.call_for_waiting().expect("there is room");
        assert_eq!(unbegun.work, 8);
        reckoners.call_failed(Some(unbegun));
        let (fourth, work) = another(reckoners.next(second, NOW)).expect("some wait");
        assert_eq!((work, reckoners.take_expired(at(9)), reckoners.take_expired(at(9))), (8, Some(9), None));
        assert_eq!(another(reckoners.next(fourth, NOW)).expect("some wait").1, 3);
        assert_eq!((reckoners.take_waiting(), reckoners.take_waiting()), (Some(4), Some(5)));
    }

    #[test]
    fn what_has_waited_for_too_long_is_given_up_whatever_its_place() {
        let (reckoners, _) = busy();
        for (work, until) in [(3, at(5)), (4, at(3)), (5, NEVER)] {
            assert!(matches!(reckoners.hand_over(work, until, false), Left::Waits));
        }
        assert_eq!(reckoners.take_expired(at(2)), None);
        assert_eq!(reckoners.take_expired(at(4)), Some(4));
        assert_eq!(reckoners.take_expired(at(4)), None);
        assert_eq!((reckoners.take_expired(at(9)), reckoners.take_expired(at(9))), (Some(3), None));
        assert_eq!((reckoners.take_waiting(), reckoners.take_waiting()), (Some(5), None));
    }

    #[test]
    fn who_is_lent_makes_room_for_one_and_helps_afterwards() {
        let (reckoners, [first, second]) = busy();
        assert_eq!(reckoners.lend(first), None, "nothing waits");
        assert!((3..5).all(|work| matches!(reckoners.hand_over(work, NEVER, false), Left::Waits)));
        let stints = reckoners.at_work().expect("something waits");
        assert_eq!(stints.iter().map(|stint| stint.piece).collect::<Vec<_>>(), [first, second]);
        assert!(reckoners.call_for_waiting().is_none(), "there is no room");
        assert_eq!(reckoners.lend(first), Some(()));
        assert_eq!(reckoners.at_work().expect("something waits").len(), 1);
        assert!(reckoners.is_one_at_work());
        assert_eq!(reckoners.call_for_waiting().expect("there is room").work, 3);
        let third = reckoners.arrive((), NOW);
        assert!(reckoners.call_for_waiting().is_none(), "for one");
        assert!(matches!(reckoners.next(first, NOW), AfterPiece::Helps));
        let (fourth, work) = another(reckoners.next(second, NOW)).expect("one waits");
        assert_eq!((work, reckoners.lend(second)), (4, None), "that piece is done");
        assert!(
            [third, fourth].iter().all(|piece| matches!(reckoners.next(*piece, NOW), AfterPiece::Nothing))
        );
        assert!(reckoners.call_for_waiting().is_none());
        assert!((5..7).all(|work| matches!(reckoners.hand_over(work, NEVER, false), Left::MustCall(_))));
        assert!(matches!(reckoners.hand_over(7, NEVER, false), Left::Waits), "there are two again");
    }

    #[test]
    fn who_cannot_be_called_is_called_again_and_nothing_is_lost() {
        let reckoners: Reckoners<u32, ()> = Reckoners::new(1, 3);
        let Left::MustCall(first) = reckoners.hand_over(1, NEVER, false) else { panic!("there is room") };
        assert!(!reckoners.take_shortness());
        reckoners.call_failed(Some(first));
        assert!(matches!(reckoners.hand_over(2, NEVER, false), Left::Waits), "nobody would come");
        let again = reckoners.call_for_waiting().expect("there is room");
        assert_eq!(again.work, 1);
        let piece = reckoners.arrive((), NOW);
        assert!(!reckoners.take_shortness());
        assert_eq!(another(reckoners.next(piece, NOW)).expect("one waits").1, 2);
    }

    #[test]
    fn a_call_that_failed_excuses_one_piece() {
        let reckoners: Reckoners<u32, ()> = Reckoners::new(1, 3);
        for work in 0..3 {
            assert!(matches!(reckoners.hand_over(work, NEVER, false), Left::MustCall(_)));
            // Whoever called does the piece itself, and nobody has come.
            reckoners.call_failed(None);
            assert!(reckoners.take_shortness() && !reckoners.take_shortness());
        }
    }
}
