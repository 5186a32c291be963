//! How an object pool is measured: threads that get and return one object after the other.
//!
//! The answer is checked at the end, when the pool is gone: every block that was made was dropped, and together they
//! were used as often as they were lent. So no object was lost, none had two users, and none was used after its return.

use super::Objects;
use super::block::{Block, Counts};
use crate::cpu::CpuTime;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Uses by each thread before measuring, so that its object exists and the memory is mapped.
const WARM_UP: u64 = 1_000;

/// What a get and a return cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// From the first thread's start to the last one's end, per use of one thread.
    pub nanos: f64,
    /// CPU time per use.
    pub cpu_nanos: f64,
}

/// Lets so many threads get and return so many objects each.
///
/// # Panics
/// When an object was lost, doubled or used by two.
pub fn cost<P: Objects>(threads: u32, uses: u64) -> Cost {
    Counts::hand_over();
    Counts::take();
    let pool = P::start();
    let gate = Barrier::new(usize::try_from(threads).map_or(usize::MAX, |threads| threads + 1));
    let use_it = || {
        (0..WARM_UP).for_each(|_| pool.lend(Block::touch));
        gate.wait();
        let started = Instant::now();
        (0..uses).for_each(|_| pool.lend(Block::touch));
        let ended = Instant::now();
        Counts::hand_over();
        (started, ended)
    };
    let (elapsed, cpu) = thread::scope(|scope| {
        let users: Vec<_> = (0..threads).map(|_| scope.spawn(use_it)).collect();
        gate.wait();
        let cpu_before = CpuTime::of_this_process();
        let times = users.into_iter().map(|user| user.join().expect("using a pool does not panic"));
        let times: Vec<(Instant, Instant)> = times.collect();
        (span(&times), (CpuTime::of_this_process() - cpu_before).total())
    });

    drop(pool);
    Counts::hand_over();
    let counts = Counts::take();
    let lent = u64::from(threads) * (WARM_UP + uses);
    assert_eq!(
        counts,
        Counts { made: counts.made, dropped: counts.made, uses: lent },
        "objects are conserved"
    );
    Cost {
        nanos: elapsed.as_secs_f64() * 1e9 / uses as f64,
        cpu_nanos: cpu.as_secs_f64() * 1e9 / (uses * u64::from(threads)) as f64,
    }
}

/// From the first start to the last end.
fn span(times: &[(Instant, Instant)]) -> Duration {
    let started = times.iter().map(|(started, _)| *started).min();
    let ended = times.iter().map(|(_, ended)| *ended).max();
    started.zip(ended).map_or(Duration::ZERO, |(started, ended)| ended - started)
}
