//! Buffers that are used again in place of being allocated for each line of a report. `cargo run --example object_pool`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_pool::{ObjectPool, WorkerPool};

const WORKERS: usize = 4;
const LINES: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let buffers = ObjectPool::builder()
        .reset(|buffer: &mut String| buffer.clear())
        // One that grew large for once is not kept.
        .retain(|buffer| buffer.capacity() <= 64 * 1024)
        .build(move || {
            count.fetch_add(1, Ordering::Relaxed);
            String::with_capacity(256)
        });

    let bytes = Arc::new(AtomicUsize::new(0));
    let total = bytes.clone();
    let lender = buffers.clone();
    let pool = WorkerPool::builder().max_workers(WORKERS).queue_capacity(256).build(move |line: usize| {
        let mut buffer = lender.get();
        write!(buffer, "line {line:05}").expect("writing to a string");
        total.fetch_add(buffer.len(), Ordering::Relaxed);
    })?;
    for line in 0..LINES {
        pool.submit(line)?;
    }
    pool.stop();
    pool.wait()?;

    let (made, bytes) = (made.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
    println!("{LINES} lines, {bytes} bytes, {made} buffers made");
    assert_eq!(bytes, LINES * "line 00000".len());
    assert_eq!(buffers.stats().hits + buffers.stats().misses, LINES as u64);
    // Each worker holds one at a time, and a returned one is found by whoever asks next.
    assert!(made < LINES / 10, "{made} buffers");
    Ok(())
}
