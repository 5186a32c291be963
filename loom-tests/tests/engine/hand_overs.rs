//! Handing connections over to workers: each is served once, whoever finishes, fails to be had or gives up meanwhile.

use std::time::Duration;

use anthill_pool::WorkerPool;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::engine::dispatch::queue::{HandOverQueue, TOLERATED_WAIT};
use crate::explore::{Preemptions::*, explore};

const NOW: Duration = Duration::ZERO;
/// When whatever was left at `NOW` has waited for too long.
const LATER: Duration = Duration::from_secs(1);

/// The queue, and how often each piece of work was done.
struct Scene {
    queue: HandOverQueue<usize>,
    done: [AtomicUsize; 3],
}

impl Scene {
    /// Nothing waits; one piece takes as long as `service`, which decides whether a worker is called for the next.
    fn new(service: Duration) -> Arc<Self> {
        let queue = HandOverQueue::new();
        queue.note_service(service);
        Arc::new(Scene { queue, done: std::array::from_fn(|_| AtomicUsize::new(0)) })
    }

    /// A worker is active already, and is about to look for more.
    fn with_worker(service: Duration) -> Arc<Self> {
        let scene = Scene::new(service);
        assert!(scene.queue.hand_over(0, NOW), "nobody is active");
        scene.queue.arrive();
        assert_eq!(scene.queue.take_or_leave(), Some(0));
        scene.done[0].fetch_add(1, Ordering::Relaxed);
        scene
    }

    fn run(&self, piece: usize) {
        self.done[piece].fetch_add(1, Ordering::Relaxed);
    }

    /// An active worker, until it leaves.
    fn work(&self) {
        while let Some(piece) = self.queue.take_or_leave() {
            self.run(piece);
        }
    }

    /// A worker that was called.
    fn work_as_called(&self) {
        self.queue.arrive();
        self.work();
    }

    /// A worker that was busy with other things, before it parks.
    fn work_before_parking(&self) {
        if let Some(piece) = self.queue.join_and_take() {
            self.run(piece);
            self.work();
        }
    }

    /// A driver that can have no worker, if it has to call one.
    fn hand_over_in_vain(&self, piece: usize) {
        if self.queue.hand_over(piece, NOW) {
            self.queue.call_failed(1);
            while let Some(piece) = self.queue.take_unattended() {
                self.run(piece);
            }
        }
    }

    /// In the end every piece was done once, and nobody counts as active, or as coming, who is not.
    fn check(&self, pieces: usize) {
        assert!(self.queue.is_empty(), "left to the monitor");
        for (piece, done) in self.done.iter().enumerate().take(pieces) {
            assert_eq!(done.load(Ordering::Relaxed), 1, "piece {piece} is done once");
        }
        assert!(self.queue.hand_over(0, NOW));
        self.queue.call_failed(1);
        assert_eq!(self.queue.call_for_overdue(LATER), 1, "nobody is coming");
        self.queue.call_failed(1);
        assert_eq!(self.queue.take_unattended(), Some(0), "nobody is active");
    }

    /// The same, once the monitor has looked again: it calls a worker for what was left because of its own call.
    fn check_after_a_look(&self, pieces: usize) {
        let called = self.queue.call_for_overdue(LATER);
        assert!(self.queue.is_empty() || called > 0, "lost: nobody comes for what waits");
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
        if scene.queue.hand_over(1, NOW) {
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
        scene.check(2);
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
        scene.check(2);
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
        assert!(scene.queue.hand_over(0, NOW));
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
            if scene.queue.hand_over(piece, NOW) {
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
            if scene.queue.hand_over(piece, NOW) && pool.try_submit(()).is_err() {
                scene.queue.call_failed(1);
                while let Some(piece) = scene.queue.take_unattended() {
                    scene.run(piece);
                }
            }
        }
        pool.stop();
        pool.wait().unwrap();
        scene.check(2);
    });
}
