//! Connections that were given away, while a shutdown waits for them, or cuts them.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::explore::{Preemptions::*, explore};
use crate::wire::taken_over::TakenOver;

/// How often a connection was cut.
type Cut = Arc<AtomicUsize>;

/// One was promised its place, and takes it while a shutdown whose time is up cuts all.
#[test]
fn a_late_one_is_cut_as_well() {
    explore(Any, || {
        let taken = Arc::new(TakenOver::<Cut>::new());
        let cuts = Arc::new(AtomicUsize::new(0));
        let place = TakenOver::promise(&taken, 1).expect("nobody is there");
        let given = cuts.clone();
        let function = thread::spawn(move || {
            let (entered, permit, to_cut) = place.enter(7, given);
            if let Some(cut) = to_cut {
                cut.fetch_add(1, Ordering::AcqRel);
            }
            (entered, permit)
        });
        for cut in taken.cut() {
            cut.fetch_add(1, Ordering::AcqRel);
        }
        let kept = function.join().unwrap();
        assert_eq!(cuts.load(Ordering::Acquire), 1, "cut by one of the two");
        drop(kept);
        assert_eq!(taken.open(), 0);
    });
}

/// One connection is closed by its function, another is never entered, while a shutdown waits.
#[test]
fn whoever_waits_hears_of_the_last() {
    explore(AtMost(3), || {
        let taken = Arc::new(TakenOver::<Cut>::new());
        let closed = Arc::new(AtomicUsize::new(0));
        let (first, second) =
            (TakenOver::promise(&taken, 2).expect("room"), TakenOver::promise(&taken, 2).expect("room"));
        let done = closed.clone();
        let function = thread::spawn(move || {
            let (entered, permit, _) = first.enter(7, Arc::new(AtomicUsize::new(0)));
            done.fetch_add(1, Ordering::AcqRel);
            drop(entered);
            drop(permit);
        });
        let failed = thread::spawn(move || drop(second));
        assert!(taken.wait_none(None));
        assert_eq!(closed.load(Ordering::Acquire), 1, "it was waited for");
        function.join().unwrap();
        failed.join().unwrap();
    });
}
