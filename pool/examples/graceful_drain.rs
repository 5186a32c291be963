//! A service that ends in order: on ctrl-c or SIGTERM nothing new is accepted, what was accepted runs, and what does
//! not get done within the grace period comes back. By itself it ends after some payloads.
//! `cargo run --example graceful_drain`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anthill_pool::WorkerPool;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

const PAYLOADS: usize = 300;
const GRACE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let asked_to_end = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Whoever asks a second time does not want to wait.
        flag::register_conditional_shutdown(signal, 1, asked_to_end.clone())?;
        flag::register(signal, asked_to_end.clone())?;
    }
    let pool = WorkerPool::builder()
        .name("orders")
        .max_workers(4)
        .queue_capacity(32)
        .build(|_order: usize| thread::sleep(Duration::from_millis(10)))?;

    println!("working; ctrl-c ends it early");
    for order in 0..PAYLOADS {
        if asked_to_end.load(Ordering::Relaxed) {
            break;
        }
        pool.submit(order)?;
    }

    println!("draining {} payloads", pool.stats().queued + pool.stats().busy);
    let left_over = match pool.finish(GRACE) {
        Ok(()) => Vec::new(),
        Err(unfinished) => {
            println!("{unfinished}");
            unfinished.rest
        }
    };
    pool.wait()?; // for what runs
    let stats = pool.stats();
    println!("{} accepted, {} done, {} handed back", stats.accepted, stats.finished, left_over.len());
    assert_eq!(stats.accepted, stats.finished + left_over.len() as u64);
    assert_eq!(stats.workers, 0);
    Ok(())
}
