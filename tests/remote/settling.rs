//! One job of which the source cannot be told harms no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use anthill_pool::WorkerPool;
use anthill_pool::remote::{Consumer, Job, MemorySource, Outcome};
use anthill_tests::{Gate, PATIENCE, eventually};

use crate::consumers::{assert_adds_up, end, send};
use crate::flaky::Flaky;
use crate::jobs::{Numbered, SHORT};

/// Workers, and places in the queue.
type PoolSize = (usize, usize);

/// A consumer that buries number 0, holds number 1 at the gate, fails with number 2 once, and does all others.
fn one_is_buried(
    flaky: &Flaky,
    gate: &Gate,
    runs: &Arc<AtomicUsize>,
    (workers, places): PoolSize,
) -> Consumer {
    let (held, runs) = (gate.clone(), runs.clone());
    Consumer::builder(flaky.clone())
        .pool(WorkerPool::builder().max_workers(workers).queue_capacity(places))
        .retry(SHORT.max_attempts(None))
        .start(move |job: &Job<Numbered>| match (job.payload().0, job.attempt()) {
            (0, _) => Outcome::Bury { reason: "no good".to_owned() },
            (1, _) => {
                runs.fetch_add(1, SeqCst);
                held.pass();
                Outcome::Done
            }
            (2, 1) => Outcome::Retry { reason: "not yet".to_owned(), after: None },
            _ => Outcome::Done,
        })
        .unwrap()
}

#[test]
fn what_cannot_be_told_of_one_job_takes_no_lease_from_another() {
    let queue = MemorySource::new().with_lease(Duration::from_millis(600));
    let (flaky, gate, runs) = (Flaky::new(queue.clone(), u64::MAX), Gate::new(), Arc::default());
    flaky.refuse_burials(true);
    send(&queue, 0..2);
    let consumer = one_is_buried(&flaky, &gate, &runs, (3, 8));
    eventually("one cannot be told of", || consumer.stats().errors > 0);
    // Over many leases' time the other one stays with us.
    eventually("the lease of the other is begun anew", || consumer.stats().extended >= 8);
    send(&queue, [2]);
    eventually("what comes after it is told", || {
        consumer.stats().retried == 1 && consumer.stats().acknowledged == 1
    });
    gate.open();
    eventually("the long one is done", || consumer.stats().acknowledged == 2);
    assert_eq!(runs.load(SeqCst), 1, "it was run once, as its lease never ran out");
    flaky.refuse_burials(false);
    eventually("it becomes a dead letter at last", || consumer.stats().buried == 1);
    end(&consumer);
}

#[test]
fn what_cannot_be_told_of_one_job_takes_no_other_with_it_at_the_end() {
    let lease = Duration::from_millis(600);
    let queue = MemorySource::new().with_lease(lease);
    let (flaky, gate, runs) = (Flaky::new(queue.clone(), u64::MAX), Gate::new(), Arc::default());
    flaky.refuse_burials(true);
    send(&queue, 0..2);
    let consumer = one_is_buried(&flaky, &gate, &runs, (1, 64));
    eventually("one runs, of the other nobody can be told", || {
        runs.load(SeqCst) == 1 && consumer.stats().errors > 0
    });
    send(&queue, 10..40);
    eventually("they are taken", || consumer.stats().running >= 31);
    eventually("it has been so for longer than a lease", || consumer.stats().extended >= 32 * 8);
    consumer.stop_now();
    gate.open();
    consumer.wait_timeout(PATIENCE).unwrap();
    let stats = consumer.stats();
    assert_adds_up(&stats);
    assert!(stats.returned >= 30, "all that had not begun are given back: {stats:?}");
    assert_eq!((stats.acknowledged, stats.abandoned), (1, 1), "{stats:?}");
}
