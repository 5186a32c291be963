//! For how long what was handed over may wait before another worker is woken: as the machine has cores to spare or not.
//!
//! Letting requests wait for a worker that finishes saves wake-ups, which is what a server is short of while all cores
//! are busy, and wastes the time of whoever waits while one is idle. So wake-ups are bought with idle time: while there
//! is some the tolerated wait is halved at each look, and doubled when there is none left.

use std::time::{Duration, Instant};

use crate::engine::dispatch::idle_cores::IdleCores;
use crate::engine::dispatch::queue::TOLERATED_WAIT;

/// What is tolerated while cores are idle. A woken worker takes nearly as long to come.
const LEAST: Duration = Duration::from_micros(100);
/// Time from one look to the next; the system counts idle time in hundredths of a second.
const EVERY: Duration = Duration::from_millis(100);
/// The idle part of the cores above which there is some to spend.
const PLENTY: f64 = 0.12;
/// And below which there is none.
const NONE_LEFT: f64 = 0.05;

/// Follows how busy the machine is.
pub(crate) struct Tolerance {
    /// `None` where the system does not tell.
    cores: Option<IdleCores>,
    looked: Instant,
    tolerated: Duration,
}

impl Tolerance {
    pub(crate) fn new(now: Instant) -> Self {
        Self { cores: IdleCores::new(), looked: now, tolerated: TOLERATED_WAIT }
    }

    /// The wait to be tolerated from now on, as far as that has to be looked at.
    pub(crate) fn look(&mut self, now: Instant) -> Duration {
        if now.saturating_duration_since(self.looked) < EVERY {
            return self.tolerated;
        }
        self.looked = now;
        let Some(cores) = &mut self.cores else { return self.tolerated };
        match cores.look(now) {
            Some(idle) => self.tolerated = adapt(self.tolerated, idle),
            None => (self.cores, self.tolerated) = (None, TOLERATED_WAIT),
        }
        self.tolerated
    }
}

fn adapt(tolerated: Duration, idle: f64) -> Duration {
    let wanted = match idle {
        PLENTY.. => tolerated / 2,
        NONE_LEFT.. => tolerated,
        _ => tolerated * 2,
    };
    wanted.clamp(LEAST, TOLERATED_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_cores_shorten_the_wait_and_busy_ones_lengthen_it() {
        let mut tolerated = TOLERATED_WAIT;
        for _ in 0..5 {
            tolerated = adapt(tolerated, 0.5);
        }
        assert_eq!(tolerated, LEAST);
        assert_eq!(adapt(tolerated, 0.08), LEAST, "what is left is not worth a change");
        for _ in 0..5 {
            tolerated = adapt(tolerated, 0.0);
        }
        assert_eq!(tolerated, TOLERATED_WAIT);
        assert_eq!(adapt(TOLERATED_WAIT / 2, 0.12), TOLERATED_WAIT / 4);
        assert_eq!(adapt(TOLERATED_WAIT, f64::NAN), TOLERATED_WAIT, "no number is no idle core");
    }

    #[test]
    fn the_system_is_not_asked_all_the_time() {
        let now = Instant::now();
        let mut tolerance = Tolerance { cores: None, looked: now, tolerated: LEAST };
        assert_eq!(tolerance.look(now + EVERY / 2), LEAST);
        assert_eq!(tolerance.looked, now);
        assert_eq!(tolerance.look(now + EVERY), LEAST);
        assert_eq!(tolerance.looked, now + EVERY);
    }
}
