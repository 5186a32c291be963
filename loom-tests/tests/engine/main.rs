//! Models of the engine's protocols: the very files of `anthill-http`, beside a `sync` made of loom's parts.
//!
//! Claims: a shard has one driver at any moment, never two and never none, whatever handlers, take-overs, an exhausted
//! pool and a shutdown do at the same time; no readiness is lost between serving and parking; no handler runs while the
//! monitor sleeps. Mutations that each model was seen to fail under are in `mutations/engine.txt`.

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

mod source;

use source::alarm::Alarm;
use source::lease::{Lease, Term};
use source::slots::{Readiness, Slots};

/// A shard that notices a second driver, and counts how often it was ended.
struct Shard {
    lease: Lease,
    driven: AtomicBool,
    ended: AtomicUsize,
}

impl Shard {
    fn new() -> (Arc<Self>, Term) {
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
        let visit = self.lease.enter(term);
        let term = self.lease.leave(visit)?;
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
fn lease_leave_against_take_over() {
    loom::model(|| {
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
fn lease_two_takers() {
    loom::model(|| {
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
fn lease_a_late_taker_does_not_interrupt_the_next_handler() {
    loom::model(|| {
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
fn lease_take_over_against_shutdown() {
    loom::model(|| {
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
    TakeOver(Arc<Shard>, source::lease::Sighting),
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
fn lease_taken_over_by_a_worker_of_the_pool() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
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
fn lease_is_kept_when_the_pool_is_exhausted() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
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

const READABLE: Readiness = Readiness { readable: true, writable: false, read_closed: false };

/// Bytes arrive and are reported while the connection is being read empty and parked.
#[test]
fn slots_no_readiness_is_lost() {
    loom::model(|| {
        let arrived = Arc::new(AtomicUsize::new(0));
        let slots = Arc::new(Mutex::new(Slots::new()));
        let token = slots.lock().unwrap().reserve();

        let (socket, table) = (arrived.clone(), slots.clone());
        let poller = thread::spawn(move || {
            socket.store(1, Ordering::Release);
            let connection = table.lock().unwrap().report(token, READABLE);
            if let Some(mut read) = connection {
                read += socket.load(Ordering::Acquire) - read;
                assert!(table.lock().unwrap().park(token, read, false).is_ok());
            }
        });

        let mut read = 0;
        loop {
            read += arrived.load(Ordering::Acquire) - read;
            match slots.lock().unwrap().park(token, read, false) {
                Ok(()) => break,
                Err((again, readiness)) => {
                    assert_eq!(readiness, READABLE);
                    read = again;
                }
            }
        }
        poller.join().unwrap();
        let read = slots.lock().unwrap().take(token).expect("parked at last");
        assert_eq!(read, 1, "what arrived was read");
    });
}

/// A shutdown begins while an idle connection is being parked: whoever served it did not know of it, and must not leave
/// it behind.
#[test]
fn slots_a_shutdown_finds_every_idle_connection() {
    loom::model(|| {
        let stopping = Arc::new(AtomicBool::new(false));
        let slots = Arc::new(Mutex::new(Slots::new()));
        let token = slots.lock().unwrap().reserve();
        let (flag, table) = (stopping.clone(), slots.clone());
        let shutdown = thread::spawn(move || {
            flag.store(true, Ordering::Release);
            table.lock().unwrap().stop().len()
        });
        let mut closed = 0;
        loop {
            if stopping.load(Ordering::Acquire) {
                closed += 1;
                break;
            }
            if slots.lock().unwrap().park(token, 'c', true).is_ok() {
                break;
            }
        }
        closed += shutdown.join().unwrap();
        assert_eq!(closed, 1, "found once");
    });
}

/// A connection ends while a report for it is under way, and its slot goes to another.
#[test]
fn slots_a_late_report_does_not_reach_the_next_connection() {
    loom::model(|| {
        let slots = Arc::new(Mutex::new(Slots::new()));
        let first = slots.lock().unwrap().reserve();
        let table = slots.clone();
        let poller = thread::spawn(move || {
            assert!(table.lock().unwrap().report(first, READABLE).is_none(), "it is out, or gone");
        });
        slots.lock().unwrap().release(first);
        let second = slots.lock().unwrap().reserve();
        assert!(slots.lock().unwrap().park(second, 'b', true).is_ok(), "nothing was reported for this one");
        poller.join().unwrap();
        assert_eq!(slots.lock().unwrap().take(second), Some('b'));
    });
}

/// The monitor falls asleep while a handler begins: it sees the handler, or is woken by it.
#[test]
fn alarm_no_handler_runs_unwatched() {
    loom::model(|| {
        let (shard, term) = Shard::new();
        let alarm = Arc::new(Alarm::new());
        let watched = Arc::new((Mutex::new(false), loom::sync::Condvar::new()));

        let (seen_shard, seen_alarm, seen) = (shard.clone(), alarm.clone(), watched.clone());
        let monitor = thread::spawn(move || {
            seen_alarm.sleep_unless(|| seen_shard.lease.sight().is_some());
            *seen.0.lock().unwrap() = true;
            seen.1.notify_one();
        });

        let visit = shard.lease.enter(term);
        alarm.rouse();
        // A handler that lasts until the monitor is up: if nobody wakes it, this never ends.
        let mut up = watched.0.lock().unwrap();
        while !*up {
            up = watched.1.wait(up).unwrap();
        }
        drop(up);
        assert!(shard.lease.leave(visit).is_some());
        monitor.join().unwrap();
    });
}
