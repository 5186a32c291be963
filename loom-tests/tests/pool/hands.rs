//! Batches: what a worker holds beside the payload that it runs, against everybody else.
//!
//! A worker takes a batch from its second visit with a backlog on (no time passes in a model, so all payloads count as
//! short), and a batch is what is left of the front chunk of the queue. So each scene fills the queue behind first
//! payloads that are held until then. Of chunks of three, number 1 is taken alone, and number 3 lies in the hand while
//! number 2 runs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anthill_pool::{WorkerPool, WorkerPoolBuilder};
use loom::sync::atomic::AtomicUsize as Visible;
use loom::thread;

use crate::handlers::held_at;
use crate::ledger::Payload;
use crate::scene::{close, explore, submit, wait_for_all};
use crate::support::Preemptions::AtMost;
use crate::support::{Gate, beside};

fn batches_of(payloads: usize, workers: usize) -> WorkerPoolBuilder<Payload> {
    WorkerPool::builder()
        .max_workers(workers)
        .queue_capacity(8)
        .batch(payloads)
        .max_idle_worker_duration(None)
}

/// Holds number 0 until `start` is open, and number 2 until number 3 runs.
fn held_until(start: loom::sync::Arc<Gate>) -> impl Fn(Payload) + Send + Sync + 'static {
    let third = Gate::closed();
    move |payload| {
        match payload.number {
            0 => start.pass(),
            2 => third.pass(),
            3 => third.open(),
            _ => {}
        }
        payload.run();
    }
}

/// A payload lies behind a slow one in the same hand when another worker comes free, or has just become idle: that one
/// takes it over.
#[test]
fn idle_worker_takes_over_what_another_holds() {
    explore("hand over", AtMost(2), |ledger| {
        let start = Gate::closed();
        let refuse = Arc::new(AtomicBool::new(false));
        let told = refuse.clone();
        let builder = batches_of(3, 2).spawner(move |new| match told.load(Ordering::Relaxed) {
            true => Err(io::Error::other("refused")),
            false => new.spawn(),
        });
        let pool = builder.build(held_until(start.clone())).unwrap();
        submit(&pool, ledger, 1);
        refuse.store(true, Ordering::Relaxed);
        // Queued, as no second thread is to be had.
        submit(&pool, ledger, 3);
        refuse.store(false, Ordering::Relaxed);
        start.open();
        submit(&pool, ledger, 1);
        wait_for_all(&pool, ledger);
        close(pool, ledger);
    });
}

/// A backlog lies beside an idle worker, because another one is on its way to it: no batch is taken then, which would
/// leave nothing to wake the idle one for. Numbers 1 and 3 wait for number 4, on a worker each. (A chunk of five: 2 to
/// 6.)
#[test]
fn no_batch_beside_an_idle_worker() {
    explore("hand idle", AtMost(1), |ledger| {
        let (start, fourth) = (Gate::closed(), Gate::closed());
        let inside = loom::sync::Arc::new(Visible::new(0));
        let pool = {
            let (start, inside) = (start.clone(), inside.clone());
            let handler = move |payload: Payload| {
                match payload.number {
                    0 => {
                        inside.fetch_add(1, Ordering::SeqCst);
                        start.pass();
                    }
                    1 | 3 => fourth.pass(),
                    4 => fourth.open(),
                    _ => {}
                }
                payload.run();
            };
            batches_of(5, 3).build(handler).unwrap()
        };
        pool.prestart(3).unwrap();
        pool.wait_idle().unwrap();
        submit(&pool, ledger, 1);
        while inside.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        submit(&pool, ledger, 6);
        start.open();
        wait_for_all(&pool, ledger);
        close(pool, ledger);
    });
}

/// The cap is raised while a payload lies behind a slow one: the new worker gets it.
#[test]
fn raise_recalls_what_is_held() {
    explore("hand raise", AtMost(2), |ledger| {
        let start = Gate::closed();
        let pool = batches_of(3, 1).build(held_until(start.clone())).unwrap();
        submit(&pool, ledger, 4);
        start.open();
        pool.set_max_workers(2).unwrap();
        wait_for_all(&pool, ledger);
        close(pool, ledger);
    });
}

/// The cap is lowered while both workers are held inside a payload, each with another one in its hand: what starts
/// after that is started by one of them. (Chunks of two: numbers 4 and 5, 6 and 7.)
#[test]
fn lowering_recalls_what_is_held() {
    explore("hand lower", AtMost(1), |ledger| {
        let (start, go_on) = (Gate::closed(), Gate::closed());
        let inside = loom::sync::Arc::new(Visible::new(0));
        let lowered = Arc::new(AtomicBool::new(false));
        let most = Arc::new(AtomicUsize::new(0));
        let pool = {
            let (start, go_on, inside) = (start.clone(), go_on.clone(), inside.clone());
            let (lowered, most) = (lowered.clone(), most.clone());
            let now = Visible::new(0);
            let handler = move |payload: Payload| {
                match payload.number {
                    0 | 1 => start.pass(),
                    4 | 6 => {
                        inside.fetch_add(1, Ordering::SeqCst);
                        go_on.pass();
                    }
                    _ if lowered.load(Ordering::Relaxed) => {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::Relaxed);
                        // So that another run can overlap.
                        thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                    _ => {}
                }
                payload.run();
            };
            batches_of(2, 2).build(handler).unwrap()
        };
        submit(&pool, ledger, 9);
        start.open();
        while inside.load(Ordering::SeqCst) < 2 {
            thread::yield_now();
        }
        pool.set_max_workers(1).unwrap();
        lowered.store(true, Ordering::Relaxed);
        go_on.open();
        pool.wait_idle().unwrap();
        assert_eq!(pool.running(), 1, "workers after the lowering");
        close(pool, ledger);
        let most = most.load(Ordering::Relaxed);
        assert!(most <= 1, "{most} payloads that started after the lowering ran at a time");
    });
}

/// `stop_now` comes while two payloads are held: they come back or run, and once `stop_now` has returned nothing is
/// taken any more. (A chunk of four; one payload may have been taken and not begun.)
#[test]
fn stop_now_recalls_what_is_held() {
    explore("hand stop_now", AtMost(3), |ledger| {
        let start = Gate::closed();
        // Loom's, so that it considers every order of a payload's begin and the end of `stop_now`.
        let begun = loom::sync::Arc::new(Visible::new(0));
        let pool = {
            let (start, begun) = (start.clone(), begun.clone());
            let handler = move |payload: Payload| {
                if payload.number == 0 {
                    start.pass();
                }
                begun.fetch_add(1, Ordering::SeqCst);
                payload.run();
            };
            batches_of(4, 1).build(handler).unwrap()
        };
        submit(&pool, ledger, 6);
        start.open();
        let rest = pool.stop_now();
        let before = begun.load(Ordering::SeqCst);
        assert!(rest.is_sorted_by_key(|payload| payload.number), "handed back oldest first");
        rest.into_iter().for_each(Payload::hand_back);
        close(pool, ledger);
        let after = ledger.ran() - before;
        assert!(after <= 1, "payloads started after stop_now: {after}");
    });
}

/// What workers hold is counted as queued, and what they have run from their hands as finished, at any moment, once.
#[test]
fn l38_counts_include_what_is_held() {
    explore("l38 hands", AtMost(3), |ledger| {
        let start = Gate::closed();
        let pool = batches_of(3, 1).build(held_at(&start, 0..1)).unwrap();
        submit(&pool, ledger, 5);
        let observer = beside(&pool, |pool| {
            for _ in 0..2 {
                let now = pool.stats();
                let settled = now.finished + now.queued as u64;
                assert!(now.accepted == 5, "accepted: {now:?}");
                assert!(now.accepted == settled + now.busy as u64, "held payloads are amiss: {now:?}");
            }
        });
        start.open();
        observer.join().unwrap();
        let stats = close(pool, ledger);
        assert_eq!(stats.finished, 5);
    });
}
