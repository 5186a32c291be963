//! Reckoning for handshakes: each is begun once or given up, whoever finishes, blocks or cannot be had meanwhile, and
//! afterwards as many may begin as before.

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::engine::dispatch::queue::{Budget, HandOverQueue, Lane};
use crate::engine::dispatch::reckoners::{AfterPiece, Left, PieceNumber, Reckoners, Unbegun};
use crate::explore::{Preemptions::*, explore};

const NOW: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_secs(1);
const NEVER: Duration = Duration::MAX;
const BUDGET: Budget = Budget { helpers: 2, handlers: 2, clients: 1, spares: 0, waiting: 8 };

/// The reckoners with the helpers whom they are lent to, and how often each piece was done.
struct Scene {
    count: usize,
    reckoners: Reckoners<usize, ()>,
    queue: HandOverQueue<usize>,
    done: [AtomicUsize; 3],
}

impl Scene {
    /// The first piece was begun, by nobody yet.
    fn new(count: usize) -> (Arc<Self>, PieceNumber) {
        let scene = Scene {
            count,
            reckoners: Reckoners::new(count, 8),
            queue: HandOverQueue::new(BUDGET),
            done: std::array::from_fn(|_| AtomicUsize::new(0)),
        };
        let first = scene.hand_over(0, NEVER).expect("there is room");
        assert_eq!(first.work, 0);
        let piece = scene.reckoners.arrive((), NOW);
        (Arc::new(scene), piece)
    }

    /// What somebody is to be called for.
    fn hand_over(&self, work: usize, until: Duration) -> Option<Unbegun<usize>> {
        match self.reckoners.hand_over(work, until, work > 1) {
            Left::MustCall(first) => Some(first),
            Left::Waits => None,
            Left::Refused(_) => panic!("there is room to wait"),
        }
    }

    /// A reckoner, from `work` on, which it has begun as `piece`.
    fn reckon(&self, mut piece: PieceNumber, mut work: usize) {
        loop {
            self.done[work].fetch_add(1, Ordering::Relaxed);
            (piece, work) = match self.reckoners.next(piece, NOW) {
                AfterPiece::Another(piece, work) => (piece, work),
                AfterPiece::Nothing => return,
                AfterPiece::Helps => {
                    assert_eq!(self.queue.take_next(Lane::Handlers), None, "nothing was handed over");
                    return;
                }
            };
        }
    }

    /// One that was called.
    fn come(&self, first: Unbegun<usize>) {
        let piece = self.reckoners.arrive((), NOW);
        self.reckon(piece, first.work);
    }

    /// A look of the monitor, to whom all at work seem to sleep.
    fn look(&self) {
        for stint in self.reckoners.at_work().unwrap_or_default() {
            self.queue.enlist(|| self.reckoners.lend(stint.piece));
        }
        while let Some(first) = self.reckoners.call_for_waiting() {
            self.come(first);
        }
    }

    /// In the end each piece was done once, nobody is at work, and nobody is a helper any more.
    fn check(&self, pieces: usize) {
        assert_eq!(self.reckoners.waiting(), 0, "lost: nobody comes for what waits");
        for (piece, done) in self.done.iter().enumerate().take(pieces) {
            assert_eq!(done.load(Ordering::Relaxed), 1, "piece {piece} is done once");
        }
        // A call that failed may not have been excused yet.
        self.reckoners.take_shortness();
        let begun = (0..=self.count).filter(|_| self.hand_over(0, NEVER).is_some()).count();
        assert_eq!(begun, self.count, "as many may begin as before");
        let called = (0..=BUDGET.helpers).filter(|_| self.is_called()).count();
        assert_eq!(called, BUDGET.helpers, "nobody is a helper");
    }

    fn is_called(&self) -> bool {
        self.queue.hand_on(Lane::Handlers, 0, NOW).must_wake || self.queue.call_for_overdue(LATER) > 0
    }
}

/// The only one at work finds nothing and leaves while something is handed over, counting on it.
#[test]
fn a_hand_over_meets_a_reckoner_that_leaves() {
    explore(Any, || {
        let (scene, piece) = Scene::new(1);
        let other = scene.clone();
        let reckoner = thread::spawn(move || other.reckon(piece, 0));
        if let Some(first) = scene.hand_over(1, NEVER) {
            scene.come(first);
        }
        reckoner.join().unwrap();
        scene.check(2);
    });
}

/// Nobody can be had for what was handed over; whoever is at work may leave, or take it; the monitor calls again.
#[test]
fn a_call_that_fails_meets_a_reckoner_that_leaves() {
    explore(Any, || {
        let (scene, piece) = Scene::new(2);
        let other = scene.clone();
        let reckoner = thread::spawn(move || other.reckon(piece, 0));
        let first = scene.hand_over(1, NEVER).expect("there is room for another");
        scene.reckoners.call_failed(Some(first));
        // Nobody is called as long as nobody can be had.
        assert!(scene.hand_over(2, NEVER).is_none());
        while let Some(first) = scene.reckoners.call_for_waiting() {
            scene.come(first);
        }
        reckoner.join().unwrap();
        while let Some(first) = scene.reckoners.call_for_waiting() {
            scene.come(first);
        }
        scene.check(3);
    });
}

/// The only one at work seems to sleep while something waits, and is done at that moment.
#[test]
fn lending_meets_the_end_of_the_piece() {
    explore(Any, || {
        let (scene, piece) = Scene::new(1);
        let other = scene.clone();
        let reckoner = thread::spawn(move || other.reckon(piece, 0));
        if let Some(first) = scene.hand_over(1, NEVER) {
            scene.come(first);
        }
        scene.look();
        reckoner.join().unwrap();
        scene.check(2);
    });
}

/// What has waited for too long is taken away by the monitor while somebody comes free who would begin it.
#[test]
fn giving_up_meets_a_reckoner_that_comes_free() {
    explore(Any, || {
        let (scene, piece) = Scene::new(1);
        let other = scene.clone();
        let reckoner = thread::spawn(move || other.reckon(piece, 0));
        if let Some(first) = scene.hand_over(1, LATER) {
            scene.come(first);
        }
        assert_eq!(scene.reckoners.take_expired(NOW), None, "its time is not over");
        if let Some(work) = scene.reckoners.take_expired(LATER) {
            scene.done[work].fetch_add(1, Ordering::Relaxed);
        }
        let left = scene.reckoners.waiting();
        reckoner.join().unwrap();
        assert_eq!(left, 0, "its time is over");
        scene.check(2);
    });
}
