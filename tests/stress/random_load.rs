//! Everything at once, at random, for two seconds.
//!
//! Row 16. Each payload is a number that its run ticks off, so that a payload that ran twice, never, or although it was
//! refused shows up as that number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anthill_pool::{SubmitError, WorkerPool};
use anthill_tests::pool::on_threads;
use anthill_tests::{PATIENCE, within};

const SUBMITTERS: usize = 4;
/// Numbers that each submitter may use up.
const NUMBERS: usize = 500_000;

/// What became of a payload, as its submitter and its run see it.
const ACCEPTED: u8 = 1;
const RAN: u8 = 2;

#[test]
fn pool_016_no_payload_is_stranded_under_random_load() {
    let fates: Arc<Vec<AtomicU8>> = Arc::new((0..SUBMITTERS * NUMBERS).map(|_| AtomicU8::new(0)).collect());
    let ran = Arc::new(AtomicUsize::new(0));
    let (marks, count) = (fates.clone(), ran.clone());
    let pool = WorkerPool::builder()
        .max_workers(3)
        .queue_capacity(4)
        .max_blocking(3)
        .max_idle_worker_duration(Duration::from_millis(1))
        .build(move |number: usize| {
            let before = marks[number].fetch_add(RAN, Ordering::SeqCst);
            assert!(before < RAN, "payload {number} ran twice");
            count.fetch_add(1, Ordering::SeqCst);
            // Now and then one that takes longer than its siblings, so that the line and the queue fill up.
            if number.is_multiple_of(1_024) {
                std::thread::sleep(Duration::from_micros(300));
            }
        })
        .unwrap();
    let mut next = [0; SUBMITTERS];
    let mut attempts = 0;
    for round in 0..8 {
        let handle = pool.clone();
        let marks = fates.clone();
        next = within("a round of random submissions", move || {
            let until = Instant::now() + Duration::from_millis(250);
            let ends = on_threads(SUBMITTERS, |submitter| {
                submit_at_random(&handle, &marks, submitter, next[submitter], until)
            });
            ends.try_into().unwrap()
        });
        // Nobody submits any more: what was accepted must come to its end by itself.
        pool.wait_idle_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("stranded in round {round}: {:?}", pool.stats()));
        let stats = pool.stats();
        attempts = next.iter().sum();
        assert_eq!(stats.accepted + stats.rejected, attempts as u64);
        assert_eq!((stats.accepted, ran.load(Ordering::SeqCst) as u64), (stats.finished, stats.finished));
        assert_eq!((stats.queued, stats.blocked, stats.busy, stats.panicked), (0, 0, 0, 0));
    }
    assert!(pool.stats().finished > 1_000 && attempts > 1_000, "{:?}", pool.stats());
    for (number, fate) in fates.iter().enumerate() {
        let fate = fate.load(Ordering::SeqCst);
        assert!(
            fate == 0 || fate == ACCEPTED + RAN,
            "payload {number} was accepted or ran, but not both: {fate}"
        );
    }
}

/// Submits until `until`; returns the first number that was not used.
fn submit_at_random(
    pool: &WorkerPool<usize>,
    fates: &[AtomicU8],
    submitter: usize,
    first: usize,
    until: Instant,
) -> usize {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(1 + (submitter * NUMBERS + first) as u64);
    let mut place = first;
    while place < NUMBERS && Instant::now() < until {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let number = submitter * NUMBERS + place;
        place += 1;
        let outcome = match random % 8 {
            0..4 => pool.submit(number),
            4 | 5 => pool.try_submit(number),
            6 => pool.submit_timeout(number, Duration::from_micros(random >> 8 & 127)),
            _ => {
                // A pause, so that the pool runs empty and its workers retire.
                std::thread::sleep(Duration::from_micros(random >> 8 & 2_047));
                pool.submit(number)
            }
        };
        match outcome {
            Ok(()) => {
                fates[number].fetch_add(ACCEPTED, Ordering::SeqCst);
            }
            Err(SubmitError::Full(back) | SubmitError::Overload(back) | SubmitError::Timeout(back)) => {
                assert_eq!(back, number);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    place
}

#[test]
fn pool_016_stops_in_the_midst_of_random_load_lose_nothing() {
    for round in 0..60 {
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let pool = WorkerPool::builder()
            .max_workers(1 + round % 3)
            .queue_capacity([0, 1, 32][round / 3 % 3])
            .build(move |_: usize| {
                count.fetch_add(1, Ordering::SeqCst);
            })
            .unwrap();
        let (accepted, handed_back) = within("submitting across a stop", move || {
            let outcomes = on_threads(SUBMITTERS + 1, |who| {
                if who == SUBMITTERS {
                    while pool.stats().finished < 50 {
                        std::thread::yield_now();
                    }
                    return (0, pool.stop_now().len());
                }
                let mut accepted = 0;
                loop {
                    match if accepted % 3 == 0 { pool.try_submit(accepted) } else { pool.submit(accepted) } {
                        Ok(()) => accepted += 1,
                        Err(SubmitError::Closed(_)) => return (accepted, 0),
                        Err(_) => std::thread::yield_now(),
                    }
                }
            });
            pool.wait().unwrap();
            outcomes.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        });
        assert_eq!(ran.load(Ordering::SeqCst) + handed_back, accepted, "round {round}");
    }
}
