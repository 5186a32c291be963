//! Handing connections over to workers: each is served once, whoever finishes, fails to be had or gives up meanwhile.

use std::time::Duration;

use anthill_pool::WorkerPool;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::engine::dispatch::queue::{Budget, HandOverQueue, Lane, TOLERATED_WAIT};
use crate::engine::shard::lease::{Lease, Term};
use crate::explore::{Preemptions::*, explore};

const NOW: Duration = Duration::ZERO;
/// When whatever was left at `NOW` has waited for too long.
const LATER: Duration = Duration::from_secs(1);
const BUDGET: Budget = Budget { helpers: 2, handlers: 2, clients: 1, spares: 0, waiting: 8 };

/// The queue, and how often each piece of work was done.
struct Scene {
    queue: HandOverQueue<usize>,
    done: [AtomicUsize; 3],
    /// Workers that are with a client.
    with_clients: AtomicUsize,
}

impl Scene {
    /// Nothing waits; one piece takes as long as `service`, which decides whether a worker is called for the next.
    fn new(service: Duration) -> Arc<Self> {
        let queue = HandOverQueue::new(BUDGET);
        queue.note_service(service);
        let done = std::array::from_fn(|_| AtomicUsize::new(0));
        Arc::new(Scene { queue, done, with_clients: AtomicUsize::new(0) })
    }

    /// A worker is active already, and is about to look for more.
    fn with_worker(service: Duration) -> Arc<Self> {
        let scene = Scene::new(service);
        assert!(scene.hand_over(Lane::Handlers, 0), "nobody is active");
        assert_eq!(scene.queue.arrive(), Some((Lane::Handlers, 0)));
        scene.done[0].fetch_add(1, Ordering::Relaxed);
        scene
    }

    /// True: a worker is to be woken.
    fn hand_over(&self, lane: Lane, piece: usize) -> bool {
        self.queue.hand_over(lane, piece, NOW).expect("there is room").must_wake
    }

    fn run(&self, lane: Lane, piece: usize) {
        if lane == Lane::Clients {
            assert_eq!(self.with_clients.fetch_add(1, Ordering::Relaxed), 0, "more with clients than may be");
            self.with_clients.fetch_sub(1, Ordering::Relaxed);
        }
        self.done[piece].fetch_add(1, Ordering::Relaxed);
    }

    /// A worker that has taken a piece, until it leaves.
    fn work_from(&self, taken: Option<(Lane, usize)>) {
        let mut next = taken;
        while let Some((lane, piece)) = next {
            self.run(lane, piece);
            next = self.queue.take_next(lane);
        }
    }

    /// An active worker that is done with a piece, until it leaves.
    fn work(&self) {
        self.work_from(self.queue.take_next(Lane::Handlers));
    }

    /// A worker that was called.
    fn work_as_called(&self) {
        self.work_from(self.queue.arrive());
    }

    /// A worker that was busy with other things, before it parks.
    fn work_before_parking(&self) {
        self.work_from(self.queue.join_and_take());
    }

    /// A driver that can have no worker, if it has to call one.
    fn hand_over_in_vain(&self, piece: usize) {
        if self.hand_over(Lane::Handlers, piece) {
            self.queue.call_failed(1);
        }
    }

    /// In the end every piece was done once, and nobody counts as active, or as coming, who is not.
    fn check(&self, pieces: usize) {
        assert_eq!(self.queue.len(), 0, "left to the monitor");
        for (piece, done) in self.done.iter().enumerate().take(pieces) {
            assert_eq!(done.load(Ordering::Relaxed), 1, "piece {piece} is done once");
        }
        let called = (0..BUDGET.helpers).filter(|_| self.hand_over(Lane::Handlers, 0)).count();
        let called = called + self.queue.call_for_overdue(LATER);
        assert_eq!(called, BUDGET.helpers, "nobody is active, and nobody is coming");
        let first = self.queue.arrive().expect("it was handed over").0;
        assert!(self.queue.change_to_clients(), "nobody is with a client");
        let _ = self.queue.take_next(first);
    }

    /// The same, once the monitor has looked again: it calls workers for what was left because none could be had.
    fn check_after_a_look(&self, pieces: usize) {
        let called = self.queue.call_for_overdue(LATER);
        assert!(self.queue.len() == 0 || called > 0, "lost: nobody comes for what waits");
        for _ in 0..called {
            self.work_as_called();
        }
        self.check(pieces);
    }
}

/// The last active worker finds nothing and leaves while a driver hands over, counting on it.
#[test]
fn a_hand_over_meets_a_worker_that_leaves() {
    explore(Any, || {
        let scene = Scene::with_worker(Duration::from_micros(1));
        let other = scene.clone();
        let worker = thread::spawn(move || other.work());
        if scene.hand_over(Lane::Handlers, 1) {
            scene.work_as_called();
        }
        worker.join().unwrap();
        scene.check(2);
    });
}

/// No worker can be had for what was handed over; the one that is active may leave, or take it.
#[test]
fn a_call_that_fails_meets_a_worker_that_leaves() {
    explore(Any, || {
        let scene = Scene::with_worker(TOLERATED_WAIT * 2);
        let other = scene.clone();
        let worker = thread::spawn(move || other.work());
        scene.hand_over_in_vain(1);
        worker.join().unwrap();
        scene.check_after_a_look(2);
    });
}

/// Two drivers hand over, and neither can have a worker: none leaves its piece to the other's call.
#[test]
fn two_calls_that_fail() {
    explore(Any, || {
        let scene = Scene::new(TOLERATED_WAIT * 2);
        let other = scene.clone();
        let driver = thread::spawn(move || other.hand_over_in_vain(0));
        scene.hand_over_in_vain(1);
        driver.join().unwrap();
        scene.check_after_a_look(2);
    });
}

/// The monitor calls for what has waited too long, and can have no worker either: then it calls again.
#[test]
fn a_call_of_the_monitor_meets_a_call_that_fails() {
    explore(Any, || {
        let scene = Scene::new(TOLERATED_WAIT * 2);
        let other = scene.clone();
        let monitor = thread::spawn(move || {
            let called = other.queue.call_for_overdue(LATER);
            other.queue.call_failed(called);
        });
        scene.hand_over_in_vain(0);
        monitor.join().unwrap();
        scene.check_after_a_look(1);
    });
}

/// The monitor looks while the worker that was called arrives: another is called only once that one is here.
#[test]
fn a_call_of_the_monitor_meets_a_worker_that_arrives() {
    explore(Any, || {
        let scene = Scene::new(Duration::from_micros(1));
        let arrived = Arc::new(AtomicUsize::new(0));
        assert!(scene.hand_over(Lane::Handlers, 0));
        let (other, arrives) = (scene.clone(), arrived.clone());
        let worker = thread::spawn(move || {
            arrives.store(1, Ordering::Release);
            other.work_as_called();
        });
        for _ in 0..scene.queue.call_for_overdue(LATER) {
            assert_eq!(arrived.load(Ordering::Acquire), 1, "one was coming already");
            scene.work_as_called();
        }
        worker.join().unwrap();
        scene.check(1);
    });
}

/// A worker that is warm anyhow looks here before it parks, while pieces come and another worker leaves.
#[test]
fn a_worker_that_joins_meets_one_that_leaves() {
    explore(Any, || {
        let scene = Scene::with_worker(Duration::from_micros(1));
        let (leaves, joins) = (scene.clone(), scene.clone());
        let worker = thread::spawn(move || leaves.work());
        let warm = thread::spawn(move || joins.work_before_parking());
        for piece in 1..3 {
            if scene.hand_over(Lane::Handlers, piece) {
                scene.work_as_called();
            }
        }
        worker.join().unwrap();
        warm.join().unwrap();
        scene.check(3);
    });
}

/// The real pool with a single worker, and a driver outside of it: while the worker is busy none can be had.
#[test]
fn an_exhausted_pool_loses_nothing() {
    explore(AtMost(2), || {
        let scene = Scene::new(TOLERATED_WAIT * 2);
        let works = scene.clone();
        let pool = WorkerPool::builder()
            .max_workers(1)
            .max_idle_worker_duration(None)
            .build(move |()| {
                works.work_as_called();
                works.work_before_parking();
            })
            .unwrap();
        for piece in 0..2 {
            if scene.hand_over(Lane::Handlers, piece) && pool.try_submit(()).is_err() {
                scene.queue.call_failed(1);
            }
        }
        pool.stop();
        pool.wait().unwrap();
        scene.check_after_a_look(2);
    });
}

/// What waits is taken by a worker, withdrawn because its client has gone, or given up because it took too long: by one
/// of them, whoever comes first.
#[test]
fn a_piece_is_taken_once_by_whoever_wants_it() {
    explore(Any, || {
        let scene = Scene::new(TOLERATED_WAIT * 2);
        let waiting = scene.queue.hand_over(Lane::Handlers, 0, NOW).expect("there is room");
        assert!(waiting.must_wake);
        let (gone, late) = (scene.clone(), scene.clone());
        let driver = thread::spawn(move || {
            if let Some(piece) = gone.queue.withdraw(waiting.ticket, LATER, NOW) {
                gone.run(Lane::Handlers, piece);
            }
        });
        let monitor = thread::spawn(move || {
            if let Some(piece) = late.queue.take_expired(LATER, NOW) {
                late.run(Lane::Handlers, piece);
            }
        });
        scene.work_as_called();
        driver.join().unwrap();
        monitor.join().unwrap();
        scene.check(1);
    });
}

/// Two workers, one of which turns out to wait for a client while the other takes a piece that does: the budget for
/// that is one.
#[test]
fn no_more_wait_for_clients_than_may() {
    explore(Any, || {
        let scene = Scene::with_worker(Duration::from_micros(1));
        let called = scene.hand_over(Lane::Clients, 1);
        assert!(called, "its budget is free");
        let other = scene.clone();
        let worker = thread::spawn(move || other.work_as_called());
        // Another piece, whose writer waits for the client.
        let lane = if scene.queue.change_to_clients() { Lane::Clients } else { Lane::Handlers };
        if lane == Lane::Clients {
            let before = scene.with_clients.fetch_add(1, Ordering::Relaxed);
            assert_eq!(before, 0, "more with clients than may be");
            thread::yield_now();
            scene.with_clients.fetch_sub(1, Ordering::Relaxed);
        }
        scene.work_from(scene.queue.take_next(lane));
        worker.join().unwrap();
        scene.check_after_a_look(2);
    });
}

/// The one place with clients is promised: until what it was promised to is done nobody else has it, who turns out to
/// wait for a client meanwhile.
#[test]
fn a_promised_place_is_nobody_elses() {
    explore(Any, || {
        let scene = Scene::with_worker(Duration::from_micros(1));
        assert!(scene.queue.promise());
        let other = scene.clone();
        let promised = thread::spawn(move || {
            if other.queue.hand_on_promised(1, NOW) {
                other.work_as_called();
            }
        });
        let lane = if scene.queue.change_to_clients() { Lane::Clients } else { Lane::Handlers };
        if lane == Lane::Clients {
            assert_eq!(scene.done[1].load(Ordering::Relaxed), 1, "more with clients than may be");
        }
        scene.work_from(scene.queue.take_next(lane));
        promised.join().unwrap();
        scene.check_after_a_look(2);
    });
}

/// What a place was promised to is taken by a worker, or given up because it took too long: its place is free once, by
/// whoever had it.
#[test]
fn a_promise_is_kept_or_given_back() {
    explore(Any, || {
        let scene = Scene::new(Duration::from_micros(1));
        assert!(scene.queue.promise());
        assert!(scene.queue.hand_on_promised(0, NOW));
        let late = scene.clone();
        let monitor = thread::spawn(move || {
            if let Some(piece) = late.queue.take_expired(LATER, NOW) {
                late.done[piece].fetch_add(1, Ordering::Relaxed);
                late.queue.promise_ended();
            }
        });
        scene.work_as_called();
        monitor.join().unwrap();
        scene.check(1);
    });
}

/// A driver comes back from a handler while a worker overtakes it: it counts as a worker if, and only if, it has lost
/// the lease.
#[test]
fn a_driver_that_is_overtaken_is_counted() {
    explore(Any, || {
        let scene = Scene::new(Duration::from_micros(1));
        let (lease, term) = Lease::new();
        let inside = lease.enter(term);
        let sighting = lease.sight().expect("it is inside");
        let lease = Arc::new(lease);
        let (other, shard) = (scene.clone(), lease.clone());
        let taker = thread::spawn(move || {
            other.queue.overtake(|| shard.take_over(sighting)).map(|_: Term| ()).is_some()
        });
        let kept = lease.leave(inside).is_some();
        if !kept {
            scene.work();
        }
        assert_ne!(taker.join().unwrap(), kept, "exactly one drives");
        scene.check(0);
    });
}

/// Handlers block on both drivers of two shards while no helper may be had: those who drive instead run nothing any
/// more once there are as many threads in the user's code as the pool was planned for.
#[test]
fn drivers_block_no_more_threads_than_there_are() {
    explore(Any, || {
        let scene = Scene::with_worker(TOLERATED_WAIT * 2);
        assert!(scene.hand_over(Lane::Handlers, 1), "the second helper");
        assert!(matches!(scene.queue.arrive(), Some((Lane::Handlers, 1))));
        let blocked = Arc::new(AtomicUsize::new(0));
        let drive = |scene: Arc<Scene>, blocked: Arc<AtomicUsize>| {
            for _ in 0..2 {
                if scene.queue.spare() >= 1 {
                    // It blocks, and somebody else goes on.
                    assert!(scene.queue.overtake(|| Some(())).is_some());
                    let shards = 2;
                    let before = blocked.fetch_add(1, Ordering::Relaxed);
                    assert!(before < BUDGET.spares + shards, "nobody is left to drive");
                }
            }
        };
        let (other, counts) = (scene.clone(), blocked.clone());
        let driver = thread::spawn(move || drive(other, counts));
        drive(scene.clone(), blocked.clone());
        driver.join().unwrap();
        assert_eq!(scene.queue.spare(), 0);
        for _ in 0..blocked.load(Ordering::Relaxed) + BUDGET.helpers {
            scene.work();
        }
        scene.done[1].fetch_add(1, Ordering::Relaxed);
        assert!(scene.queue.spare() > BUDGET.spares, "they are free again");
        scene.check(2);
    });
}
