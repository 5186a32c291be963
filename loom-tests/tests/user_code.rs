//! How users check code of their own together with the pool: an example that is run.
//!
//! [`Collector`] stands for the user's code: it runs on the pool's workers and has a race of its own to get wrong. All
//! that it takes to model it is to name locks, atomics and threads through `anthill_pool::model` in place of `std`. The
//! model finds the planted mistake, and passes without it. `README.md` says how to build such a model outside of this
//! workspace.

use anthill_pool::WorkerPool;
use anthill_pool::model;
use anthill_pool::model::sync::atomic::{AtomicUsize, Ordering};
use anthill_pool::model::sync::{Arc, Mutex};

/// Collects the results of a known number of payloads; whoever brings the last one closes the collection.
struct Collector {
    missing: AtomicUsize,
    results: Mutex<Vec<usize>>,
    complete: Mutex<Option<Vec<usize>>>,
}

impl Collector {
    fn of(results: usize) -> Self {
        Collector {
            missing: AtomicUsize::new(results),
            results: Mutex::new(Vec::new()),
            complete: Mutex::new(None),
        }
    }

    /// First the result, then the count: whoever counts down to nothing finds all results there.
    fn bring(&self, result: usize) {
        self.results.lock().unwrap().push(result);
        self.count_down();
    }

    /// The planted mistake: between the two, another worker may bring the last result and close without this one.
    fn bring_too_late(&self, result: usize) {
        self.count_down();
        self.results.lock().unwrap().push(result);
    }

    fn count_down(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            let results = std::mem::take(&mut *self.results.lock().unwrap());
            *self.complete.lock().unwrap() = Some(results);
        }
    }
}

/// Two payloads on two workers, in every interleaving that takes the processor from a running thread at most twice.
fn check(bring: fn(&Collector, usize)) {
    let mut explorer = model::model::Builder::new();
    explorer.preemption_bound = Some(2);
    explorer.check(move || {
        let collector = Arc::new(Collector::of(2));
        let pool = {
            let collector = collector.clone();
            WorkerPool::builder()
                .max_workers(2)
                .max_idle_worker_duration(None)
                .build(move |number: usize| bring(&collector, number))
                .unwrap()
        };
        for number in 0..2 {
            pool.submit(number).unwrap();
        }
        pool.stop();
        pool.wait().unwrap();
        drop(pool);
        // With all threads at their end, so that a failure is this one and no other.
        let mut results = collector.complete.lock().unwrap().take().expect("both were counted");
        results.sort_unstable();
        assert_eq!(results, [0, 1], "the collection lacks a result");
    });
}

#[test]
fn what_is_brought_before_it_is_counted_is_never_missed() {
    check(Collector::bring);
}

#[test]
#[should_panic = "the collection lacks a result"]
fn the_model_finds_a_result_that_is_counted_before_it_is_brought() {
    check(Collector::bring_too_late);
}
