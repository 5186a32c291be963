//! The connections that the user's functions have taken over: how many there are, and how a shutdown cuts them.
//!
//! The idea: a place is *promised* before the response is sent that gives a connection away, so that it can be refused
//! instead; it is *entered* with the connection, and counts until that is closed. The function that has it counts
//! besides, for as long as it runs: a connection may outlive it.
//!
//! The rule: *entering* and *looking whether all are cut* are one step, and so are *saying that all are cut*
//! and *taking the list*. So every connection is cut by the one or the other. Cutting itself happens outside of the
//! lock.

use crate::wire::sync::{Arc, Condvar, Instant, Mutex, lock, wait_until};
use std::collections::HashMap;

/// The connections, each of which can be cut by a `C`.
pub(crate) struct TakenOver<C> {
    state: Mutex<TakenState<C>>,
    none_left: Condvar,
}

struct TakenState<C> {
    /// Places that were promised, and connections that are open.
    open: usize,
    /// Functions that run, or will.
    functions: usize,
    cuts: HashMap<u64, C>,
    is_cut: bool,
}

/// A promised place.
pub(crate) struct HijackPlace<C> {
    /// `None` once it was entered.
    of: Option<Arc<TakenOver<C>>>,
}

/// An open connection.
pub(crate) struct Entered<C> {
    of: Arc<TakenOver<C>>,
    number: u64,
}

/// A function that runs.
pub(crate) struct Permit<C>(Arc<TakenOver<C>>);

impl<C> TakenOver<C> {
    pub(crate) fn new() -> Self {
        let state = TakenState { open: 0, functions: 0, cuts: HashMap::new(), is_cut: false };
        TakenOver { state: Mutex::new(state), none_left: Condvar::new() }
    }

    /// A place for one more connection, unless `most` functions run already.
    pub(crate) fn promise(this: &Arc<Self>, most: usize) -> Option<HijackPlace<C>> {
        let mut state = lock(&this.state);
        if state.functions >= most {
            return None;
        }
        state.functions += 1;
        state.open += 1;
        Some(HijackPlace { of: Some(this.clone()) })
    }

    /// How many there are, those promised included.
    pub(crate) fn open(&self) -> usize {
        lock(&self.state).open
    }

    /// Waits until there are none. False: `deadline` came first.
    pub(crate) fn wait_none(&self, deadline: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        let mut is_late = false;
        while state.open > 0 {
            if is_late {
                return false;
            }
            (state, is_late) = wait_until(&self.none_left, state, deadline);
        }
        true
    }

    /// All that are open are to be cut, by the caller; and all that come later, by whoever enters them.
    #[must_use]
    pub(crate) fn cut(&self) -> Vec<C> {
        let mut state = lock(&self.state);
        state.is_cut = true;
        state.cuts.drain().map(|(_, cut)| cut).collect()
    }

    /// None are cut from now on.
    pub(crate) fn cut_no_more(&self) {
        lock(&self.state).is_cut = false;
    }

    fn leave(&self, number: Option<u64>) {
        let mut state = lock(&self.state);
        let cut = number.and_then(|number| state.cuts.remove(&number));
        state.open -= 1;
        let is_last = state.open == 0;
        drop(state);
        drop(cut);
        if is_last {
            self.none_left.notify_all();
        }
    }

    fn function_ended(&self) {
        lock(&self.state).functions -= 1;
    }
}

impl<C> HijackPlace<C> {
    /// The connection of this number takes its place. `Some`: it is to be cut at once.
    pub(crate) fn enter(mut self, number: u64, cut: C) -> (Entered<C>, Permit<C>, Option<C>) {
        let of = self.of.take().expect("it is entered once");
        let mut state = lock(&of.state);
        let mut to_cut = Some(cut);
        if !state.is_cut {
            state.cuts.extend(to_cut.take().map(|cut| (number, cut)));
        }
        drop(state);
        (Entered { of: of.clone(), number }, Permit(of), to_cut)
    }
}

impl<C> Drop for HijackPlace<C> {
    fn drop(&mut self) {
        if let Some(of) = self.of.take() {
            of.function_ended();
            of.leave(None);
        }
    }
}

impl<C> Drop for Entered<C> {
    fn drop(&mut self) {
        self.of.leave(Some(self.number));
    }
}

impl<C> Drop for Permit<C> {
    fn drop(&mut self) {
        self.0.function_ended();
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_connection_may_outlive_its_function_and_a_place_may_stay_empty() {
        let taken = Arc::new(TakenOver::new());
        let first = TakenOver::promise(&taken, 1).expect("nobody is there");
        assert!(TakenOver::promise(&taken, 1).is_none(), "one function runs, or will");
        let (entered, permit, to_cut) = first.enter(7, "seven");
        assert_eq!((taken.open(), to_cut), (1, None));
        drop(permit);
        let second = TakenOver::promise(&taken, 1).expect("the function has ended");
        assert_eq!(taken.open(), 2);
        drop(second);
        assert!(!taken.wait_none(Some(Instant::now())));
        assert_eq!(taken.cut(), ["seven"]);
        let (late, _permit, to_cut) =
            TakenOver::promise(&taken, 1).expect("that is another matter").enter(8, "eight");
        assert_eq!(to_cut, Some("eight"), "nobody else does it");
        drop((entered, late));
        assert!(taken.wait_none(None));
        taken.cut_no_more();
    }
}
