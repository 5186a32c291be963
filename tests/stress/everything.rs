//! Every call of a pool, at random, from four threads: submissions of all kinds, stops and restarts, caps, workers made
//! in advance and refused, broadcasts, panics. Each payload is a number, and in the end there is an account of each.
//!
//! ```sh
//! cargo test --release -p anthill-tests --test stress -- --ignored      # ten million payloads, some seconds
//! ANTHILL_STRESS_PAYLOADS=1000000000 cargo test ...                     # or as many as you like
//! ```

use std::env;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anthill_pool::{CancelToken, Priority, SubmitError, WorkerPool};
use anthill_tests::pool::on_threads;
use anthill_tests::{PATIENCE, planned_panic};

const THREADS: usize = 4;
const MOST_WORKERS: usize = 8;
/// Payloads that are submitted together.
const TOGETHER: usize = 200;

/// What became of a payload: it ran, or came back; each is counted, so that it shows when something happened twice.
const RAN: u8 = 1;
const CAME_BACK: u8 = 16;

/// The books that the test keeps beside those of the pool.
struct Accounts {
    fates: Vec<AtomicU8>,
    /// The next number that nobody has submitted.
    next: AtomicUsize,
    at_a_time: AtomicUsize,
    most_at_a_time: AtomicUsize,
    /// Of the payloads that came back, those that had been accepted.
    handed_back: AtomicU64,
    token: Mutex<CancelToken>,
}

impl Accounts {
    fn of(payloads: usize) -> Self {
        Accounts {
            fates: (0..payloads).map(|_| AtomicU8::new(0)).collect(),
            next: AtomicUsize::new(0),
            at_a_time: AtomicUsize::new(0),
            most_at_a_time: AtomicUsize::new(0),
            handed_back: AtomicU64::new(0),
            token: Mutex::new(CancelToken::new()),
        }
    }

    /// So many numbers, or what is left of them; none at the end.
    fn take(&self, count: usize) -> Vec<usize> {
        let first = self.next.fetch_add(count, Ordering::Relaxed).min(self.fates.len());
        (first..(first + count).min(self.fates.len())).collect()
    }

    fn run(&self, number: usize) {
        let running = 1 + self.at_a_time.fetch_add(1, Ordering::SeqCst);
        self.most_at_a_time.fetch_max(running, Ordering::Relaxed);
        self.fates[number].fetch_add(RAN, Ordering::Relaxed);
        if number % 4_096 == 7 {
            std::thread::sleep(Duration::from_micros(50));
        }
        self.at_a_time.fetch_sub(1, Ordering::SeqCst);
        if number % 997 == 5 {
            planned_panic();
        }
    }

    fn came_back(&self, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            self.fates[number].fetch_add(CAME_BACK, Ordering::Relaxed);
        }
    }

    fn note(&self, outcome: Result<(), SubmitError<usize>>) {
        self.came_back(outcome.err().map(SubmitError::into_payload));
    }

    fn token(&self) -> CancelToken {
        self.token.lock().unwrap().clone()
    }
}

/// Numbers without a pattern, the same for each seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn pool_for(accounts: &Arc<Accounts>) -> WorkerPool<usize> {
    let (books, threads) = (accounts.clone(), AtomicUsize::new(0));
    WorkerPool::builder()
        .max_workers(MOST_WORKERS)
        .queue_capacity(256)
        .max_idle_worker_duration(Duration::from_millis(1))
        .spawner(move |worker| {
            if threads.fetch_add(1, Ordering::Relaxed) % 7 == 6 {
                return Err(io::Error::other("every seventh is refused"));
            }
            worker.spawn()
        })
        .build(move |number| books.run(number))
        .unwrap()
}

/// One payload, submitted in one of the ways there are.
fn submit_one(pool: &WorkerPool<usize>, accounts: &Accounts, random: &mut Random, number: usize) {
    let limit = Duration::from_micros(random.below(200));
    let priority = [Priority::Low, Priority::Normal, Priority::High][random.below(3) as usize];
    let outcome = match random.below(8) {
        0..3 => pool.submit(number),
        3 => pool.try_submit(number),
        4 => pool.submit_timeout(number, limit),
        5 => pool.submission(number).priority(priority).submit(),
        6 => pool.submission(number).priority(priority).timeout(limit).submit(),
        _ => pool.submission(number).cancel_with(&accounts.token()).submit(),
    };
    accounts.note(outcome);
}

/// Something other than a submission.
fn disturb(pool: &WorkerPool<usize>, accounts: &Accounts, random: &mut Random) {
    match random.below(10) {
        0 => {
            pool.stop();
            let _ = pool.wait_timeout(Duration::from_micros(random.below(500)));
            pool.restart();
        }
        1 => {
            let rest = pool.stop_now();
            accounts.handed_back.fetch_add(rest.len() as u64, Ordering::Relaxed);
            accounts.came_back(rest);
            std::thread::yield_now();
            pool.restart();
        }
        2 | 3 => {
            pool.set_max_workers(1 + random.below(MOST_WORKERS as u64) as usize).unwrap();
        }
        4 => {
            let _ = pool.prestart(1 + random.below(MOST_WORKERS as u64) as usize);
        }
        5 => {
            let _ = pool.wait_idle_timeout(Duration::from_micros(random.below(500)));
        }
        6 => {
            pool.broadcast(|_| {});
        }
        7 => std::thread::sleep(Duration::from_millis(2)),
        8 => {
            let stats = pool.stats();
            assert!(stats.busy + stats.idle == stats.workers, "{stats:?}");
        }
        _ => std::mem::take(&mut *accounts.token.lock().unwrap()).cancel(),
    }
}

fn everything_at_once(payloads: usize) {
    let accounts = Arc::new(Accounts::of(payloads));
    let pool = pool_for(&accounts);
    on_threads(THREADS, |thread| {
        let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ (thread as u64 + 1) << 32);
        loop {
            let together = if random.below(400) == 0 { TOGETHER } else { 1 };
            let numbers = accounts.take(together);
            match numbers[..] {
                [] => return,
                [number] => submit_one(&pool, &accounts, &mut random, number),
                _ => {
                    let refused = pool.submit_many(numbers).err();
                    accounts.came_back(refused.into_iter().flat_map(|refused| refused.rest));
                }
            }
            if random.below(1_000) == 0 {
                disturb(&pool, &accounts, &mut random);
            }
        }
    });
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    let fates = || accounts.fates.iter().map(|fate| fate.load(Ordering::Relaxed));
    let odd: Vec<_> =
        fates().enumerate().filter(|(_, fate)| ![RAN, CAME_BACK].contains(fate)).take(10).collect();
    assert!(odd.is_empty(), "neither run once nor handed back once: {odd:?}");
    let ran = fates().filter(|fate| *fate == RAN).count();
    let stats = pool.stats();
    assert_eq!(
        (stats.finished, stats.handed_back),
        (ran as u64, accounts.handed_back.load(Ordering::Relaxed))
    );
    assert_eq!((stats.accepted, stats.discarded), (stats.finished + stats.handed_back, 0));
    assert_eq!(
        stats.panicked as usize,
        (0..payloads).filter(|n| n % 997 == 5 && accounts.fates[*n].load(Ordering::Relaxed) == RAN).count()
    );
    assert!(accounts.most_at_a_time.load(Ordering::Relaxed) <= MOST_WORKERS, "{stats:?}");
    assert!(ran * 3 > payloads, "most of it should be load: {stats:?}");
}

#[test]
fn pool_016_every_call_at_once_loses_nothing() {
    everything_at_once(if cfg!(debug_assertions) { 100_000 } else { 300_000 });
}

#[test]
#[ignore = "takes some seconds; ANTHILL_STRESS_PAYLOADS says how many payloads, ten million if it is not set"]
fn pool_016_every_call_at_once_loses_nothing_of_ten_million() {
    let said = env::var("ANTHILL_STRESS_PAYLOADS").ok().map(|number| number.parse().expect("a number"));
    everything_at_once(said.unwrap_or(10_000_000));
}
