//! Results in the order of the items.

use std::collections::VecDeque;
use std::fmt;
use std::iter::{Enumerate, FusedIterator};

use super::intake::{Entrust, Intake, with_in_flight};
use crate::panic::drop_quietly;
use crate::sync::StdArc;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::tasks::scope::Errand;

/// What a function makes of the items of an iterator, in their order; made by [`TaskPool::map`](crate::TaskPool::map)
/// or [`Scope::map`](crate::Scope::map).
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Map<'a, I: Iterator, R> {
    intake: Intake<'a, I, R>,
    in_flight: VecDeque<Errand<'a, R>>,
}

/// What a function that can fail makes of the items of an iterator, in their order and up to the first error; made by
/// [`TaskPool::try_map`](crate::TaskPool::try_map) or [`Scope::try_map`](crate::Scope::try_map).
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct TryMap<'a, I: Iterator, R, E> {
    /// `None` for an item that was not run, because one before it had failed.
    outcomes: Map<'a, Enumerate<I>, Option<Result<R, E>>>,
    /// Number of the first item that is known to have failed.
    first_failure: StdArc<AtomicUsize>,
}

impl<'a, I: Iterator, R: Send + 'a> Map<'a, I, R>
where
    I::Item: Send + 'a,
{
    pub(super) fn new<F>(items: I, place: impl Entrust<'a>, map: F) -> Self
    where
        F: Fn(I::Item) -> R + Send + Sync + 'a,
    {
        Map { intake: Intake::new(items, place, map), in_flight: VecDeque::new() }
    }
}

impl<'a, I: Iterator, R: Send + 'a> Map<'a, I, R> {
    /// The most items that are pulled and whose results are not given out; at least 1. When not set twice as many as
    /// the pool may have workers, but 16 at least and 64 at most: enough to keep them busy while results wait for their
    /// turn. For tasks that block say how many may block at a time.
    pub fn in_flight(mut self, items: usize) -> Self {
        self.intake.most = items.max(1);
        self
    }

    fn next_unless(&mut self, is_over: impl Fn() -> bool) -> Option<R> {
        while self.in_flight.len() < self.intake.most && !is_over() {
            let Some(errand) = self.intake.pull() else { break };
            self.in_flight.push_back(errand);
        }
        let errand = self.in_flight.pop_front()?;
        errand.start();
        while !errand.has_ended() && self.intake.run_another(&self.in_flight) {}
        Some(errand.settle().unwrap_or_else(|error| error.resume()))
    }
}

impl<I: Iterator, R> Map<'_, I, R> {
    fn stop(&mut self) {
        // From behind, so that nobody starts the next one meanwhile.
        while let Some(errand) = self.in_flight.pop_back() {
            drop_quietly(errand.give_up());
        }
    }
}

impl<'a, I: Iterator, R: Send + 'a> Iterator for Map<'a, I, R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        self.next_unless(|| false)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        with_in_flight(self.intake.size_hint(), self.in_flight.len())
    }
}

impl<'a, I: Iterator, R: Send + 'a> FusedIterator for Map<'a, I, R> {}

impl<I: Iterator, R> Drop for Map<'_, I, R> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<'a, I: Iterator, R: Send + 'a, E: Send + 'a> TryMap<'a, I, R, E>
where
    I::Item: Send + 'a,
{
    pub(super) fn new<F>(items: I, place: impl Entrust<'a>, map: F) -> Self
    where
        F: Fn(I::Item) -> Result<R, E> + Send + Sync + 'a,
    {
        let first_failure = StdArc::new(AtomicUsize::new(usize::MAX));
        let failed = first_failure.clone();
        let outcomes = Map::new(items.enumerate(), place, move |(number, item)| {
            if failed.load(Ordering::Relaxed) < number {
                return None;
            }
            let outcome = map(item);
            if outcome.is_err() {
                failed.fetch_min(number, Ordering::Relaxed);
            }
            Some(outcome)
        });
        TryMap { outcomes, first_failure }
    }
}

impl<'a, I: Iterator, R: Send + 'a, E: Send + 'a> TryMap<'a, I, R, E> {
    /// As [`Map::in_flight`].
    pub fn in_flight(mut self, items: usize) -> Self {
        self.outcomes = self.outcomes.in_flight(items);
        self
    }
}

impl<'a, I: Iterator, R: Send + 'a, E: Send + 'a> Iterator for TryMap<'a, I, R, E> {
    type Item = Result<R, E>;

    fn next(&mut self) -> Option<Result<R, E>> {
        let has_failed = || self.first_failure.load(Ordering::Relaxed) < usize::MAX;
        // What was not run stands behind a failure, which was given out before it.
        let outcome = self.outcomes.next_unless(has_failed)??;
        if outcome.is_err() {
            self.outcomes.stop();
        }
        Some(outcome)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.outcomes.size_hint().1)
    }
}

impl<'a, I: Iterator, R: Send + 'a, E: Send + 'a> FusedIterator for TryMap<'a, I, R, E> {}

impl<I: Iterator, R> fmt::Debug for Map<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("in_flight", &self.in_flight.len()).finish_non_exhaustive()
    }
}

impl<I: Iterator, R, E> fmt::Debug for TryMap<'_, I, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_flight = self.outcomes.in_flight.len();
        f.debug_struct("TryMap").field("in_flight", &in_flight).finish_non_exhaustive()
    }
}
