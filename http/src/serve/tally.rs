//! What is counted of requests, where they are served, and read by whoever asks.
//!
//! The idea: each place where connections are served has a tally of its own, which its thread alone writes, so counting
//! is a load and a store, and waits for nobody. A reader adds up what each tally says, and what those have left that
//! are gone.
//!
//! Reading a clock costs more than many a handler. So of the requests that are answered inline one in some is timed,
//! and stands for those before it; whoever has to wait for a worker is timed in any case, and so is whatever takes so
//! long that the coarse clock notices.
//!
//! The rule: for each answer there is one entry among the latencies. Those that nobody has timed yet are reckoned among
//! the last that somebody has, by the reader.

use crate::observe::latency::{self, BUCKETS, LatencyHistogram};
use crate::observe::response_counts::{self, KINDS, ResponseCounts};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One in so many is timed.
const TIMED: u32 = 64;
/// What takes so long stands for itself alone, in nanoseconds.
const OUT_OF_THE_ORDINARY: u64 = 1_000_000;

/// All tallies of a server.
#[derive(Default)]
pub(crate) struct Tallies {
    /// Whoever comes, goes or reads all holds this.
    all: Mutex<AllTallies>,
}

#[derive(Default)]
struct AllTallies {
    here: Vec<Arc<Cells>>,
    /// What those have counted that are gone.
    gone: TallySum,
}

/// What one place has counted. One thread writes, any may read.
struct Cells {
    responses: [AtomicU64; KINDS],
    latencies: [AtomicU64; BUCKETS],
    latency_nanos: AtomicU64,
    /// The bucket of the last request that was timed.
    last: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

/// What was counted, added up.
#[derive(Clone)]
pub(crate) struct TallySum {
    responses: [u64; KINDS],
    latencies: Box<[u64]>,
    latency_nanos: u64,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
}

/// One place's tally, as its thread has it.
pub(crate) struct RequestTally {
    cells: Arc<Cells>,
    /// Answers since the last that was timed.
    untimed: u32,
    /// Every answer is timed: whoever serves here may wait anyhow.
    pub(crate) times_all: bool,
    /// The last answer: the first bytes of its request, if those are all of the method, its status, and its kind.
    last: ([u8; 4], u16, usize),
    all: Arc<Tallies>,
}

fn get(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Relaxed)
}

/// Only for the one thread that writes.
#[inline]
fn add(cell: &AtomicU64, count: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

impl Default for Cells {
    fn default() -> Self {
        Self {
            responses: [const { AtomicU64::new(0) }; KINDS],
            latencies: [const { AtomicU64::new(0) }; BUCKETS],
            latency_nanos: AtomicU64::new(0),
            last: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
        }
    }
}

impl Default for TallySum {
    fn default() -> Self {
        Self {
            responses: [0; KINDS],
            latencies: vec![0; BUCKETS].into_boxed_slice(),
            latency_nanos: 0,
            received_bytes: 0,
            sent_bytes: 0,
        }
    }
}

impl TallySum {
    fn add(&mut self, cells: &Cells) {
        // First, so that there are no fewer answers than latencies.
        let latencies: Vec<u64> = cells.latencies.iter().map(get).collect();
        let last = get(&cells.last) as usize;
        std::sync::atomic::fence(Ordering::Acquire);
        let mut untimed = 0;
        for (sum, cell) in self.responses.iter_mut().zip(&cells.responses) {
            let count = get(cell);
            *sum += count;
            untimed += count;
        }
        for (sum, count) in self.latencies.iter_mut().zip(&latencies) {
            *sum += count;
            untimed = untimed.saturating_sub(*count);
        }
        self.latencies[last.min(BUCKETS - 1)] += untimed;
        self.latency_nanos += get(&cells.latency_nanos) + untimed * latency::middle_of(last);
        self.received_bytes += get(&cells.received_bytes);
        self.sent_bytes += get(&cells.sent_bytes);
    }

    pub(crate) fn responses(&self) -> ResponseCounts {
        ResponseCounts::new(self.responses)
    }

    pub(crate) fn into_latency(self) -> LatencyHistogram {
        LatencyHistogram::new(self.latencies, self.latency_nanos)
    }
}

impl Tallies {
    /// A tally of its own for a place where connections are served.
    pub(crate) fn begin(self: &Arc<Self>) -> RequestTally {
        let cells: Arc<Cells> = Arc::default();
        self.all.lock().here.push(cells.clone());
        // The first is timed.
        RequestTally { cells, untimed: TIMED, times_all: false, last: ([0; 4], 0, 0), all: self.clone() }
    }

    /// All of them together.
    pub(crate) fn sum(&self) -> TallySum {
        let all = self.all.lock();
        let mut sum = all.gone.clone();
        all.here.iter().for_each(|cells| sum.add(cells));
        sum
    }
}

impl RequestTally {
    /// Whether the next request is to be timed.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.untimed >= TIMED - 1 || self.times_all
    }

    /// A request that begins with these bytes was answered by this status. Nobody has timed it, so it was not long.
    #[inline]
    pub(crate) fn answered(&mut self, request: &[u8], status: u16) {
        self.count(request, status);
        self.untimed += 1;
    }

    /// The same for one that took so many nanoseconds; `exact`: they were timed.
    #[cold]
    pub(crate) fn answered_in(&mut self, request: &[u8], status: u16, nanos: u64, exact: bool) {
        self.count(request, status);
        self.timed(nanos, exact && nanos < OUT_OF_THE_ORDINARY);
    }

    #[inline]
    fn count(&mut self, request: &[u8], status: u16) {
        if request.first_chunk() != Some(&self.last.0) || status != self.last.1 {
            self.note_kind(request, status);
        }
        if let Some(cell) = self.cells.responses.get(self.last.2) {
            add(cell, 1);
        }
    }

    #[cold]
    fn note_kind(&mut self, request: &[u8], status: u16) {
        let is_short = |method: &&[u8; 4]| method[3] == b' ';
        let method = request.first_chunk().filter(is_short).copied().unwrap_or_default();
        self.last = (method, status, response_counts::kind_of(request, status));
    }

    /// A request took so long; `stands_for_others`: for those as well that nobody has timed since the last one.
    fn timed(&mut self, nanos: u64, stands_for_others: bool) {
        let bucket = latency::bucket_of(nanos);
        let others = if stands_for_others && self.untimed < TIMED { self.untimed } else { 0 };
        let count = u64::from(others) + 1;
        std::sync::atomic::fence(Ordering::Release);
        if let Some(cell) = self.cells.latencies.get(bucket) {
            add(cell, count);
        }
        add(&self.cells.latency_nanos, nanos.saturating_mul(count));
        if stands_for_others {
            self.cells.last.store(bucket as u64, Ordering::Relaxed);
            self.untimed = 0;
        }
    }

    /// So many bytes came and went.
    #[inline]
    pub(crate) fn moved(&self, received: u64, sent: u64) {
        add(&self.cells.received_bytes, received);
        add(&self.cells.sent_bytes, sent);
    }
}

impl Drop for RequestTally {
    fn drop(&mut self) {
        let AllTallies { here, gone } = &mut *self.all.all.lock();
        here.retain(|cells| !Arc::ptr_eq(cells, &self.cells));
        gone.add(&self.cells);
    }
}

impl fmt::Debug for RequestTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestTally")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn nothing_is_lost_when_a_place_goes() {
        let tallies = Arc::new(Tallies::default());
        let (mut first, mut second) = (tallies.begin(), tallies.begin());
        first.answered_in(b"GET / ", 200, 2_000_000, true);
        second.answered_in(b"PUT / ", 404, 3_000_000, true);
        second.moved(5, 7);
        for gone in [None, Some(first), Some(second)] {
            drop(gone);
            let sum = tallies.sum();
            assert_eq!((sum.received_bytes, sum.sent_bytes), (5, 7));
            let responses = sum.responses();
            assert_eq!((responses.total(), responses.of("GET", 2), responses.of("PUT", 4)), (2, 1, 1));
            assert_eq!(sum.into_latency().sum(), Duration::from_millis(5));
        }
        assert!(tallies.all.lock().here.is_empty());
    }

    #[test]
    fn one_in_some_stands_for_the_others_and_what_is_slow_for_itself() {
        let tallies = Arc::new(Tallies::default());
        let mut tally = tallies.begin();
        let mut timed = 0;
        for number in 0..u64::from(10 * TIMED) {
            match tally.is_due() {
                true => {
                    timed += 1;
                    tally.answered_in(
                        b"GET / ",
                        200,
                        if number < u64::from(TIMED) { 1_000 } else { 100_000 },
                        true,
                    );
                }
                false if number == 40 => tally.answered_in(b"GET / ", 200, 50_000_000, false),
                false => tally.answered(b"GET / ", 200),
            }
            let sum = tallies.sum();
            assert_eq!(sum.responses().total(), number + 1);
            assert_eq!(sum.into_latency().count(), number + 1, "each has its entry");
        }
        assert_eq!(timed, 10);
        let latency = tallies.sum().into_latency();
        let count = |from: u64, to: u64| {
            let within = |end: &Duration| (from..=to).contains(&(end.as_nanos() as u64));
            latency.buckets().filter(|(end, _)| within(end)).map(|(_, count)| count).sum::<u64>()
        };
        assert_eq!((count(0, 2_000), count(90_000, 120_000), count(40_000_000, 60_000_000)), (1, 638, 1));
    }

    #[test]
    fn each_is_counted_by_its_own_method_and_status() {
        let tallies = Arc::new(Tallies::default());
        let mut tally = tallies.begin();
        for request in
            ["GET / ", "GET / ", "PUT / ", "HEAD / ", "HEADS / ", "HEAD / ", "POST / ", "G", "", "GET / "]
        {
            for status in [200, 200, 404] {
                tally.answered(request.as_bytes(), status);
            }
        }
        let responses = tallies.sum().responses();
        let of = |method| (responses.of(method, 2), responses.of(method, 4));
        assert_eq!(["GET", "PUT", "HEAD", "POST", "other"].map(of), [(6, 3), (2, 1), (4, 2), (2, 1), (6, 3)]);
    }

    /// Somebody counts while somebody else reads: what belongs together is seen together.
    #[test]
    fn there_are_as_many_latencies_as_answers_at_any_moment() {
        let tallies = Arc::new(Tallies::default());
        let mut tally = tallies.begin();
        std::thread::scope(|scope| {
            let counting = scope.spawn(move || {
                for _ in 0..20_000 {
                    match tally.is_due() {
                        true => tally.answered_in(b"GET / ", 200, 700, true),
                        false => tally.answered(b"GET / ", 200),
                    }
                }
            });
            while !counting.is_finished() {
                let sum = tallies.sum();
                let total = sum.responses().total();
                assert!(sum.into_latency().count() >= total);
            }
        });
        let sum = tallies.sum();
        assert_eq!((sum.responses().total(), sum.into_latency().count()), (20_000, 20_000));
    }
}
