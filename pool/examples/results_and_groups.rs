//! Results of tasks: a handle for one, a group for many, and a share of the pool for a resource that allows only few at
//! a time. `cargo run --example results_and_groups`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;

use anthill_pool::{GroupError, TaskError, WorkerPool};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = WorkerPool::builder().name("work").max_workers(4).queue_capacity(256).build_tasks()?;

    // One result.
    let letters = pool.spawn(|| "an anthill of workers".chars().filter(|c| c.is_alphabetic()).count())?;
    let letters = letters.join()?;
    println!("counted {letters} letters");
    assert_eq!(letters, 18);

    // A panic costs its task, and whoever joins gets it.
    let broken = pool.spawn(|| -> u32 { std::panic::resume_unwind(Box::new("no more sugar")) })?;
    match broken.join() {
        Err(TaskError::Panicked(panic)) => {
            println!("{panic}");
            assert_eq!(panic.message(), Some("no more sugar"));
        }
        other => panic!("{other:?}"),
    }

    // With a time limit: the handle comes back when it is over, and the task can be asked to give up its place.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let slow = pool.spawn(move || released.recv().is_ok())?;
    let slow = slow.join_timeout(Duration::from_millis(10)).expect_err("nobody has released it");
    println!("the slow one still runs");
    release.send(())?;
    assert!(slow.join()?);

    // All results, in the order of the spawns.
    let squares = pool.group();
    for number in 1..=10_u64 {
        squares.spawn(move || u32::try_from(number * number))?;
    }
    let squares = squares.wait()?;
    println!("squares: {squares:?}");
    assert_eq!(squares.iter().sum::<u32>(), 385);

    // Or the first error; what has not been started then is skipped.
    let parsed = pool.group();
    for word in ["1", "2", "three", "4"] {
        parsed.spawn(move || word.parse::<u32>())?;
    }
    match parsed.wait() {
        Err(GroupError::Failed(error)) => println!("a word is no number: {error}"),
        other => panic!("{other:?}"),
    }

    // No more than two of these at a time, whatever else the pool does.
    let database = pool.sub_pool(2);
    let rows = database.group::<usize, ()>();
    for row in 0..100 {
        rows.spawn(move || Ok(row))?;
    }
    assert_eq!(rows.wait().map_or(0, |rows| rows.len()), 100);
    println!("100 queries, at most {} at a time", database.stats().peak_running);
    assert!(database.stats().peak_running <= 2);

    pool.stop();
    pool.wait()?;
    Ok(())
}
