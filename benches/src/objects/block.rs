//! What lies in the pools: a buffer that counts its uses, so that a pool that loses or doubles one is noticed.
//!
//! The counts are kept for each thread and added up when it has finished: a shared counter would cost more than the
//! pools do.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

/// The size of the buffer, as of a connection's.
const BYTES: usize = 4096;

static MADE: AtomicU64 = AtomicU64::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);
static USES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { made: 0, dropped: 0, uses: 0 }) };
}

/// What became of all blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) made: u64,
    pub(super) dropped: u64,
    /// Of the blocks that were dropped.
    pub(super) uses: u64,
}

impl Counts {
    /// Adds the calling thread's counts to the sum. To be called at its end.
    pub(super) fn hand_over() {
        let own = COUNTS.replace(Counts { made: 0, dropped: 0, uses: 0 });
        MADE.fetch_add(own.made, Ordering::SeqCst);
        DROPPED.fetch_add(own.dropped, Ordering::SeqCst);
        USES.fetch_add(own.uses, Ordering::SeqCst);
    }

    /// The sum since the last call.
    pub(super) fn take() -> Self {
        Self {
            made: MADE.swap(0, Ordering::SeqCst),
            dropped: DROPPED.swap(0, Ordering::SeqCst),
            uses: USES.swap(0, Ordering::SeqCst),
        }
    }

    fn change(by: impl FnOnce(&mut Self)) {
        let mut own = COUNTS.get();
        by(&mut own);
        COUNTS.set(own);
    }
}

/// A buffer of 4 KiB.
#[derive(Debug)]
pub struct Block {
    bytes: Vec<u8>,
    uses: u64,
}

impl Block {
    /// A new one, which is counted.
    #[must_use]
    pub fn make() -> Self {
        Counts::change(|counts| counts.made += 1);
        // Not zeroed: the allocator shall not pay for what the pools save.
        Self { bytes: Vec::with_capacity(BYTES), uses: 0 }
    }

    /// Uses it a little.
    pub fn touch(&mut self) {
        self.uses += 1;
        self.bytes.clear();
        self.bytes.push(1);
        black_box(&mut self.bytes);
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::make()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        Counts::change(|counts| {
            counts.dropped += 1;
            counts.uses += self.uses;
        });
    }
}
