//! Shares of a pool: who drives the queue, and who answers for what lies in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_pool::{SubPool, TaskPool};

use crate::support::Preemptions::AtMost;
use crate::support::{beside, explore};
use crate::{Tally, close, discarding, occupied, tasks};

/// Gives the share so many tasks that note their runs; how many of them it accepted.
fn given(share: &SubPool, tally: &Tally, tasks: usize) -> usize {
    let give = |_: &usize| {
        let value = tally.value();
        share.try_execute(move || value.note()).is_ok()
    };
    (0..tasks).filter(give).count()
}

/// Each accepted task ran once, each refused one is gone.
fn check(pool: TaskPool, share: SubPool, tally: &Tally, accepted: usize) {
    close(pool);
    let stats = share.stats();
    assert_eq!(tally.done(), accepted, "accepted tasks that ran");
    assert_eq!((stats.finished, stats.running, stats.queued), (accepted as u64, 0, 0));
    assert_eq!(stats.lost, 0);
}

/// A task is queued while the last driver looks at the queue and leaves.
#[test]
fn l03_queued_task_meets_leaving_driver() {
    explore("l03 share", AtMost(3), || {
        let (pool, tally) = (tasks(1, 1), Tally::new());
        let share = pool.sub_pool(1);
        let accepted = given(&share, &tally, 2);
        assert_eq!(accepted, 2, "there is room for both");
        share.wait_idle().unwrap();
        assert_eq!(tally.done(), 2, "wait_idle returned early");
        check(pool, share, &tally, accepted);
    });
}

/// Others wait in the parent's queue, so the driver hands on to a ticket at its end. That one may have come and gone
/// before the driver leaves, and a task may have been queued in reliance on the driver.
#[test]
fn l03_queued_task_meets_handing_on() {
    explore("l03 hand on", AtMost(2), || {
        let (pool, tally) = (tasks(2, 2), Tally::new());
        let share = pool.sub_pool(1);
        let plain = || {
            let value = tally.value();
            pool.execute(move || value.note()).unwrap();
        };
        assert_eq!(given(&share, &tally, 1), 1);
        plain();
        plain();
        assert_eq!(given(&share, &tally, 2), 2, "there is room for all");
        share.wait_idle().unwrap();
        close(pool);
        assert_eq!((tally.done(), share.stats().lost), (5, 0), "tasks that ran, and lost ones");
    });
}

/// Two submitters to a parent that refuses one of them: neither relies on the other's ticket before it is accepted.
#[test]
fn l09_refusal_meets_another_submitter() {
    explore("l09 share", AtMost(3), || {
        let (pool, tally) = (tasks(1, 0), Tally::new());
        let gate = occupied(&pool);
        let share = pool.sub_pool(1);
        let books = tally.clone();
        let other = beside(&share, move |share| given(share, &books, 1));
        gate.open();
        let accepted = given(&share, &tally, 1) + other.join().unwrap();
        check(pool, share, &tally, accepted);
        assert_eq!(tally.dropped(), 2, "closures that are gone");
    });
}

/// The parent is stopped while tasks are given to the share.
#[test]
fn l09_submission_meets_stop_of_the_parent() {
    explore("l09 stop", AtMost(2), || {
        let (pool, tally) = (tasks(1, 1), Tally::new());
        let share = pool.sub_pool(1);
        let stopper = beside(&pool, |pool| pool.stop());
        let accepted = given(&share, &tally, 2);
        stopper.join().unwrap();
        check(pool, share, &tally, accepted);
        assert_eq!(tally.dropped(), 2, "closures that are gone");
    });
}

/// A ticket stands by at a parent without room, and a task relies on it, while the parent is stopped.
#[test]
fn l09_offer_meets_stop_of_the_parent() {
    explore("l09 offer", AtMost(2), || {
        let (pool, tally) = (tasks(1, 0), Tally::new());
        let share = pool.sub_pool(2);
        let stopper = beside(&pool, |pool| pool.stop());
        let accepted = given(&share, &tally, 3);
        stopper.join().unwrap();
        check(pool, share, &tally, accepted);
        assert_eq!(tally.dropped(), 3, "closures that are gone");
    });
}

/// A ticket is offered to a parent whose only worker is about to go idle: it does not stand by beside an idle worker.
#[test]
fn l03_offer_meets_idling_worker() {
    explore("l03 offer", AtMost(3), || {
        let (pool, tally) = (tasks(1, 0), Tally::new());
        let share = pool.sub_pool(2);
        let accepted = given(&share, &tally, 2);
        share.wait_idle().unwrap();
        assert_eq!(tally.done(), accepted, "wait_idle returned early");
        pool.wait_idle().unwrap();
        check(pool, share, &tally, accepted);
    });
}

/// The parent has two workers, the share one of them: its tasks never run at the same time.
#[test]
fn l01_two_workers_and_a_share_of_one() {
    explore("l01 share", AtMost(2), || {
        let (pool, tally) = (tasks(2, 2), Tally::new());
        let share = pool.sub_pool(1);
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let step = loom::sync::Arc::new(loom::sync::Mutex::new(()));
        let task = || {
            let (running, most, step, value) = (running.clone(), most.clone(), step.clone(), tally.value());
            move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                drop(step.lock());
                running.fetch_sub(1, Ordering::SeqCst);
                value.note();
            }
        };
        let accepted = (0..2).filter(|_| share.execute(task()).is_ok()).count();
        share.wait_idle().unwrap();
        assert_eq!(most.load(Ordering::SeqCst), 1, "tasks at a time");
        check(pool, share, &tally, accepted);
    });
}

/// The parent drops what stands for the share: its tasks are dropped, not stranded.
#[test]
fn l13_tickets_dropped_by_the_parent() {
    explore("l13 share", AtMost(3), || {
        let (pool, tally) = (discarding(), Tally::new());
        let share = pool.sub_pool(1);
        let accepted = given(&share, &tally, 2);
        share.wait_idle().unwrap();
        close(pool);
        assert_eq!((tally.done(), tally.dropped()), (0, 2), "runs and drops");
        assert_eq!(share.stats().lost, accepted as u64);
    });
}
