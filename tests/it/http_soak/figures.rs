//! What the process has at a moment.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anthill_tests::processes::memory_kib;
use anthill_tests::{PATIENCE, comes_true};

use super::site::WORKER_STAYS;

/// Threads, descriptors and resident memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    threads: usize,
    descriptors: usize,
    memory_kib: usize,
}

impl Figures {
    pub(super) fn now() -> Self {
        let descriptors = fs::read_dir("/proc/self/fd").expect("the kernel lists the descriptors").count();
        Figures { threads: memory_kib("Threads"), descriptors, memory_kib: memory_kib("VmRSS") }
    }

    /// The figures once workers without work have had their time to go and no more threads go.
    pub(super) fn at_rest() -> Self {
        let deadline = Instant::now() + PATIENCE;
        let mut before = Figures::now();
        loop {
            thread::sleep(WORKER_STAYS * 3 + Duration::from_millis(500));
            let now = Figures::now();
            if (now.threads, now.descriptors) == (before.threads, before.descriptors) {
                return now;
            }
            assert!(Instant::now() < deadline, "threads and descriptors do not settle: {before:?}, {now:?}");
            before = now;
        }
    }
}

/// Asserts that no more is there than at `base`, but for so much memory. What is there.
pub(super) fn falls_back_to(base: Figures, tolerance_kib: usize) -> Figures {
    let is_back = comes_true(|| {
        let now = Figures::now();
        now.threads <= base.threads
            && now.descriptors <= base.descriptors
            && now.memory_kib <= base.memory_kib + tolerance_kib
    });
    let now = Figures::now();
    assert!(is_back, "{now:?} are left of {base:?}, memory may be {tolerance_kib} KiB more");
    now
}
