//! Results as they come.
//!
//! The tasks put their outcomes into an outbox. Whoever asks waits for it while somebody works; when nobody does, for the
//! pool may be full or stopped, it runs an item itself.

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

/// How long a worker that is free may take to come. A long item in the hands of who asks would hold up the others.
const TO_COME: Duration = Duration::from_millis(2);

/// What a function makes of the items of an iterator, as it comes; made by
/// [`TaskPool::map_unordered`](crate::TaskPool::map_unordered) or [`Scope::map_unordered`](crate::Scope::map_unordered).
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct MapUnordered<'a, I: Iterator, R> {
    intake: Intake<'a, I, ()>,
    outbox: Arc<Outbox<R>>,
    /// Those that nobody is known to have started, the oldest first.
    waiting: VecDeque<Errand<'a, ()>>,
    in_flight: usize,
    /// No worker came when one was waited for.
    is_alone: bool,
}

struct Outbox<R> {
    outcomes: Mutex<VecDeque<TaskResult<R>>>,
    filled: Condvar,
}

impl<'a, I: Iterator, R: Send + 'a> MapUnordered<'a, I, R>
where
    I::Item: Send + 'a,
{
    pub(super) fn new<F>(items: I, place: impl Entrust<'a>, map: F) -> Self
    where
        F: Fn(I::Item) -> R + Send + Sync + 'a,
    {
        let outbox = Arc::new(Outbox { outcomes: Mutex::default(), filled: Condvar::new() });
        let filled = outbox.clone();
        let intake = Intake::new(items, place, move |item| {
            filled.put(catch(|| map(item)).map_err(|value| TaskError::Panicked(TaskPanic::new(value))));
        });
        MapUnordered { intake, outbox, waiting: VecDeque::new(), in_flight: 0, is_alone: false }
    }
}

impl<'a, I: Iterator, R: Send + 'a> MapUnordered<'a, I, R> {
    /// As [`Map::in_flight`](crate::Map::in_flight).
    pub fn in_flight(mut self, items: usize) -> Self {
        self.intake.most = items.max(1);
        self
    }

    /// The next outcome; somebody is to be at work, or to begin.
    fn next_outcome(&mut self) -> TaskResult<R> {
        loop {
            if let Some(outcome) = self.outbox.look() {
                return outcome;
            }
            while self.waiting.front().is_some_and(|errand| !errand.is_waiting()) {
                self.waiting.pop_front();
                self.is_alone = false;
            }
            if self.waiting.len() < self.in_flight {
                // One of those that were started will end, if it has not by now.
                if let Some(outcome) = self.outbox.take(None) {
                    return outcome;
                }
            } else if self.is_alone {
                if let Some(errand) = self.waiting.pop_front() {
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
    fn put(&self, outcome: TaskResult<R>) {
        self.outcomes.lock().push_back(outcome);
        self.filled.notify_one();
    }

    fn look(&self) -> Option<TaskResult<R>> {
        self.outcomes.lock().pop_front()
    }

    /// Waits for an outcome, until `deadline` if there is one.
    fn take(&self, deadline: Option<Instant>) -> Option<TaskResult<R>> {
        let mut outcomes = self.outcomes.lock();
        let mut late = false;
        loop {
            if let Some(outcome) = outcomes.pop_front() {
                return Some(outcome);
            }
            if late {
                return None;
            }
            (outcomes, late) = match deadline {
                Some(deadline) => self.filled.wait_until(outcomes, deadline),
                None => (self.filled.wait(outcomes), false),
            };
        }
    }
}

impl<'a, I: Iterator, R: Send + 'a> Iterator for MapUnordered<'a, I, R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        while self.in_flight < self.intake.most {
            let Some(errand) = self.intake.pull() else { break };
            self.waiting.push_back(errand);
            self.in_flight += 1;
        }
        if self.in_flight == 0 {
            return None;
        }
        let outcome = self.next_outcome();
        self.in_flight -= 1;
        Some(outcome.unwrap_or_else(|error| error.resume()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        with_in_flight(self.intake.size_hint(), self.in_flight)
    }
}

impl<'a, I: Iterator, R: Send + 'a> FusedIterator for MapUnordered<'a, I, R> {}

impl<I: Iterator, R> Drop for MapUnordered<'_, I, R> {
    fn drop(&mut self) {
        // From behind, so that nobody starts the next one meanwhile.
        while let Some(errand) = self.waiting.pop_back() {
            drop_quietly(errand.give_up());
        }
    }
}

impl<I: Iterator, R> fmt::Debug for MapUnordered<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUnordered").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}
