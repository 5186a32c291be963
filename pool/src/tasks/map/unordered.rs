//! Results as they come.
//!
//! The tasks put their outcomes into an outbox. Whoever asks waits for it while somebody works; when nobody does, for
//! the pool may be full or stopped, it runs an item itself.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::time::Duration;

use super::intake::{Entrust, Intake, with_in_flight};
use crate::panic::{catch, drop_quietly};
use crate::sync::{Arc, Condvar, Instant, Mutex};
use crate::tasks::cell::TaskResult;
use crate::tasks::error::{TaskError, TaskPanic};
use crate::tasks::scope::Errand;
use crate::threads::identity::{self, PoolIdentity};
use crate::waits::{self, StayAwake, TaskRunner, Wait, WayOut, WorkerKey};

/// How long a worker that is free may take to come. A long item in the hands of who asks would hold up the others.
const TO_COME: Duration = Duration::from_millis(2);

/// What a function makes of the items of an iterator, as it comes; made by
/// [`TaskPool::map_unordered`](crate::TaskPool::map_unordered) or
/// [`Scope::map_unordered`](crate::Scope::map_unordered).
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct MapUnordered<'a, I: Iterator, R> {
    intake: Intake<'a, I, ()>,
    outbox: Arc<Outbox<R>>,
    /// The oldest first; without some of those that have ended.
    in_flight: VecDeque<Errand<'a, ()>>,
    /// Outcomes that are still to be given out.
    expected: usize,
    /// No worker came when one was waited for.
    is_alone: bool,
}

struct Outbox<R> {
    state: Mutex<OutboxState<R>>,
    filled: Condvar,
    /// Whose workers fill it.
    pool: PoolIdentity,
}

struct OutboxState<R> {
    outcomes: VecDeque<TaskResult<R>>,
    /// Who runs items that have begun and not ended.
    runners: Vec<TaskRunner>,
    /// Who waits, if it is a worker that is noted as [sleeping](crate::waits): for the first of the runners, or while
    /// there is none for whoever comes free to begin. Whoever puts something in notes that it sleeps no more.
    sleeper: Option<WorkerKey>,
}

impl<'a, I: Iterator, R: Send + 'a> MapUnordered<'a, I, R>
where
    I::Item: Send + 'a,
{
    pub(super) fn new<F>(items: I, place: impl Entrust<'a>, map: F) -> Self
    where
        F: Fn(I::Item) -> R + Send + Sync + 'a,
    {
        let outbox = Arc::new(Outbox::new(place.pool().identity()));
        let filled = outbox.clone();
        let intake = Intake::new(items, place, move |item| {
            let runner = identity::runner();
            filled.begins(runner);
            filled
                .put(runner, catch(|| map(item)).map_err(|value| TaskError::Panicked(TaskPanic::new(value))));
        });
        MapUnordered { intake, outbox, in_flight: VecDeque::new(), expected: 0, is_alone: false }
    }
}

impl<'a, I: Iterator, R: Send + 'a> MapUnordered<'a, I, R> {
    /// As [`Map::in_flight`](crate::Map::in_flight).
    pub fn in_flight(mut self, items: usize) -> Self {
        self.intake.most = items.max(1);
        self
    }

    /// The next outcome; something is in flight.
    fn next_outcome(&mut self) -> TaskResult<R> {
        loop {
            if let Some(outcome) = self.outbox.look() {
                return outcome;
            }
            if self.intake.run_another(&self.in_flight) {
                continue;
            }
            self.in_flight.retain(|errand| !errand.has_ended());
            if self.in_flight.iter().filter(|errand| errand.is_waiting()).count() < self.expected {
                self.is_alone = false;
                // One was started whose outcome is still to come.
                if let Some(outcome) = self.outbox.take(None) {
                    return outcome;
                }
            } else if self.is_alone {
                if let Some(errand) = self.in_flight.pop_front() {
                    errand.start();
                }
            } else if let Some(outcome) = self.outbox.take(Instant::now().checked_add(TO_COME)) {
                return outcome;
            } else {
                self.is_alone = true;
            }
        }
    }
}

impl<R> Outbox<R> {
    fn new(pool: PoolIdentity) -> Self {
        let state = OutboxState { outcomes: VecDeque::new(), runners: Vec::new(), sleeper: None };
        Outbox { state: Mutex::new(state), filled: Condvar::new(), pool }
    }

    /// An item begins to be run. Whoever waits for somebody to begin one waits for this runner from now on.
    fn begins(&self, runner: TaskRunner) {
        let mut state = self.state.lock();
        state.runners.push(runner);
        let slept_for_any = state.sleeper.filter(|_| state.runners.len() == 1);
        let alarm =
            slept_for_any.and_then(|sleeper| waits::sleep_on(sleeper, Wait::Run(runner), WayOut::Nothing));
        drop(state);
        waits::ring(alarm);
    }

    fn put(&self, runner: TaskRunner, outcome: TaskResult<R>) {
        let mut state = self.state.lock();
        if let Some(place) = state.runners.iter().position(|other| *other == runner) {
            state.runners.remove(place);
        }
        state.outcomes.push_back(outcome);
        if let Some(sleeper) = state.sleeper.take() {
            waits::wake(sleeper);
        }
        drop(state);
        self.filled.notify_one();
    }

    fn look(&self) -> Option<TaskResult<R>> {
        self.state.lock().outcomes.pop_front()
    }

    /// Waits for an outcome, until `deadline` if there is one.
    fn take(&self, deadline: Option<Instant>) -> Option<TaskResult<R>> {
        let worker = identity::sleeper();
        let mut state = self.state.lock();
        let mut late = false;
        loop {
            if let Some(outcome) = state.outcomes.pop_front() {
                return Some(outcome);
            }
            if late {
                return None;
            }
            (state, late) = match (deadline, &worker, state.sleeper) {
                (Some(deadline), ..) => self.filled.wait_until(state, deadline),
                (None, Some(worker), None) => {
                    let awaited =
                        state.runners.first().map_or(Wait::Free(self.pool.key()), |&first| Wait::Run(first));
                    match waits::fall_asleep(worker, awaited, WayOut::Nothing) {
                        Err(StayAwake::Ring(alarm)) => {
                            drop(state);
                            waits::ring(alarm);
                            state = self.state.lock();
                        }
                        _ => state.sleeper = Some(worker.key()),
                    }
                    (state, false)
                }
                (None, ..) => (self.filled.wait(state), false),
            };
        }
    }
}

impl<'a, I: Iterator, R: Send + 'a> Iterator for MapUnordered<'a, I, R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        while self.expected < self.intake.most {
            let Some(errand) = self.intake.pull() else { break };
            self.in_flight.push_back(errand);
            self.expected += 1;
        }
        if self.expected == 0 {
            return None;
        }
        let outcome = self.next_outcome();
        self.expected -= 1;
        Some(outcome.unwrap_or_else(|error| error.resume()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        with_in_flight(self.intake.size_hint(), self.expected)
    }
}

impl<'a, I: Iterator, R: Send + 'a> FusedIterator for MapUnordered<'a, I, R> {}

impl<I: Iterator, R> Drop for MapUnordered<'_, I, R> {
    fn drop(&mut self) {
        // From behind, so that nobody starts the next one meanwhile.
        while let Some(errand) = self.in_flight.pop_back() {
            drop_quietly(errand.give_up());
        }
    }
}

impl<I: Iterator, R> fmt::Debug for MapUnordered<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUnordered").field("in_flight", &self.expected).finish_non_exhaustive()
    }
}
