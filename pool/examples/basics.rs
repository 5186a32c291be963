//! The smallest use: one function, many payloads, an orderly end. `cargo run --example basics`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anthill_pool::{SubmitError, WorkerPool};

fn main() -> Result<(), Box<dyn Error>> {
    let letters = Arc::new(AtomicU64::new(0));
    let count = letters.clone();
    let pool = WorkerPool::new(4, move |word: String| {
        count.fetch_add(word.len() as u64, Ordering::Relaxed);
    })?;
    println!("no thread before there is work: {} workers", pool.running());

    for word in "write blocking code get event loop speed".split(' ') {
        pool.submit(word.to_owned())?;
    }
    pool.wait_idle()?;
    println!("{} letters, counted by {} workers", letters.load(Ordering::Relaxed), pool.running());
    assert_eq!(letters.load(Ordering::Relaxed), 34);
    assert!(pool.running() <= 4);

    pool.stop();
    pool.wait()?;
    match pool.submit("late".to_owned()) {
        Err(SubmitError::Closed(word)) => println!("after the end {word:?} comes back"),
        other => panic!("a stopped pool accepts nothing: {other:?}"),
    }
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.finished, stats.rejected, stats.workers), (7, 7, 1, 0));
    println!("accepted {}, finished {}, refused {}", stats.accepted, stats.finished, stats.rejected);
    Ok(())
}
