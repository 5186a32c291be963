//! A worker process for a queue on Redis, and what fills the queue. Start as many workers as there are machines:
//!
//! ```text
//! cargo run --features redis --example remote_worker -- redis://127.0.0.1/ work
//! cargo run --features redis --example remote_worker -- redis://127.0.0.1/ send 1000
//! ```
//!
//! ctrl-c or SIGTERM ends a worker in order: what it has taken is done, or given back when it takes longer than the
//! grace period. Without arguments it does both in one process, over a queue in memory.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anthill_pool::remote::{Consumer, Job, JobSource, MemorySource, Outcome, Payload, Producer, RedisSource};
use anthill_pool::{Backoff, Priority, WorkerPool};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGTERM};

const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize, Serialize)]
struct Thumbnail {
    image: u64,
    width: u32,
}

impl Payload for Thumbnail {}

/// What a worker does with a job. It may be called twice for the same one, and makes the same picture then.
fn make(job: &Job<Thumbnail>) -> Outcome {
    let Thumbnail { image, width } = job.payload();
    thread::sleep(Duration::from_millis(1 + image % 5));
    match (*width, job.attempt()) {
        (0, _) => Outcome::Bury { reason: "a picture without a width".to_owned() },
        (_, 1) if image % 100 == 99 => Outcome::Retry { reason: "the store is busy".to_owned(), after: None },
        _ => Outcome::Done,
    }
}

fn start(queue: impl JobSource + 'static) -> Result<Consumer, Box<dyn Error>> {
    let consumer = Consumer::builder(queue)
        .pool(WorkerPool::builder().name("thumbnails").max_workers(8).queue_capacity(64))
        .retry(Backoff::exponential(Duration::from_millis(100)).max_attempts(5))
        .on_error(|error| eprintln!("{error}"))
        .start(make)?;
    Ok(consumer)
}

fn send(producer: &Producer<Thumbnail>, images: u64) -> Result<(), Box<dyn Error>> {
    let images: Vec<_> = (0..images).map(|image| Thumbnail { image, width: 320 }).collect();
    producer.send_many(&images)?;
    producer.prepare(&Thumbnail { image: 0, width: 0 }).priority(Priority::High).send()?;
    Ok(())
}

fn work_until_asked_to_end(url: &str) -> Result<(), Box<dyn Error>> {
    let asked_to_end = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, asked_to_end.clone())?;
        signal_hook::flag::register(signal, asked_to_end.clone())?;
    }
    let consumer = start(RedisSource::open(url, "thumbnails")?)?;
    while !asked_to_end.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
    }
    // What has not begun by then goes to the others; what runs on comes again when its lease has run out.
    println!("{}", consumer.finish(GRACE)?);
    println!("{:#?}", consumer.stats());
    Ok(())
}

fn both_in_memory() -> Result<(), Box<dyn Error>> {
    let queue = MemorySource::new();
    send(&Producer::new(queue.clone()), 300)?;
    let consumer = start(queue.clone())?;
    while queue.depth()?.dead == 0 || consumer.stats().acknowledged < 300 {
        thread::sleep(Duration::from_millis(5));
    }
    consumer.finish(GRACE)?;
    let stats = consumer.stats();
    println!("{} done, {} tried again, {} dead", stats.acknowledged, stats.retried, stats.buried);
    assert_eq!((stats.acknowledged, stats.retried, stats.buried), (300, 3, 1));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => both_in_memory(),
        [url, "work"] => work_until_asked_to_end(url),
        [url, "send", images] => send(&Producer::new(RedisSource::open(url, "thumbnails")?), images.parse()?),
        _ => Err("usage: remote_worker [URL work | URL send IMAGES]".into()),
    }
}
