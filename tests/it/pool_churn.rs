//! Everything at once, at random, while the pool is resized, stopped, restarted and aged: a second per scene.
//!
//! Rows 16, 28, 42, 53 and 77, and the stress twins of what models cannot reach. Every payload has an entry in a
//! ledger, where whoever disposes of it makes a mark: its run, its refusal, the hook for what was discarded, whoever
//! stopped the pool and got it back. The rule: one mark each, no more and no less; the figures add up whenever somebody
//! looks; and once it is quiet the cap holds and everything ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anthill_pool::{CancelToken, PoolStats, Priority, SubmitError, WhenFull, WorkerPool, WorkerPoolBuilder};
use anthill_tests::pool::{adds_up, on_threads};
use anthill_tests::{PATIENCE, quiet_panics, within};

const SUBMITTERS: usize = 3;
/// Payloads that each submitter may use up.
const NUMBERS: usize = 400_000;
const A_WHILE: Duration = Duration::from_millis(900);
const CAPS: usize = 5;

/// What became of each payload.
struct Ledger(Vec<AtomicU8>);

const RAN: u8 = 1;
const DISCARDED: u8 = 2;
const HANDED_BACK: u8 = 4;
const REFUSED: u8 = 8;

impl Ledger {
    fn new() -> Arc<Self> {
        Arc::new(Ledger((0..SUBMITTERS * NUMBERS).map(|_| AtomicU8::new(0)).collect()))
    }

    fn mark(&self, number: usize, fate: u8) {
        let before = self.0[number].fetch_add(fate, Ordering::SeqCst);
        assert_eq!(before, 0, "payload {number} met two fates, {before} and {fate}");
    }

    /// How many payloads met each fate; each of the first so many of each submitter has one.
    fn close(&self, used: &[usize]) -> [u64; 4] {
        let mut counts = [0; 4];
        for (submitter, used) in used.iter().enumerate() {
            for place in 0..NUMBERS {
                let number = submitter * NUMBERS + place;
                let fate = self.0[number].load(Ordering::SeqCst);
                let kind = [RAN, DISCARDED, HANDED_BACK, REFUSED].iter().position(|kind| *kind == fate);
                match kind {
                    Some(kind) if place < *used => counts[kind] += 1,
                    None if place >= *used && fate == 0 => {}
                    _ => panic!("payload {place} of {used} of submitter {submitter} has fate {fate}"),
                }
            }
        }
        counts
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() % end
    }
}

fn assert_adds_up(stats: &PoolStats) {
    assert!(adds_up(stats), "{stats:?}");
    assert!(stats.workers <= stats.peak_workers && stats.peak_workers <= CAPS, "{stats:?}");
    assert!(stats.panicked <= stats.finished, "{stats:?}");
}

/// What the one who is not a submitter does.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    /// Everything there is.
    All,
    /// Stops and restarts, and nothing else.
    Lives,
    /// Another cap again and again, and nothing else.
    Sizes,
}

fn churn(seed: u64, options: WorkerPoolBuilder<usize>, trouble: Trouble, has_state: bool) {
    quiet_panics();
    let ledger = Ledger::new();
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (runs, discards, back) = (ledger.clone(), ledger.clone(), ledger.clone());
    let (now, peak) = (running.clone(), most.clone());
    let options = options
        .name("quietchurn")
        .max_workers(CAPS)
        .on_discard(move |number: usize, _| discards.mark(number, DISCARDED));
    let handler = move |number: usize| {
        runs.mark(number, RAN);
        peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if number.is_multiple_of(256) {
            thread::sleep(Duration::from_micros(300));
        }
        now.fetch_sub(1, Ordering::SeqCst);
        // Not where the caller runs it: its panics are not quiet.
        let on_worker = thread::current().name().is_some();
        assert!(!on_worker || !number.is_multiple_of(101), "now and then one panics");
    };
    let pool = if has_state {
        let attempts = AtomicUsize::new(0);
        let init = move |_| {
            // Now and then none can be made.
            if attempts.fetch_add(1, Ordering::SeqCst) % 5 == 4 { Err("no state to be had") } else { Ok(()) }
        };
        options.build_with_state(init, move |(): &mut (), number| handler(number)).unwrap()
    } else {
        options.build(handler).unwrap()
    };

    let handle = pool.clone();
    let used = within("a second of everything", move || {
        let until = Instant::now() + A_WHILE;
        let token = std::sync::Mutex::new(CancelToken::new());
        let over = AtomicBool::new(false);
        on_threads(SUBMITTERS + 1, |who| {
            let mut random = Random(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed + 7 * who as u64 + 1));
            if who == SUBMITTERS {
                while Instant::now() < until {
                    make_trouble(&handle, &back, &token, trouble, &mut random);
                    assert_adds_up(&handle.stats());
                }
                handle.restart();
                over.store(true, Ordering::SeqCst);
                return 0;
            }
            let mut place = 0;
            while place < NUMBERS && !over.load(Ordering::SeqCst) {
                let current = token.lock().unwrap().clone();
                place += submit_somehow(
                    &handle,
                    &back,
                    who * NUMBERS + place,
                    NUMBERS - place,
                    &current,
                    &mut random,
                );
            }
            place
        })
    });

    // Quiet now: the cap holds, everything runs, and the figures are the ledger's.
    pool.restart();
    pool.set_max_workers(2).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap_or_else(|_| panic!("stranded: {:?}", pool.stats()));
    let stats = pool.stats();
    assert!(stats.workers <= 2, "{stats:?}");
    // The callers that run something do so beside the workers.
    let callers = if stats.ran_by_caller > 0 { SUBMITTERS } else { 0 };
    assert!(most.load(Ordering::SeqCst) <= CAPS + callers);
    assert_adds_up(&stats);
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.queued, stats.blocked, running.load(Ordering::SeqCst)), (0, 0, 0, 0));
    let [ran, discarded, handed_back, refused] = ledger.close(&used[..SUBMITTERS]);
    assert_eq!(
        (stats.finished + stats.ran_by_caller, stats.discarded, stats.handed_back),
        (ran, discarded, handed_back),
        "{stats:?}"
    );
    assert_eq!(stats.accepted + stats.ran_by_caller, ran + discarded + handed_back);
    assert!(ran > 100 && (trouble == Trouble::Sizes || refused > 0), "{ran} ran, {refused} were refused");
}

fn make_trouble(
    pool: &WorkerPool<usize>,
    ledger: &Ledger,
    token: &std::sync::Mutex<CancelToken>,
    trouble: Trouble,
    random: &mut Random,
) {
    let which = match trouble {
        Trouble::All => random.below(10),
        Trouble::Lives => 3 + random.below(3),
        Trouble::Sizes => random.below(2),
    };
    match which {
        0 | 1 => pool.set_max_workers(1 + random.below(CAPS)).unwrap(),
        2 => drop(pool.prestart(1 + random.below(CAPS))),
        3 => {
            pool.stop();
            if random.below(4) == 0 {
                pool.wait().unwrap();
                assert_eq!(pool.running(), 0);
            }
            pool.restart();
        }
        4 => {
            let rest = pool.stop_now();
            pool.restart();
            rest.iter().for_each(|number| ledger.mark(*number, HANDED_BACK));
        }
        5 => pool.restart(),
        6 => {
            pool.broadcast(|number| assert!(!number.is_multiple_of(3), "duties panic too"));
        }
        7 => std::mem::take(&mut *token.lock().unwrap()).cancel(),
        // Long enough for workers to expire and payloads to age.
        8 => thread::sleep(Duration::from_micros(random.below(3_000) as u64)),
        _ => thread::yield_now(),
    }
}

/// Submits the payload with that number, or it and some of the `left` next ones; returns how many it was.
fn submit_somehow(
    pool: &WorkerPool<usize>,
    ledger: &Ledger,
    number: usize,
    left: usize,
    token: &CancelToken,
    random: &mut Random,
) -> usize {
    let outcome = match random.below(12) {
        0..4 => pool.submit(number),
        4..6 => pool.try_submit(number),
        6 => pool.submit_timeout(number, Duration::from_micros(random.below(200) as u64)),
        7 => {
            let priority = [Priority::Low, Priority::High][random.below(2)];
            pool.submission(number).priority(priority).submit()
        }
        8 => pool.submission(number).timeout(PATIENCE).cancel_with(token).submit(),
        9 => {
            thread::sleep(Duration::from_micros(random.below(1_500) as u64));
            pool.submit(number)
        }
        batch => {
            let count = left.min(1 + random.below(150));
            let payloads = (number..number + count).collect();
            let outcome =
                if batch == 10 { pool.submit_many(payloads) } else { pool.try_submit_many(payloads) };
            match outcome {
                Ok(accepted) => assert_eq!(accepted, count),
                Err(error) => {
                    let rest: Vec<usize> = (number + error.accepted..number + count).collect();
                    assert_eq!(error.rest, rest, "cut in two");
                    rest.iter().for_each(|number| ledger.mark(*number, REFUSED));
                }
            }
            return count;
        }
    };
    if let Err(error) = outcome {
        assert!(!matches!(error, SubmitError::WouldDeadlock(_)), "no submitter is a worker");
        let back = error.into_payload();
        assert_eq!(back, number);
        ledger.mark(number, REFUSED);
    }
    1
}

/// Workers that expire almost at once.
fn short_lived() -> WorkerPoolBuilder<usize> {
    WorkerPool::builder().max_idle_worker_duration(Duration::from_millis(1))
}

#[test]
fn pool_016_churn_with_direct_hand_off() {
    churn(1, short_lived(), Trouble::All, false);
}

#[test]
fn pool_016_churn_with_a_short_queue() {
    churn(2, short_lived().queue_capacity(3).max_blocking(2), Trouble::All, false);
}

#[test]
fn pool_016_churn_with_batches() {
    churn(3, short_lived().queue_capacity(2_048), Trouble::All, false);
}

#[test]
fn pool_016_churn_with_states_that_get_lost() {
    churn(4, short_lived().queue_capacity(256), Trouble::All, true);
}

#[test]
fn pool_016_churn_with_states_that_get_lost_and_direct_hand_off() {
    churn(5, short_lived(), Trouble::All, true);
}

#[test]
fn pool_077_churn_with_payloads_that_age() {
    let options = short_lived().queue_capacity(64).max_queue_age(Duration::from_millis(1));
    churn(6, options, Trouble::All, false);
}

#[test]
fn pool_074_churn_with_payloads_that_are_displaced() {
    churn(7, short_lived().queue_capacity(8).when_full(WhenFull::DiscardOldest), Trouble::All, false);
}

#[test]
fn pool_073_churn_with_callers_that_run_payloads() {
    churn(11, short_lived().queue_capacity(4).when_full(WhenFull::RunOnCaller), Trouble::All, false);
}

#[test]
fn pool_042_churn_of_stops_and_restarts() {
    churn(8, short_lived().queue_capacity(128), Trouble::Lives, false);
}

#[test]
fn pool_028_churn_of_caps() {
    churn(9, short_lived().queue_capacity(128).max_blocking(1), Trouble::Sizes, false);
    churn(10, short_lived(), Trouble::Sizes, false);
}
