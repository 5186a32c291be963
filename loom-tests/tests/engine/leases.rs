//! The lease: one driver at any moment, never two and never none.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use crate::engine::shard::lease::{Lease, Sighting, Term};
use crate::explore::{Preemptions::*, explore};

/// A shard that notices a second driver, and counts how often it was ended.
pub(crate) struct Shard {
    pub(crate) lease: Lease,
    driven: AtomicBool,
    ended: AtomicUsize,
}

impl Shard {
    pub(crate) fn new() -> (Arc<Self>, Term) {
        let (lease, term) = Lease::new();
        (Arc::new(Shard { lease, driven: AtomicBool::new(false), ended: AtomicUsize::new(0) }), term)
    }

    /// What only the driver may do, outside of handlers.
    fn drive(&self, _: &Term) {
        assert!(!self.driven.swap(true, Ordering::AcqRel), "two drivers");
        self.driven.store(false, Ordering::Release);
    }

    /// One handler, by a driver; `None` when the lease was taken over meanwhile.
    fn handle(&self, term: Term) -> Option<Term> {
        self.drive(&term);
        let inside = self.lease.enter(term);
        let term = self.lease.leave(inside)?;
        self.drive(&term);
        Some(term)
    }

    /// What the monitor's look and a worker's arrival amount to.
    fn try_take_over(&self) -> Option<Term> {
        let term = self.lease.take_over(self.lease.sight()?)?;
        self.drive(&term);
        Some(term)
    }

    /// The driver's last act.
    fn end(&self, term: Term) {
        self.drive(&term);
        drop(term);
        self.ended.fetch_add(1, Ordering::AcqRel);
    }
}

/// Leaving a handler against a take-over: one of them has the lease afterwards, never both, never neither.
#[test]
fn leave_against_take_over() {
    explore(Any, || {
        let (shard, term) = Shard::new();
        let other = shard.clone();
        let worker = thread::spawn(move || other.try_take_over().is_some());
        let kept = shard.handle(term).is_some();
        let taken = worker.join().unwrap();
        assert_ne!(kept, taken, "exactly one drives");
    });
}

/// Two workers that saw the same handler, and the driver that leaves it.
#[test]
fn two_takers() {
    explore(Any, || {
        let (shard, term) = Shard::new();
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let shard = shard.clone();
                thread::spawn(move || shard.try_take_over().is_some())
            })
            .collect();
        let kept = shard.handle(term).is_some();
        let taken = takers.into_iter().map(|taker| taker.join().unwrap()).filter(|took| *took).count();
        assert_eq!(usize::from(kept) + taken, 1, "exactly one drives");
    });
}

/// A worker that comes late: the handler it was asked for is over, and the driver is in the next one.
#[test]
fn a_late_taker_does_not_interrupt_the_next_handler() {
    explore(Any, || {
        let (shard, term) = Shard::new();
        let first = shard.lease.enter(term);
        let sighting = shard.lease.sight().expect("inside");
        let other = shard.clone();
        let worker = thread::spawn(move || {
            let term = other.lease.take_over(sighting);
            if let Some(term) = &term {
                other.drive(term);
            }
            term.is_some()
        });
        let after_first = shard.lease.leave(first);
        let kept_first = after_first.is_some();
        let kept = after_first.is_some_and(|term| shard.handle(term).is_some());
        let taken = worker.join().unwrap();
        assert_eq!(kept_first, kept, "the second handler was not the one seen");
        assert_ne!(kept, taken, "exactly one drives");
    });
}

/// A take-over against the end of the shard: it is ended once, by whoever drives it then.
#[test]
fn take_over_against_shutdown() {
    explore(Any, || {
        let (shard, term) = Shard::new();
        let stopping = Arc::new(AtomicBool::new(false));
        let (other, stop) = (shard.clone(), stopping.clone());
        let worker = thread::spawn(move || {
            stop.store(true, Ordering::Release);
            if let Some(term) = other.try_take_over() {
                other.end(term);
            }
        });
        let mut term = Some(term);
        while let Some(driving) = term.take() {
            if stopping.load(Ordering::Acquire) {
                shard.end(driving);
                break;
            }
            term = shard.handle(driving);
            if term.is_some() && !stopping.load(Ordering::Acquire) {
                thread::yield_now();
            }
        }
        worker.join().unwrap();
        assert_eq!(shard.ended.load(Ordering::Acquire), 1, "ended once");
    });
}

enum Work {
    Drive(Arc<Shard>, Term),
    TakeOver(Arc<Shard>, Sighting),
}

fn pool_of(workers: usize, ended: &Arc<AtomicUsize>) -> anthill_pool::WorkerPool<Work> {
    let ended = ended.clone();
    anthill_pool::WorkerPool::builder()
        .max_workers(workers)
        .max_idle_worker_duration(None)
        .build(move |work| {
            let (shard, term) = match work {
                Work::Drive(shard, term) => {
                    let term = shard.handle(term);
                    (shard, term)
                }
                Work::TakeOver(shard, sighting) => {
                    let term = shard.lease.take_over(sighting);
                    (shard, term)
                }
            };
            if let Some(term) = term {
                shard.end(term);
                ended.fetch_add(1, Ordering::AcqRel);
            }
        })
        .unwrap()
}

/// The real pool with a worker to spare: the monitor asks for a take-over while the handler may end.
#[test]
fn taken_over_by_a_worker_of_the_pool() {
    explore(AtMost(3), || {
        let ended = Arc::new(AtomicUsize::new(0));
        let pool = pool_of(2, &ended);
        let (shard, term) = Shard::new();
        assert!(pool.try_submit(Work::Drive(shard.clone(), term)).is_ok());
        if let Some(sighting) = shard.lease.sight() {
            assert!(
                pool.try_submit(Work::TakeOver(shard.clone(), sighting)).is_ok(),
                "a worker is to be had"
            );
        }
        pool.stop();
        pool.wait().unwrap();
        assert_eq!(ended.load(Ordering::Acquire), 1, "one driver to the end");
    });
}

/// The real pool, exhausted: nobody can take over, and the old driver keeps the lease.
#[test]
fn kept_when_the_pool_is_exhausted() {
    explore(AtMost(3), || {
        let ended = Arc::new(AtomicUsize::new(0));
        let pool = pool_of(1, &ended);
        let (shard, term) = Shard::new();
        assert!(pool.try_submit(Work::Drive(shard.clone(), term)).is_ok());
        if let Some(sighting) = shard.lease.sight() {
            // Full while the driver drives; accepted and in vain when it has ended meanwhile.
            let _ = pool.try_submit(Work::TakeOver(shard.clone(), sighting));
        }
        pool.stop();
        pool.wait().unwrap();
        assert_eq!(ended.load(Ordering::Acquire), 1, "one driver to the end");
    });
}
