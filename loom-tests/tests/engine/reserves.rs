//! Threads in reserve: whoever is ordered comes, nobody stays behind in the end, and drivers that look without the lock
//! can all be overtaken.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::engine::dispatch::reserve::Reserve;
use crate::explore::{Preemptions::*, explore};

/// Two shards are to be taken over while those in reserve come.
#[test]
fn an_order_meets_those_who_come() {
    explore(AtMost(3), || {
        let reserve = Arc::new(Reserve::new(2));
        let standing: Vec<_> = (0..2)
            .map(|_| {
                assert!(reserve.expect_one());
                let reserve = reserve.clone();
                thread::spawn(move || reserve.stand().expect("an order"))
            })
            .collect();
        assert!(!reserve.expect_one(), "two are all");
        assert!(reserve.order(1) && reserve.order(2));
        assert!(!reserve.order(3), "nobody is left");
        let done: usize = standing.into_iter().map(|one| one.join().unwrap()).sum();
        assert_eq!(done, 3, "each order is one thread's");
    });
}

/// What was to be taken over is not to be taken over any more: whoever was called for it is in reserve for the next.
#[test]
fn a_stale_order_leads_back() {
    explore(AtMost(3), || {
        let reserve = Arc::new(Reserve::new(1));
        assert!(reserve.expect_one());
        let stands = reserve.clone();
        let standing = thread::spawn(move || {
            let mut orders = Vec::new();
            stands.stand_by(|is_of_use| {
                orders.push(is_of_use);
                is_of_use
            });
            assert_eq!(orders, [false, true], "who was called in vain has left the reserve");
        });
        assert!(reserve.order(false));
        while !reserve.order(true) {
            thread::yield_now();
        }
        standing.join().unwrap();
    });
}

/// The end comes while two are about to stand, and somebody else may join.
#[test]
fn the_end_meets_those_who_stand() {
    explore(AtMost(3), || {
        let reserve = Arc::new(Reserve::<()>::new(2));
        assert!(reserve.expect_one());
        let (stands, joins) = (reserve.clone(), reserve.clone());
        let standing = thread::spawn(move || assert_eq!(stands.stand(), None));
        let joining = thread::spawn(move || {
            if joins.expect_one() {
                assert_eq!(joins.stand(), None);
            }
        });
        reserve.dismiss();
        standing.join().unwrap();
        joining.join().unwrap();
        assert!(!reserve.order(()) && !reserve.expect_one(), "it has ended");
    });
}

/// Drivers of two shards run what blocks as long as each could be overtaken; one thread more than that is in reserve,
/// and the system gives no other.
#[test]
fn no_driver_blocks_whom_nobody_could_follow() {
    const SHARDS: usize = 2;
    explore(AtMost(3), || {
        let reserve = Arc::new(Reserve::new(SHARDS + 1));
        while reserve.expect_one() {}
        let overtaken = Arc::new(AtomicUsize::new(0));
        let drive = |reserve: Arc<Reserve<()>>, overtaken: Arc<AtomicUsize>| {
            for _ in 0..2 {
                if reserve.standing() >= SHARDS {
                    assert!(reserve.order(()), "nobody is left to drive");
                    overtaken.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let (other, counts) = (reserve.clone(), overtaken.clone());
        let driver = thread::spawn(move || drive(other, counts));
        drive(reserve.clone(), overtaken.clone());
        driver.join().unwrap();
        let overtaken = overtaken.load(Ordering::Relaxed);
        assert_eq!(reserve.standing(), SHARDS + 1 - overtaken);
        assert!(reserve.standing() < SHARDS, "what is there was used");
    });
}
