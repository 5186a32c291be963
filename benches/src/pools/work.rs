//! What the payloads do: nothing, a little, sleep, wait for one another, or tell when they ran. Each leaves its trace
//! in the tally.

use super::tally;
use std::hint::black_box;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A payload: what a pool has to run, once.
pub trait Work: Send + 'static {
    /// Does it.
    fn run(self);
}

/// Nothing but its number, for the tally.
#[derive(Debug)]
pub struct Count(pub u64);

impl Work for Count {
    fn run(self) {
        tally::ran(self.0);
    }
}

/// As little as [`Count`], but three words of it: a closure that has captured, say, two handles and a length.
#[derive(Debug)]
pub struct Triple(pub [u64; 3]);

impl Triple {
    /// The payload with that number.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        Self([number ^ 1, number ^ 2, number ^ 3])
    }
}

impl Work for Triple {
    fn run(self) {
        let [a, b, c] = self.0;
        // All three are needed to find the number again: 1, 2 and 3 cancel out.
        tally::ran(a ^ b ^ c);
    }
}

/// Keeps a core busy for a number of laps (see [`laps_in`](Spin::laps_in)).
#[derive(Debug)]
pub struct Spin {
    /// Its number, for the tally.
    pub number: u64,
    /// How much there is to do.
    pub laps: u64,
}

impl Spin {
    /// How many laps this machine makes in a time, by trying.
    ///
    /// A count and not a clock, as a clock would call it work when the thread was merely off its core.
    #[must_use]
    pub fn laps_in(time: Duration) -> u64 {
        const TRIAL: u64 = 4_000_000;
        let best = (0..5).map(|_| {
            let started = Instant::now();
            spin(TRIAL);
            started.elapsed()
        });
        let best = best.min().unwrap_or(Duration::MAX);
        (TRIAL as f64 * time.as_secs_f64() / best.as_secs_f64()).round() as u64
    }
}

impl Spin {
    /// Makes that many laps, and tells nobody.
    pub fn only(laps: u64) {
        spin(laps);
    }
}

impl Work for Spin {
    fn run(self) {
        spin(self.laps);
        tally::ran(self.number);
    }
}

fn spin(laps: u64) {
    for lap in 0..laps {
        black_box(lap);
    }
}

/// Tells how long it was on its way.
#[derive(Debug)]
pub struct Stamp {
    /// Its number, for the tally.
    pub number: u64,
    /// When it was handed over.
    pub sent: Instant,
}

impl Work for Stamp {
    fn run(self) {
        tally::arrived(self.sent.elapsed());
        tally::ran(self.number);
    }
}

/// Sleeps, and keeps no core busy.
#[derive(Debug)]
pub struct Nap {
    /// Its number, for the tally.
    pub number: u64,
    /// For how long.
    pub time: Duration,
}

impl Work for Nap {
    fn run(self) {
        if !self.time.is_zero() {
            tally::napping(|| thread::sleep(self.time));
        }
        tally::ran_slowly(self.number);
    }
}

/// Waits at a [`Meeting`]: so many at once prove that there are so many threads.
#[derive(Debug)]
pub struct Meet {
    /// Its number, for the tally.
    pub number: u64,
    /// Where.
    pub at: Arc<Meeting>,
}

impl Work for Meet {
    fn run(self) {
        self.at.attend();
        tally::ran_slowly(self.number);
    }
}

/// Keeps those who attend until it is dissolved.
#[derive(Debug, Default)]
pub struct Meeting {
    attendance: Mutex<Attendance>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Attendance {
    present: usize,
    dissolved: bool,
}

impl Meeting {
    /// Stays until the meeting is dissolved.
    pub(super) fn attend(&self) {
        let mut attendance = self.attendance.lock().unwrap_or_else(PoisonError::into_inner);
        attendance.present += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(attendance, |attendance| !attendance.dissolved));
    }

    /// Waits until so many attend; false when they are fewer at the end of `patience`.
    pub fn is_attended_by(&self, wanted: usize, patience: Duration) -> bool {
        let attendance = self.attendance.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(attendance, patience, |now| now.present < wanted);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Lets everybody go, and nobody wait any more.
    pub fn dissolve(&self) {
        self.attendance.lock().unwrap_or_else(PoisonError::into_inner).dissolved = true;
        self.changed.notify_all();
    }
}
