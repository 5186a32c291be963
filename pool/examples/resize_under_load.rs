//! A pool that grows with its backlog and shrinks again, while payloads keep coming.
//! `cargo run --example resize_under_load`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::thread;
use std::time::Duration;

use anthill_pool::WorkerPool;

const SMALL: usize = 2;
const LARGE: usize = 16;
const PAYLOADS: u32 = 400;

fn main() -> Result<(), Box<dyn Error>> {
    let pool = WorkerPool::builder()
        .max_workers(SMALL)
        .queue_capacity(64)
        .build(|_: u32| thread::sleep(Duration::from_millis(2)))?;

    let submitter = {
        let pool = pool.clone();
        thread::spawn(move || (0..PAYLOADS).try_for_each(|number| pool.submit(number)))
    };
    while !submitter.is_finished() {
        let stats = pool.stats();
        let backlog = stats.queued + stats.blocked;
        if backlog > 32 && stats.capacity == Some(SMALL) {
            println!("{backlog} wait for {} workers: up to {LARGE}", stats.workers);
            pool.set_max_workers(LARGE)?;
        }
        thread::sleep(Duration::from_millis(1));
    }
    submitter.join().expect("the submitter does not panic")?;

    // What is still queued runs on fewer workers; busy ones above the cap leave after their payload.
    pool.set_max_workers(SMALL)?;
    pool.wait_idle()?;
    let stats = pool.stats();
    println!(
        "{} payloads done; at most {} workers, now {}",
        stats.finished, stats.peak_workers, stats.workers
    );
    assert_eq!(stats.finished, u64::from(PAYLOADS));
    assert!(stats.peak_workers > SMALL && stats.peak_workers <= LARGE);
    assert!(stats.workers <= SMALL);
    Ok(())
}
