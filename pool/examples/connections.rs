//! Queries to connections that are costly to open: each worker has one of its own, made on its thread, and answers
//! through it. One that breaks is replaced. `cargo run --example connections`
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_pool::WorkerPool;

/// Stands for a connection to a database, which allows one query at a time.
struct Connection {
    rows: BTreeMap<&'static str, u32>,
}

#[derive(Debug)]
struct NoSuchRow(String);

impl fmt::Display for NoSuchRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no row {:?}", self.0)
    }
}

impl Error for NoSuchRow {}

impl Connection {
    fn open() -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Connection { rows: BTreeMap::from([("ant", 6), ("spider", 8)]) })
    }

    fn legs(&mut self, animal: &str) -> Result<u32, NoSuchRow> {
        assert!(animal != "basilisk", "who looks at a basilisk is turned to stone");
        self.rows.get(animal).copied().ok_or_else(|| NoSuchRow(animal.to_owned()))
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = opened.clone();
    let database =
        WorkerPool::builder().name("db").max_workers(3).queue_capacity(100).build_calls_with_state(
            move |_worker| {
                counter.fetch_add(1, Ordering::Relaxed);
                Connection::open()
            },
            |connection, animal: String| connection.legs(&animal),
        )?;

    // A call gives a handle; the outer `?` is for what happened to the call, the inner one for the answer.
    assert_eq!(database.call("ant".to_owned())?.join()??, 6);
    match database.call("unicorn".to_owned())?.join()? {
        Ok(legs) => println!("a unicorn has {legs} legs"),
        Err(error) => println!("as expected: {error}"),
    }

    // Many at once; each goes to a connection that is free.
    let animals = ["ant", "spider"].into_iter().cycle().take(100);
    let answers: Vec<_> = animals.map(|animal| database.call(animal.to_owned())).collect::<Result<_, _>>()?;
    let mut legs = 0;
    for answer in answers {
        legs += answer.join()??;
    }
    println!("{legs} legs, over {} connections", opened.load(Ordering::Relaxed));
    assert_eq!(legs, 50 * 6 + 50 * 8);

    // A panic costs its caller the answer, and the worker its connection: the next query has a new one.
    let before = opened.load(Ordering::Relaxed);
    let error = database.call("basilisk".to_owned())?.join().unwrap_err();
    println!("{error}");
    assert_eq!(database.call("spider".to_owned())?.join()??, 8);
    database.finish(Duration::from_secs(5))?;
    assert_eq!(opened.load(Ordering::Relaxed), before + 1);
    Ok(())
}
