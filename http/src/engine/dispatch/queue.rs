//! The queue of connections that were handed over to workers, and when to wake a worker for it.
//!
//! Waking a parked thread costs more than many a handler: some 7 us for the waker, and 20 us until the thread runs. So
//! a worker that finishes a connection takes the next one from here before it parks, and the driver that hands a
//! connection over wakes another worker only when the wait would be too long: the number ahead of it, times the recent
//! mean time of service, over the number of workers at it. A guess can be wrong; the monitor calls workers for whatever
//! has waited longer than tolerated all the same ([`HandOverQueue::call_for_overdue`]).
//!
//! Measured with a handler that sleeps 1 ms and 256 connections: tolerating 2 ms of wait gives a third more requests at
//! a third less CPU than a wake-up for each, with a better median latency; 4 ms is too much.
//!
//! A worker is *active* when it will look here before it parks; one that was *called* and has not arrived is active
//! already. The invariant: what waits here has an active worker, or whoever found out that none could be had takes it
//! back ([`HandOverQueue::take_unattended`]), or the monitor's next look calls for it. Moments are passed in, as time since
//! the engine started.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::sync::{Mutex, lock};

/// How long a connection that was handed over may be expected to wait before a worker is woken for it.
pub(crate) const TOLERATED_WAIT: Duration = Duration::from_millis(2);
/// Weight of the newest service time in the mean: 1/8.
const MEAN_SHIFT: u32 = 3;

/// Work left for whoever finishes next.
#[derive(Debug)]
pub(crate) struct HandOverQueue<W> {
    queue: Mutex<Queue<W>>,
}

#[derive(Debug)]
struct Queue<W> {
    waiting: VecDeque<(Duration, W)>,
    /// Workers that will look here before they park, those called included.
    active: usize,
    /// Those of them that were called and have not arrived.
    coming: usize,
    /// Recent mean time of service in microseconds; 0 while nothing was measured.
    service_micros: u64,
}

impl<W> HandOverQueue<W> {
    pub(crate) fn new() -> Self {
        HandOverQueue {
            queue: Mutex::new(Queue { waiting: VecDeque::new(), active: 0, coming: 0, service_micros: 0 }),
        }
    }

    /// Leaves `work` here. True: the caller must wake a worker, which counts as called from now on.
    #[must_use]
    pub(crate) fn hand_over(&self, work: W, now: Duration) -> bool {
        let mut queue = lock(&self.queue);
        let must_wake = queue.wait_is_too_long();
        queue.waiting.push_back((now, work));
        queue.call(usize::from(must_wake));
        must_wake
    }

    /// A worker that was called is here; it is active still.
    pub(crate) fn arrive(&self) {
        lock(&self.queue).coming -= 1;
    }

    /// An active worker takes the next piece; with `None` it is active no more.
    pub(crate) fn take_or_leave(&self) -> Option<W> {
        let mut queue = lock(&self.queue);
        let next = queue.waiting.pop_front();
        if next.is_none() {
            queue.active -= 1;
        }
        next.map(|(_, work)| work)
    }

    /// A worker that is about to park takes a piece if there is one, and is active from then on.
    pub(crate) fn join_and_take(&self) -> Option<W> {
        let mut queue = lock(&self.queue);
        let (_, work) = queue.waiting.pop_front()?;
        queue.active += 1;
        Some(work)
    }

    /// A piece that no active worker is left to take, so the caller has to do it. Whoever was to wake a worker and could
    /// not have it asks until there is none, after having said so ([`HandOverQueue::call_failed`]).
    pub(crate) fn take_unattended(&self) -> Option<W> {
        let mut queue = lock(&self.queue);
        if queue.active > 0 {
            return None;
        }
        queue.waiting.pop_front().map(|(_, work)| work)
    }

    /// An active worker was busy with one piece for `elapsed`.
    pub(crate) fn note_service(&self, elapsed: Duration) {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
        let mut queue = lock(&self.queue);
        let mean = queue.service_micros;
        queue.service_micros = if mean == 0 {
            micros
        } else {
            (mean - (mean >> MEAN_SHIFT)).saturating_add(micros >> MEAN_SHIFT).max(1)
        };
    }

    /// How many workers the caller must wake for pieces that have waited longer than tolerated, beside those that are
    /// coming already; they count as called from now on.
    #[must_use]
    pub(crate) fn call_for_overdue(&self, now: Duration) -> usize {
        let mut queue = lock(&self.queue);
        let late =
            queue.waiting.iter().take_while(|(since, _)| now.saturating_sub(*since) > TOLERATED_WAIT).count();
        let missing = late.saturating_sub(queue.coming);
        queue.call(missing);
        missing
    }

    /// Takes back what was counted for workers that were to be woken and could not be had.
    pub(crate) fn call_failed(&self, workers: usize) {
        let mut queue = lock(&self.queue);
        queue.active -= workers;
        queue.coming -= workers;
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.queue).waiting.is_empty()
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

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn wakes_only_when_the_wait_would_be_too_long() {
        let queue = HandOverQueue::new();
        let now = Duration::from_secs(1);
        assert!(queue.hand_over(1, now), "nobody is active");
        assert!(queue.hand_over(2, now), "nothing was measured yet");
        queue.note_service(Duration::from_millis(1));
        assert!(!queue.hand_over(3, now), "three ahead, 1 ms each, two workers: 1.5 ms");
        assert!(!queue.hand_over(4, now));
        assert!(queue.hand_over(5, now), "2.5 ms");
        assert_eq!(queue.call_for_overdue(now), 0);
        assert_eq!(queue.call_for_overdue(now + TOLERATED_WAIT * 2), 2, "three are coming");
        assert_eq!(queue.call_for_overdue(now + TOLERATED_WAIT * 2), 0, "so are the two");
        queue.call_failed(2);
        for _ in 0..3 {
            queue.arrive();
        }
        for expected in 1..=5 {
            assert_eq!(queue.take_or_leave(), Some(expected), "first come, first served");
        }
        for _ in 0..3 {
            assert_eq!(queue.take_or_leave(), None);
        }
        assert!(queue.is_empty());
        assert!(queue.hand_over(6, now), "all three have parked");
    }

    #[test]
    fn a_failed_call_gives_the_work_back_only_when_nobody_is_left() {
        let queue = HandOverQueue::new();
        let now = Duration::ZERO;
        assert!(queue.hand_over('a', now));
        assert!(queue.hand_over('b', now));
        queue.call_failed(1);
        assert_eq!(queue.take_unattended(), None, "the one called for the other will take both");
        queue.call_failed(1);
        assert_eq!(queue.take_unattended(), Some('a'), "both drivers are left with their pieces");
        assert_eq!(queue.take_unattended(), Some('b'));
        assert_eq!(queue.take_unattended(), None);
        assert!(queue.hand_over('c', now));
        assert_eq!(queue.join_and_take(), Some('c'));
    }
}
