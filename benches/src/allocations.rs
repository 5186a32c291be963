//! Counts what each thread allocates, or what the whole program holds, for the benchmarks that say so in their tables.
//!
//! The idea: a benchmark makes [`Counting`] its global allocator, which hands everything on to the system's. A count is
//! two additions to the thread's own memory, so it costs those who allocate about a nanosecond and the others nothing.
//!
//! The rule: without that allocator nothing is counted, and [`are_counted`] says so; a table must not show zeros that
//! nobody counted.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator, and a count of the calls.
#[derive(Debug)]
pub struct Counting;

/// The system's allocator, and the sum of the bytes that are allocated and not yet freed.
///
/// Two threads that allocate at once wait for each other's cache line, so it is for benchmarks of memory alone.
#[derive(Debug)]
pub struct Weighing;

/// Bytes that the program holds at this moment; none without [`Weighing`].
#[must_use]
pub fn live_bytes() -> Option<u64> {
    // Before `main` the runtime has allocated something already.
    Some(LIVE.load(Ordering::Relaxed)).filter(|&live| live > 0)
}

static LIVE: AtomicU64 = AtomicU64::new(0);

/// What was allocated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocations {
    /// Blocks that were allocated or made larger or smaller.
    pub count: u64,
    /// Their bytes, in full each time.
    pub bytes: u64,
}

impl Allocations {
    /// What the calling thread has allocated since it started.
    #[must_use]
    pub fn of_this_thread() -> Self {
        THIS_THREAD.with(Cell::get)
    }
}

/// Whether the program's allocator is [`Counting`].
#[must_use]
pub fn are_counted() -> bool {
    let before = Allocations::of_this_thread();
    drop(std::hint::black_box(Box::new(1_u8)));
    Allocations::of_this_thread() != before
}

impl Add for Allocations {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { count: self.count + more.count, bytes: self.bytes + more.bytes }
    }
}

impl Sub for Allocations {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { count: self.count - earlier.count, bytes: self.bytes - earlier.bytes }
    }
}

thread_local! {
    static THIS_THREAD: Cell<Allocations> = const { Cell::new(Allocations { count: 0, bytes: 0 }) };
}

fn count(bytes: usize) {
    // A thread that ends may allocate after its thread-locals are gone.
    let _ = THIS_THREAD.try_with(|sum| {
        let Allocations { count, bytes: before } = sum.get();
        sum.set(Allocations { count: count.wrapping_add(1), bytes: before.wrapping_add(bytes as u64) });
    });
}

// SAFETY: every call goes to the system's allocator with the caller's own arguments, and nothing else is done with the
// memory. Counting neither allocates nor unwinds: the thread-local is a plain `Cell` made at compile time.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

fn weigh(grown: usize, shrunk: usize) {
    // Blocks are freed after they were allocated, so the sum never falls below zero.
    LIVE.fetch_add((grown as u64).wrapping_sub(shrunk as u64), Ordering::Relaxed);
}

// SAFETY: as above. The count is an atomic.
unsafe impl GlobalAlloc for Weighing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        weigh(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        weigh(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        weigh(new_size, layout.size());
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        weigh(0, layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_weighed() {
        assert_eq!(live_bytes(), None);
        let layout = Layout::new::<[u8; 24]>();
        // SAFETY: the layouts are not empty and go along with their blocks.
        unsafe {
            let block = Weighing.alloc(layout);
            assert_eq!(live_bytes(), Some(24));
            let block = Weighing.realloc(block, layout, 16);
            assert_eq!(live_bytes(), Some(16));
            Weighing.dealloc(block, Layout::new::<[u8; 16]>());
        }
        assert_eq!(live_bytes(), None);
    }

    #[test]
    fn nothing_is_counted_without_the_allocator() {
        assert!(!are_counted());
        assert_eq!(Allocations::of_this_thread(), Allocations::default());
    }

    #[test]
    fn every_way_to_allocate_counts() {
        let before = Allocations::of_this_thread();
        let layout = Layout::new::<[u8; 24]>();
        // SAFETY: the layouts are not empty and go along with their blocks.
        unsafe {
            let block = Counting.alloc(layout);
            let block = Counting.realloc(block, layout, 48);
            Counting.dealloc(block, Layout::new::<[u8; 48]>());
            Counting.dealloc(Counting.alloc_zeroed(layout), layout);
        }
        assert_eq!(Allocations::of_this_thread() - before, Allocations { count: 3, bytes: 96 });
    }
}
