//! Driving waits for nobody: with every handler blocked until all requests were seen, all requests are seen.

use anthill_pool::WorkerPool;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::engine::dispatch::queue::{Budget, HandOverQueue, Lane};
use crate::engine::shard::lease::{Lease, Sighting, Term};
use crate::explore::{Preemptions::*, explore};

/// One helper, and one shard: with it there are three threads, one of which is left to drive when the others block.
const BUDGET: Budget = Budget { helpers: 1, handlers: 1, clients: 1, spares: 0, waiting: 8 };
const WORKERS: usize = 3;
const REQUESTS: usize = 3;

/// A shard whose poller has so many requests, and the handlers of all of them.
struct Scene {
    lease: Lease,
    queue: HandOverQueue<()>,
    seen: AtomicUsize,
    answered: AtomicUsize,
    /// Whether handlers go on.
    open: Mutex<bool>,
    /// That, or what the monitor looks at.
    changed: Condvar,
}

enum Job {
    Drive(Arc<Scene>, Term),
    TakeOver(Arc<Scene>, Sighting),
    Help(Arc<Scene>),
}

impl Scene {
    fn new(lease: Lease) -> Arc<Self> {
        Arc::new(Scene {
            lease,
            queue: HandOverQueue::new(BUDGET),
            seen: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            open: Mutex::new(false),
            changed: Condvar::new(),
        })
    }

    /// Tells the monitor that there is something to look at.
    fn tell(&self) {
        drop(self.open.lock().unwrap());
        self.changed.notify_all();
    }

    fn handle(&self) {
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.changed.wait(open).unwrap();
        }
        drop(open);
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// As the driver does it: what may be run is run here, and the rest is left to helpers, whom the monitor calls.
    fn drive(&self, mut term: Term) {
        while self.seen.load(Ordering::Relaxed) < REQUESTS {
            self.seen.fetch_add(1, Ordering::AcqRel);
            if self.queue.spare() >= 1 {
                let inside = self.lease.enter(term);
                self.tell();
                self.handle();
                match self.lease.leave(inside) {
                    Some(kept) => term = kept,
                    None => return self.help(self.queue.take_next(Lane::Handlers)),
                }
            } else {
                let waiting =
                    self.queue.hand_over(Lane::Handlers, (), Duration::ZERO).expect("there is room");
                if waiting.must_wake {
                    self.queue.call_failed(1);
                }
                self.tell();
            }
        }
        drop(term);
    }

    fn help(&self, first: Option<(Lane, ())>) {
        let mut next = first;
        while let Some((lane, ())) = next {
            self.handle();
            next = self.queue.take_next(lane);
        }
    }

    fn run(job: Job) {
        match job {
            Job::Drive(scene, term) => scene.drive(term),
            Job::TakeOver(scene, seen) => {
                if let Some(term) = scene.queue.overtake(|| scene.lease.take_over(seen)) {
                    scene.drive(term);
                }
            }
            Job::Help(scene) => scene.help(scene.queue.arrive()),
        }
    }
}

#[test]
fn a_shard_is_polled_while_all_handlers_block() {
    explore(AtMost(1), || {
        let (lease, term) = Lease::new();
        let scene = Scene::new(lease);
        let pool = WorkerPool::builder().max_workers(WORKERS).max_idle_worker_duration(None);
        let pool = pool.build(Scene::run).unwrap();
        assert!(pool.try_submit(Job::Drive(scene.clone(), term)).is_ok());
        // The monitor, which opens nothing before all requests were seen.
        let mut asked = None;
        let mut open = scene.open.lock().unwrap();
        while scene.seen.load(Ordering::Acquire) < REQUESTS {
            match scene.lease.sight().filter(|seen| asked != Some(*seen)) {
                Some(seen) => {
                    let taken = pool.try_submit(Job::TakeOver(scene.clone(), seen));
                    assert!(taken.is_ok(), "nobody is left to drive");
                    asked = Some(seen);
                }
                None => open = scene.changed.wait(open).unwrap(),
            }
        }
        *open = true;
        drop(open);
        scene.changed.notify_all();
        for _ in 0..scene.queue.call_for_overdue(Duration::from_secs(1)) {
            if pool.try_submit(Job::Help(scene.clone())).is_err() {
                scene.queue.call_failed(1);
            }
        }
        pool.stop();
        pool.wait().unwrap();
        for _ in 0..scene.queue.call_for_overdue(Duration::from_secs(1)) {
            scene.help(scene.queue.arrive());
        }
        assert_eq!(scene.answered.load(Ordering::Relaxed), REQUESTS, "each is answered");
    });
}
