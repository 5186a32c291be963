//! Failures of a group's tasks against starts, spawns and the wait.

use anthill_pool::{GroupError, TaskGroup};

use crate::support::Preemptions::AtMost;
use crate::support::explore;
use crate::{Tally, close, discarding, tasks};

/// Spawns a task that notes its run.
fn spawn_noting(group: &TaskGroup<(), u8>, tally: &Tally) {
    let value = tally.value();
    let noting = move || {
        value.note();
        Ok(())
    };
    group.spawn(noting).unwrap();
}

/// A task fails while another one is started by a second worker: that one runs to its end before the wait's, or is
/// skipped, and goes once.
#[test]
fn l31_failure_meets_start() {
    explore("l31 group", AtMost(2), || {
        let (pool, tally) = (tasks(2, 2), Tally::new());
        let group = pool.group::<(), u8>();
        group.spawn(|| Err(1)).unwrap();
        let value = tally.value();
        // Where it can be caught in the middle.
        let step = loom::sync::Arc::new(loom::sync::Mutex::new(()));
        let middle = step.clone();
        group
            .spawn(move || {
                drop(middle.lock());
                value.note();
                Ok(())
            })
            .unwrap();
        assert_eq!(group.wait().unwrap_err().into_failure(), Some(1));
        drop(step.lock());
        assert_eq!(tally.dropped(), 1, "after wait its closure is gone");
        close(pool);
        assert!(tally.done() <= 1);
    });
}

/// A task fails while the next is being spawned: that one is taken up and cancelled, or not even taken up.
#[test]
fn l31_failure_meets_spawn() {
    explore("l31 spawn", AtMost(3), || {
        let (pool, tally) = (tasks(1, 1), Tally::new());
        let group = pool.group::<(), u8>();
        group.spawn(|| Err(1)).unwrap();
        spawn_noting(&group, &tally);
        assert_eq!(group.wait().unwrap_err().into_failure(), Some(1));
        assert_eq!((tally.done(), tally.dropped()), (0, 1), "the only worker had failed before it");
        close(pool);
    });
}

/// The pool drops a group's tasks: the wait is told.
#[test]
fn l30_wait_meets_the_drop_of_the_tasks() {
    explore("l30 group", AtMost(3), || {
        let (pool, tally) = (discarding(), Tally::new());
        let group = pool.group::<(), u8>();
        for _ in 0..2 {
            spawn_noting(&group, &tally);
        }
        assert!(matches!(group.wait(), Err(GroupError::Lost | GroupError::Cancelled)));
        assert_eq!((tally.done(), tally.dropped()), (0, 2), "runs and drops");
        close(pool);
    });
}

/// A group goes while its tasks run: nothing of it is left.
#[test]
fn l30_drop_of_the_group_meets_the_results() {
    explore("l30 group drop", AtMost(3), || {
        let (pool, tally) = (tasks(1, 1), Tally::new());
        let group = pool.group::<_, u8>();
        for _ in 0..2 {
            let value = tally.value();
            group
                .spawn(move || {
                    value.note();
                    Ok(value)
                })
                .unwrap();
        }
        drop(group);
        close(pool);
        assert_eq!((tally.done(), tally.dropped()), (2, 2), "runs and drops");
    });
}
