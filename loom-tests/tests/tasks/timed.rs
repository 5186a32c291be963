//! Tasks that run every so often, against cancellation and stops. Time is always the origin, so the first run is due at
//! once, and the next one stays on the agenda.

use std::time::Duration;

use anthill_pool::{Schedule, ScheduledTask, TaskPool};

use crate::support::Preemptions::AtMost;
use crate::support::explore;
use crate::{Tally, close, tasks};

/// A task whose first run is due now, and the next one later.
fn periodic(pool: &TaskPool, tally: &Tally) -> ScheduledTask {
    let value = tally.value();
    let schedule = Schedule::every(Duration::from_secs(1)).first_after(Duration::ZERO);
    pool.every(schedule, move || value.note()).unwrap()
}

/// A cancellation comes before, during or after a run: nothing stays on the agenda, and the closure is dropped.
#[test]
fn a_run_meets_its_cancellation() {
    explore("timed cancel", AtMost(2), || {
        let (pool, tally) = (tasks(1, 0), Tally::new());
        let task = periodic(&pool, &tally);
        assert!(task.cancel(), "the task goes on for ever");
        pool.wait_idle().unwrap();
        assert_eq!(pool.stats().scheduled, 0, "a cancelled task is still on the agenda");
        assert_eq!(tally.dropped(), 1, "the closure of a cancelled task is still there");
        assert!(tally.done() <= 1 && task.is_finished());
        close(pool);
    });
}

/// A stop comes before, during or after a run: what was due is run, the next run is discarded, and the closure is
/// dropped.
#[test]
fn a_run_meets_a_stop() {
    explore("timed stop", AtMost(2), || {
        let (pool, tally) = (tasks(1, 0), Tally::new());
        let task = periodic(&pool, &tally);
        pool.stop();
        pool.wait().unwrap();
        assert_eq!((tally.done(), tally.dropped()), (1, 1), "runs, and closures dropped");
        assert!(task.is_finished() && !task.cancel());
        assert_eq!(pool.stats().scheduled, 0, "a stopped pool has an agenda");
    });
}
