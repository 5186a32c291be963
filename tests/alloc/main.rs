//! Zero allocations in steady state.
//!
//! A global allocator counts the allocations of the threads that a test has enrolled: its own and its pool's workers,
//! and not those of the test runner or of other tests. It also knows how many bytes each thread has asked for, for
//! tests of what a peer can make a program ask for. The rule: *no allocation per payload*. Memory that is kept and used
//! again may still grow to its working size now and then, so a test measures several windows of many submissions: one
//! of them must be free of allocations, and all of them together may have but a handful.

#![allow(unsafe_code)]

mod client;
mod compressed;
#[cfg(unix)]
mod files;
mod http;
mod middleware;
mod router;
mod sessions;
mod typed;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_pool::{SubmitError, WorkerPool, WorkerPoolBuilder};
use anthill_tests::{LONG_PATIENCE, PATIENCE, background};

/// Counts the allocations of the threads enrolled in it.
type Meter = AtomicUsize;

thread_local! {
    static ENROLLED: Cell<Option<&'static Meter>> = const { Cell::new(None) };
    /// How many bytes this thread has asked for so far, given back or not.
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Counts this thread's allocations from now on.
fn enroll(meter: &'static Meter) {
    ENROLLED.with(|enrolled| enrolled.set(Some(meter)));
}

/// Runs `work` and says how many bytes it has asked for on this thread, all in all.
fn bytes_asked_for(work: impl FnOnce()) -> usize {
    let before = BYTES.get();
    work();
    BYTES.get() - before
}

struct Counting;

// SAFETY: every call goes to the system's allocator with the caller's own arguments, and nothing else is done with the
// memory. Counting neither allocates nor unwinds: the thread-locals are plain `Cell`s made at compile time.
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

fn count(bytes: usize) {
    // A thread that ends may allocate after its thread-locals are gone.
    let _ = BYTES.try_with(|asked| asked.set(asked.get().wrapping_add(bytes)));
    let _ = ENROLLED.try_with(|enrolled| {
        if let Some(meter) = enrolled.get() {
            meter.fetch_add(1, Ordering::Relaxed);
        }
    });
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Submissions in a window.
const WINDOW: usize = 100_000;
const WINDOWS: usize = 3;
/// How often kept memory may grow in all windows together.
const GROWTH: usize = 20;

/// A payload of some size, so that moving it into a box would show.
type Payload = [u64; 4];

/// Submits window after window with `submit`, and fails if allocations go with it.
fn assert_no_allocations(
    meter: &'static Meter,
    options: WorkerPoolBuilder<Payload>,
    submit: impl Fn(&WorkerPool<Payload>, Payload) + Send + 'static,
) {
    let sum = std::sync::Arc::new(AtomicUsize::new(0));
    let total = sum.clone();
    let pool = options
        .max_idle_worker_duration(None)
        .on_worker_start(move |_| enroll(meter))
        .build(move |payload: Payload| {
            total.fetch_add(payload[3] as usize, Ordering::Relaxed);
        })
        .unwrap();
    let submitting = background(move || {
        enroll(meter);
        let run = |submissions: usize| {
            for _ in 0..submissions {
                submit(&pool, [0, 0, 0, 1]);
            }
            pool.wait_idle().unwrap();
            meter.load(Ordering::Relaxed)
        };
        run(WINDOW / 10);
        (0..WINDOWS).map(|_| run(0).abs_diff(run(WINDOW))).collect::<Vec<usize>>()
    });
    let counts = submitting.outcome_within(LONG_PATIENCE, "submitting window after window");
    assert_eq!(sum.load(Ordering::Relaxed), WINDOWS * WINDOW + WINDOW / 10, "all of them ran");
    assert!(counts.contains(&0), "allocations in each window: {counts:?}");
    assert!(counts.iter().sum::<usize>() <= GROWTH, "allocations: {counts:?}");
}

#[test]
fn pool_099_no_allocation_per_payload_with_a_queue() {
    static METER: Meter = Meter::new(0);
    let options = WorkerPool::builder().max_workers(2).queue_capacity(1024);
    assert_no_allocations(&METER, options, |pool, payload| pool.submit(payload).unwrap());
}

#[test]
fn pool_099_no_allocation_per_payload_that_is_handed_over() {
    static METER: Meter = Meter::new(0);
    // Without a queue nearly every submission waits in line for a worker.
    let options = WorkerPool::builder().max_workers(2);
    assert_no_allocations(&METER, options, |pool, payload| pool.submit(payload).unwrap());
}

#[test]
fn pool_099_no_allocation_per_payload_with_a_limit() {
    static METER: Meter = Meter::new(0);
    let options = WorkerPool::builder().max_workers(1).queue_capacity(4);
    assert_no_allocations(&METER, options, |pool, payload| pool.submit_timeout(payload, PATIENCE).unwrap());
}

#[test]
fn pool_099_no_allocation_per_refusal() {
    static METER: Meter = Meter::new(0);
    let options = WorkerPool::builder().max_workers(1).queue_capacity(16);
    assert_no_allocations(&METER, options, |pool, payload| {
        let mut payload = payload;
        while let Err(SubmitError::Full(back)) = pool.try_submit(payload) {
            payload = back;
            std::thread::yield_now();
        }
    });
}

#[test]
fn the_allocator_counts_what_enrolled_threads_allocate() {
    static METER: Meter = Meter::new(0);
    let before = METER.load(Ordering::Relaxed);
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(METER.load(Ordering::Relaxed), before);
    std::thread::spawn(|| {
        enroll(&METER);
        let before = METER.load(Ordering::Relaxed);
        let mut grown = std::hint::black_box(vec![1_u8]);
        let asked = bytes_asked_for(|| grown.reserve_exact(100));
        assert_eq!((METER.load(Ordering::Relaxed), asked), (before + 2, 101));
    })
    .join()
    .unwrap();
}
