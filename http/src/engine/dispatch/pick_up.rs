//! The queue of dispatched connections, and when to wake a worker for it.
//!
//! Waking a parked thread costs more than many a handler: some 7 us for the waker, and 20 us until the thread runs. So
//! a worker that finishes a connection takes the next one from here before it parks, and the driver that leaves a
//! connection here wakes another worker only when the wait would be too long: the number ahead of it, times the recent
//! mean time of service, over the number of workers at it. A guess can be wrong; the monitor wakes workers for whatever
//! has waited longer than tolerated all the same ([`PickUp::overdue`]).
//!
//! Measured with a handler that sleeps 1 ms and 256 connections: tolerating 2 ms of wait gives a third more requests at
//! a third less CPU than a wake-up for each, with a better median latency; 4 ms is too much.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long a dispatched connection may be expected to wait before a worker is woken for it.
pub(crate) const TOLERATED_WAIT: Duration = Duration::from_millis(2);
/// Weight of the newest service time in the mean: 1/8.
const MEAN_SHIFT: u32 = 3;

/// Work left for whoever finishes next.
#[derive(Debug)]
pub(crate) struct PickUp<W> {
    queue: Mutex<Queue<W>>,
}

#[derive(Debug)]
struct Queue<W> {
    waiting: VecDeque<(Instant, W)>,
    /// Workers that will look here before they park, those being woken included.
    active: usize,
    /// Those of them that were woken and have not arrived.
    coming: usize,
    /// Recent mean time of service in microseconds; 0 while nothing was measured.
    service_micros: u64,
}

impl<W> PickUp<W> {
    pub(crate) fn new() -> Self {
        PickUp {
            queue: Mutex::new(Queue { waiting: VecDeque::new(), active: 0, coming: 0, service_micros: 0 }),
        }
    }

    /// Leaves `work` here. True: the caller must wake a worker, which counts as active from now on.
    pub(crate) fn leave(&self, work: W, now: Instant) -> bool {
        let mut queue = self.queue.lock();
        let must_wake = queue.wait_is_too_long();
        queue.waiting.push_back((now, work));
        queue.call(usize::from(must_wake));
        must_wake
    }

    /// A worker that was woken is here.
    pub(crate) fn arrive(&self) {
        self.queue.lock().coming -= 1;
    }

    /// A piece that nobody is left to take, so the caller has to do it. To be asked until there is none after a worker
    /// that was to be woken could not be had ([`PickUp::not_woken`]).
    pub(crate) fn take_abandoned(&self) -> Option<W> {
        let mut queue = self.queue.lock();
        if queue.active > 0 {
            return None;
        }
        queue.waiting.pop_front().map(|(_, work)| work)
    }

    /// An active worker takes the next piece; with `None` it is active no more.
    pub(crate) fn take(&self) -> Option<W> {
        let mut queue = self.queue.lock();
        let next = queue.waiting.pop_front();
        if next.is_none() {
            queue.active -= 1;
        }
        next.map(|(_, work)| work)
    }

    /// A worker that is about to park for another reason counts as active from now on if there is work.
    pub(crate) fn join(&self) -> Option<W> {
        let mut queue = self.queue.lock();
        let (_, work) = queue.waiting.pop_front()?;
        queue.active += 1;
        Some(work)
    }

    /// An active worker was busy with one piece for `elapsed`.
    pub(crate) fn served(&self, elapsed: Duration) {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
        let mut queue = self.queue.lock();
        let mean = queue.service_micros;
        queue.service_micros = if mean == 0 {
            micros
        } else {
            (mean - (mean >> MEAN_SHIFT)).saturating_add(micros >> MEAN_SHIFT).max(1)
        };
    }

    /// How many workers to wake for pieces that have waited longer than tolerated, beside those that are coming already;
    /// they count as active from now on.
    pub(crate) fn overdue(&self, now: Instant) -> usize {
        let mut queue = self.queue.lock();
        let late = queue
            .waiting
            .iter()
            .take_while(|(since, _)| now.saturating_duration_since(*since) > TOLERATED_WAIT)
            .count();
        let missing = late.saturating_sub(queue.coming);
        queue.call(missing);
        missing
    }

    /// Takes back what `leave` or `overdue` counted for workers that could not be had.
    pub(crate) fn not_woken(&self, workers: usize) {
        let mut queue = self.queue.lock();
        queue.active -= workers;
        queue.coming -= workers;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.lock().waiting.is_empty()
    }
}

impl<W> Queue<W> {
    fn call(&mut self, workers: usize) {
        self.active += workers;
        self.coming += workers;
    }

    fn wait_is_too_long(&self) -> bool {
        if self.active == 0 || self.service_micros == 0 {
            return true;
        }
        let ahead = self.waiting.len() as u64 + 1;
        let expected = ahead.saturating_mul(self.service_micros) / self.active as u64;
        expected > TOLERATED_WAIT.as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_only_when_the_wait_would_be_too_long() {
        let line = PickUp::new();
        let now = Instant::now();
        assert!(line.leave(1, now), "nobody is active");
        assert!(line.leave(2, now), "nothing was measured yet");
        line.served(Duration::from_millis(1));
        assert!(!line.leave(3, now), "three ahead, 1 ms each, two workers: 1.5 ms");
        assert!(!line.leave(4, now));
        assert!(line.leave(5, now), "2.5 ms");
        assert_eq!(line.overdue(now), 0);
        assert_eq!(line.overdue(now + TOLERATED_WAIT * 2), 2, "three are coming");
        assert_eq!(line.overdue(now + TOLERATED_WAIT * 2), 0, "so are the two");
        line.not_woken(2);
        for _ in 0..3 {
            line.arrive();
        }
        for expected in 1..=5 {
            assert_eq!(line.take(), Some(expected), "first come, first served");
        }
        for _ in 0..3 {
            assert_eq!(line.take(), None);
        }
        assert!(line.is_empty());
        assert!(line.leave(6, now), "all three have parked");
    }

    #[test]
    fn a_failed_wake_gives_the_work_back_only_when_nobody_is_left() {
        let line = PickUp::new();
        let now = Instant::now();
        assert!(line.leave('a', now));
        assert!(line.leave('b', now));
        line.not_woken(1);
        assert_eq!(line.take_abandoned(), None, "the one woken for the other will take both");
        line.not_woken(1);
        assert_eq!(line.take_abandoned(), Some('a'), "both drivers are left with their pieces");
        assert_eq!(line.take_abandoned(), Some('b'));
        assert_eq!(line.take_abandoned(), None);
        assert!(line.leave('c', now));
        assert_eq!(line.join(), Some('c'));
    }
}
