//! Tasks that borrow: a large vector is summed and changed in parts, where it lies, by the pool's workers and the
//! caller. `cargo run --example scoped_borrow`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Mutex;

use anthill_pool::WorkerPool;

fn main() -> Result<(), Box<dyn Error>> {
    let pool = WorkerPool::builder().name("scoped").max_workers(4).queue_capacity(64).build_tasks()?;
    let mut numbers: Vec<u64> = (1..=100_000).collect();

    // Each task changes its own part: no copies, no `Arc`, no lock.
    pool.scope(|scope| {
        for part in numbers.chunks_mut(10_000) {
            scope.spawn(|| part.iter_mut().for_each(|number| *number *= 2));
        }
    });
    println!("doubled {} numbers in place", numbers.len());

    // And reads it again, as with `std::thread::scope`: a handle for each part's sum.
    let total: u64 = pool.scope(|scope| {
        let sums: Vec<_> =
            numbers.chunks(10_000).map(|part| scope.spawn(move || part.iter().sum::<u64>())).collect();
        sums.into_iter().map(|sum| sum.join().unwrap()).sum()
    });
    println!("their sum is {total}");
    assert_eq!(total, 100_000 * 100_001);

    // Or item by item, on all cores.
    let roots = pool.par_map(&numbers, |number| number.isqrt());
    assert_eq!(roots.last(), Some(&447));

    // Tasks may spawn further ones. The scope ends when all have ended, also when nobody else is free to help.
    let seen = Mutex::new(Vec::new());
    pool.scope(|scope| {
        for tens in 0..3 {
            let seen = &seen;
            scope.spawn(move || {
                for ones in 0..3 {
                    scope.spawn(move || seen.lock().unwrap().push(10 * tens + ones));
                }
            });
        }
    });
    let mut seen = seen.into_inner()?;
    seen.sort_unstable();
    println!("spawned from tasks: {seen:?}");
    assert_eq!(seen, [0, 1, 2, 10, 11, 12, 20, 21, 22]);

    pool.stop();
    pool.wait()?;
    Ok(())
}
