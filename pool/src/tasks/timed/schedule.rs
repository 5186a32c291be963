//! When a periodic task is due: its period, its first run, and what becomes of runs that were missed.

use std::time::Duration;

use crate::core::Priority;
use crate::sync::Instant;

/// What a run may be late before it counts as missed; tokio's figure. No thread wakes to the moment.
const TOLERANCE: Duration = Duration::from_millis(5);

/// What becomes of the runs that a periodic task has missed, because a run took longer than the period, the pool had no
/// worker free, or the system was asleep; see [`Schedule::missed_runs`]. They are tokio's `MissedTickBehavior`s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissedRuns {
    /// The late run stands for all of them, and the next one is due when it would have been: at the start and whole
    /// periods after it.
    #[default]
    Skip,
    /// They are made up for, one right after the other, until as many have run as there should have been.
    Burst,
    /// The late run is a new start: the next one is due a whole period after it began.
    Delay,
}

/// When a periodic task runs; given to [`TaskPool::every`](crate::TaskPool::every), where a [`Duration`] alone is one
/// too.
///
/// Runs are due at the first instant and whole periods after it: how long runs take, and how late they begin, does not
/// add up.
///
/// ```
/// use std::time::Duration;
/// use anthill_pool::{MissedRuns, Schedule, WorkerPool};
///
/// let (ticks, inbox) = std::sync::mpsc::channel();
/// let pool = WorkerPool::builder().max_workers(1).build_tasks()?;
/// let schedule = Schedule::every(Duration::from_millis(5))
///     .first_after(Duration::ZERO)
///     .missed_runs(MissedRuns::Burst);
/// let mut tick = 0;
/// pool.every(schedule, move || {
///     tick += 1;
///     let _ = ticks.send(tick);
/// })?;
/// assert_eq!(inbox.iter().take(3).collect::<Vec<_>>(), [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a schedule does nothing by itself"]
pub struct Schedule {
    period: Duration,
    first: First,
    missed_runs: MissedRuns,
    priority: Priority,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    After(Duration),
    At(Instant),
}

impl Schedule {
    /// A run each `period`, the first one a period from the call; missed runs are skipped.
    ///
    /// # Panics
    /// When `period` is zero.
    pub fn every(period: Duration) -> Self {
        assert!(!period.is_zero(), "the period of a schedule must be above zero");
        let (missed_runs, priority) = (MissedRuns::Skip, Priority::Normal);
        Schedule { period, first: First::After(period), missed_runs, priority }
    }

    /// The first run is due after `delay`; after a period when not set.
    pub fn first_after(mut self, delay: Duration) -> Self {
        self.first = First::After(delay);
        self
    }

    /// The first run is due at `instant`; one that has passed is now.
    pub fn first_at(mut self, instant: Instant) -> Self {
        self.first = First::At(instant);
        self
    }

    /// What becomes of runs that were missed; [`MissedRuns::Skip`] when not set.
    pub fn missed_runs(mut self, policy: MissedRuns) -> Self {
        self.missed_runs = policy;
        self
    }

    /// How urgent each run is when its time has come; [`Priority::Normal`] when not set. A [high](Priority::High) one
    /// goes before all that is queued, and on a full pool to the next worker that has done what it runs.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::{ManualClock, Priority, Schedule, WorkerPool};
    ///
    /// let clock = ManualClock::new();
    /// let (begun, order) = std::sync::mpsc::channel();
    /// let (open, gate) = std::sync::mpsc::channel::<()>();
    /// let pool = WorkerPool::builder().max_workers(1).queue_capacity(8).clock(&clock).build_tasks()?;
    /// let (beats, words) = (begun.clone(), begun);
    /// let heartbeat = Schedule::every(Duration::from_secs(1)).priority(Priority::High);
    /// pool.every(heartbeat, move || beats.send("heartbeat").unwrap())?;
    /// pool.execute(move || gate.recv().unwrap())?;
    /// pool.execute(move || words.send("queued before").unwrap())?;
    /// clock.advance(Duration::from_secs(1));
    /// open.send(())?;
    /// assert_eq!([order.recv()?, order.recv()?], ["heartbeat", "queued before"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    pub(super) fn urgency(&self) -> Priority {
        self.priority
    }

    pub(super) fn first(&self) -> First {
        self.first
    }

    /// When the next run is due, if the one that was `due` began at `now`; `None` beyond the end of time.
    pub(super) fn next_due(&self, due: Instant, now: Instant) -> Option<Instant> {
        let late = now.saturating_duration_since(due);
        match self.missed_runs {
            MissedRuns::Skip if late >= self.period => {
                let into_period = late.as_nanos() % self.period.as_nanos();
                // Below a period; one of centuries is not worth a nanosecond.
                let into_period = Duration::from_nanos(u64::try_from(into_period).unwrap_or(u64::MAX));
                now.checked_add(self.period - into_period)
            }
            MissedRuns::Delay if late > TOLERANCE => now.checked_add(self.period),
            _ => due.checked_add(self.period),
        }
    }
}

impl From<Duration> for Schedule {
    /// As [`Schedule::every`].
    fn from(period: Duration) -> Self {
        Schedule::every(period)
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// When runs begin, in milliseconds, if each may begin as soon as it is due and the one before has ended; runs take
    /// as long as `takes` says.
    fn starts(policy: MissedRuns, period: u32, takes: &[u32]) -> Vec<u128> {
        let origin = Instant::now();
        let schedule = Schedule::every(period * MILLI).missed_runs(policy);
        let (mut due, mut free) = (origin, origin);
        takes
            .iter()
            .map(|takes| {
                let start = due.max(free);
                free = start + *takes * MILLI;
                due = schedule.next_due(due, start).unwrap();
                (start - origin).as_millis()
            })
            .collect()
    }

    #[test]
    fn what_is_in_time_does_not_drift() {
        for policy in [MissedRuns::Skip, MissedRuns::Burst, MissedRuns::Delay] {
            assert_eq!(starts(policy, 10, &[9, 1, 0, 7, 9]), [0, 10, 20, 30, 40], "{policy:?}");
        }
        let (due, schedule) = (Instant::now(), Schedule::every(10 * MILLI));
        for policy in [MissedRuns::Skip, MissedRuns::Burst, MissedRuns::Delay] {
            let late = schedule.missed_runs(policy).next_due(due, due + 5 * MILLI);
            assert_eq!(late, Some(due + 10 * MILLI), "{policy:?}");
        }
    }

    #[test]
    fn missed_runs_are_skipped_made_up_for_or_put_off() {
        let takes = [0, 37, 0, 0, 0, 0];
        assert_eq!(starts(MissedRuns::Skip, 10, &takes), [0, 10, 47, 50, 60, 70]);
        assert_eq!(starts(MissedRuns::Burst, 10, &takes), [0, 10, 47, 47, 47, 50]);
        assert_eq!(starts(MissedRuns::Delay, 10, &takes), [0, 10, 47, 57, 67, 77]);
    }

    #[test]
    fn a_run_that_always_takes_longer_than_the_period() {
        let takes = [15; 6];
        assert_eq!(starts(MissedRuns::Skip, 10, &takes), [0, 15, 30, 45, 60, 75]);
        assert_eq!(starts(MissedRuns::Burst, 10, &takes), [0, 15, 30, 45, 60, 75]);
        assert_eq!(starts(MissedRuns::Delay, 10, &takes), [0, 15, 30, 45, 60, 75]);
        assert_eq!(starts(MissedRuns::Skip, 10, &[25, 1, 1, 1]), [0, 25, 30, 40]);
    }

    #[test]
    fn whole_periods_late_is_in_step_again() {
        let (due, schedule) = (Instant::now(), Schedule::every(10 * MILLI));
        assert_eq!(schedule.next_due(due, due + 10 * MILLI), Some(due + 20 * MILLI));
        assert_eq!(schedule.next_due(due, due + 19 * MILLI), Some(due + 20 * MILLI));
        assert_eq!(schedule.next_due(due, due + 20 * MILLI), Some(due + 30 * MILLI));
    }

    #[test]
    fn a_period_beyond_the_end_of_time_has_no_second_run() {
        let now = Instant::now();
        for policy in [MissedRuns::Skip, MissedRuns::Burst, MissedRuns::Delay] {
            let schedule = Schedule::every(Duration::MAX).missed_runs(policy);
            assert_eq!(schedule.next_due(now, now + MILLI), None);
            assert_eq!(schedule.next_due(now, now + 6 * MILLI), None);
        }
    }
}
