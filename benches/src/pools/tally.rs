//! Who ran what: the count of payloads and the sum of their numbers, to prove that each ran exactly once.
//!
//! Every thread has a board of its own on its own cache lines, because a shared counter would cost more than some of
//! the pools it is to measure. The boards stay when their threads end; a measurement looks at the difference.
//! Payloads that take milliseconds share one board instead: there may be a new thread for each of a million of them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

static BOARDS: Mutex<Vec<Arc<Board>>> = Mutex::new(Vec::new());
static SHARED: Board = Board { count: AtomicU64::new(0), sum: AtomicU64::new(0) };
static NAPPING: AtomicUsize = AtomicUsize::new(0);
static MOST_NAPPING: AtomicUsize = AtomicUsize::new(0);
static ARRIVED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static MINE: Arc<Board> = {
        let board = Arc::new(Board::default());
        BOARDS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&board));
        board
    };
}

#[derive(Default)]
#[repr(align(128))]
struct Board {
    count: AtomicU64,
    sum: AtomicU64,
}

/// How many payloads ran, and the sum of their numbers (wrapping).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) sum: u64,
}

impl Tally {
    /// Of all threads since the process started.
    pub(super) fn now() -> Self {
        let boards = BOARDS.lock().unwrap_or_else(PoisonError::into_inner);
        boards.iter().fold(Self::of_slow_payloads(), |all, board| Self {
            count: all.count + board.count.load(Ordering::Acquire),
            sum: all.sum.wrapping_add(board.sum.load(Ordering::Acquire)),
        })
    }

    /// Only of those noted by [`ran_slowly`], without a look at each thread.
    pub(super) fn of_slow_payloads() -> Self {
        // The count last written is read first, so that the sum is not behind it.
        let count = SHARED.count.load(Ordering::Acquire);
        Self { count, sum: SHARED.sum.load(Ordering::Acquire) }
    }

    /// What was added since an earlier one.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { count: self.count - earlier.count, sum: self.sum.wrapping_sub(earlier.sum) }
    }

    /// What it must be when the payloads 0 to `count` (exclusive) ran once each.
    pub(super) fn of_first(count: u64) -> Self {
        Self { count, sum: (0..count).fold(0, u64::wrapping_add) }
    }
}

/// Notes on the calling thread's board that a payload ran.
pub(super) fn ran(number: u64) {
    MINE.with(|board| {
        // Only this thread writes here, so that no read-modify-write is needed.
        board.sum.store(board.sum.load(Ordering::Relaxed).wrapping_add(number), Ordering::Release);
        board.count.store(board.count.load(Ordering::Relaxed) + 1, Ordering::Release);
    });
}

/// Notes on the shared board that a payload ran.
pub(super) fn ran_slowly(number: u64) {
    SHARED.sum.fetch_add(number, Ordering::Release);
    SHARED.count.fetch_add(1, Ordering::Release);
}

/// Counts the calling thread among those that nap while it runs `nap`.
pub(super) fn napping(nap: impl FnOnce()) {
    let now = NAPPING.fetch_add(1, Ordering::Relaxed) + 1;
    MOST_NAPPING.fetch_max(now, Ordering::Relaxed);
    nap();
    NAPPING.fetch_sub(1, Ordering::Relaxed);
}

/// The most threads that napped at once since the process started.
pub(super) fn most_napping() -> usize {
    MOST_NAPPING.load(Ordering::Relaxed)
}

/// Leaves the time that a lone payload was on its way.
pub(super) fn arrived(after: Duration) {
    let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
    ARRIVED.store(nanos.max(1), Ordering::Release);
}

/// Takes the time left by [`arrived`], if there is one.
pub(super) fn take_arrival() -> Option<Duration> {
    match ARRIVED.swap(0, Ordering::AcqRel) {
        0 => None,
        nanos => Some(Duration::from_nanos(nanos)),
    }
}
