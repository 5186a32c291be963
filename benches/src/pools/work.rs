//! What the payloads do: nothing, a little, or tell when they ran. Each leaves its trace in the tally.

use super::tally;
use std::hint::black_box;
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
