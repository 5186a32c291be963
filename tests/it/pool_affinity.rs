//! Workers bound to cores: what the kernel says about the thread that runs a payload.
//!
//! Row 85. The tests go by the cores that this process may use, so they hold in a container as well.
#![cfg(target_os = "linux")]

use std::fs;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use anthill_pool::multi::Strategy;
use anthill_pool::{BuildError, WorkerPool, allowed_cores};
use anthill_tests::{Gate, PATIENCE};

/// The cores that the calling thread may run on, in the kernel's own words.
fn cores_here() -> String {
    let status = fs::read_to_string("/proc/thread-self/status").expect("the kernel shows the thread");
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.expect("the cores it may use").trim().to_owned()
}

#[test]
fn pool_085_worker_number_i_runs_on_core_i_of_those_named() {
    let before = cores_here();
    let cores = allowed_cores();
    assert!(!cores.is_empty());
    let named: Vec<usize> = cores.iter().copied().take(2).collect();
    let (answers, seen) = channel();
    let gate = Gate::new();
    let held = gate.clone();
    let hooked = Arc::new(Mutex::new(Vec::new()));
    let record = hooked.clone();
    let pool = WorkerPool::builder()
        .max_workers(4)
        .pin_workers(named.clone())
        .on_worker_start(move |index| record.lock().unwrap().push((index, cores_here())))
        .build(move |(): ()| {
            held.pass();
            let name = thread::current().name().unwrap().to_owned();
            answers.send((name, cores_here())).unwrap();
        })
        .unwrap();
    for _ in 0..4 {
        pool.submit(()).unwrap();
    }
    gate.open();
    let mut seen: Vec<_> = (0..4).map(|_| seen.recv_timeout(PATIENCE).unwrap()).collect();
    seen.sort();
    let core = |index: usize| named[index % named.len()].to_string();
    assert_eq!(seen, (0..4).map(|index| (format!("pool-{index}"), core(index))).collect::<Vec<_>>());
    let mut hooked = hooked.lock().unwrap().clone();
    hooked.sort();
    assert_eq!(
        hooked,
        (0..4).map(|index| (index, core(index))).collect::<Vec<_>>(),
        "before the user's hook"
    );
    assert_eq!(cores_here(), before, "building and submitting leave the caller where it was");
}

#[test]
fn pool_085_the_state_of_a_worker_is_made_on_its_core() {
    let core = *allowed_cores().last().unwrap();
    let (answers, seen) = channel();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .pin_workers([core])
        .build_with_state(
            |_| Ok::<_, std::io::Error>(cores_here()),
            move |made_on: &mut String, (): ()| answers.send(made_on.clone()).unwrap(),
        )
        .unwrap();
    pool.submit(()).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), core.to_string());
}

#[test]
fn pool_085_the_shards_of_a_multi_pool_go_on_where_the_one_before_left_off() {
    let cores = allowed_cores();
    let (answers, seen) = channel();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .pin_workers(cores.clone())
        .build_multi(3, Strategy::RoundRobin, move |shard: usize| {
            answers.send((shard, cores_here())).unwrap();
        })
        .unwrap();
    for shard in 0..3 {
        pool.shards()[shard].submit(shard).unwrap();
        let expected = cores[shard % cores.len()].to_string();
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), (shard, expected));
    }
}

/// Where each shard may have a worker on every core, the first workers of the shards are spread as well.
#[test]
fn pool_085_the_first_workers_of_large_shards_are_on_different_cores() {
    let cores = allowed_cores();
    let default = WorkerPool::builder().pin_workers(cores.clone());
    for options in [default.clone(), default.max_workers(None)] {
        let (answers, seen) = channel();
        let pool = options
            .build_multi(cores.len(), Strategy::RoundRobin, move |(): ()| answers.send(cores_here()).unwrap())
            .unwrap();
        for (shard, core) in pool.shards().iter().zip(&cores) {
            shard.submit(()).unwrap();
            assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), core.to_string());
        }
    }
}

#[test]
fn pool_085_cores_that_cannot_be_had_are_refused_when_the_pool_is_built() {
    let build = |cores: Vec<usize>| WorkerPool::builder().pin_workers(cores).build(|_: u8| {}).map(|_| ());
    assert_eq!(build(vec![]), Err(BuildError::NoCores));
    let absent = 1 + allowed_cores().last().unwrap();
    // One that the kernel might know, one within its sets, and one beyond them.
    for core in [1023, 1 << 20, usize::MAX].into_iter().filter(|core| *core >= absent) {
        let mut cores = allowed_cores();
        cores.push(core);
        assert_eq!(build(cores), Err(BuildError::CannotPin(core)));
    }
    assert_eq!(
        BuildError::CannotPin(1023).to_string(),
        "workers cannot be pinned to core 1023; name cores that this process may use"
    );
    assert_eq!(build(allowed_cores()), Ok(()));
}

/// A caller that is bound itself may name any core of the process.
#[test]
fn pool_085_a_bound_caller_does_not_limit_the_choice() {
    let cores = allowed_cores();
    let (answers, seen) = channel();
    let outer = WorkerPool::builder()
        .max_workers(1)
        .pin_workers([cores[0]])
        .build(move |(): ()| {
            let last = *cores.last().unwrap();
            let answers = answers.clone();
            let inner = WorkerPool::builder()
                .pin_workers([last])
                .build(move |(): ()| answers.send((last, cores_here())).unwrap())
                .unwrap();
            inner.submit(()).unwrap();
        })
        .unwrap();
    outer.submit(()).unwrap();
    let (last, seen) = seen.recv_timeout(PATIENCE).unwrap();
    assert_eq!(seen, last.to_string());
}
