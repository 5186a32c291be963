//! Pools without set-up: the process-wide one, those in statics, and sizes that go by the machine.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, mpsc};
use std::thread;

use anthill_pool::{ObjectPool, TaskPool, WorkerPool};
use anthill_tests::PATIENCE;
use anthill_tests::pool::on_threads;

#[test]
fn pool_088_the_cap_can_be_counted_in_workers_per_core() {
    let cores = thread::available_parallelism().unwrap().get();
    let cap = |workers| {
        let options = WorkerPool::builder().max_workers_per_core(workers);
        options.build(|_: u8| {}).map(|pool| pool.capacity())
    };
    assert_eq!(cap(1), Ok(Some(cores)));
    assert_eq!(cap(3), Ok(Some(3 * cores)));
    assert_eq!(cap(usize::MAX), Ok(None), "what no number can hold is no cap");
    assert_eq!(cap(0), Err(anthill_pool::BuildError::NoWorkers));
}

#[test]
fn pool_094_the_default_pool_is_built_once_without_set_up() {
    let (answers, inbox) = mpsc::channel();
    for n in 0..10u64 {
        let answers = answers.clone();
        anthill_pool::default_pool()
            .execute(move || {
                let thread = std::thread::current().name().unwrap_or_default().to_owned();
                answers.send((n, thread)).unwrap();
            })
            .unwrap();
    }
    drop(answers);
    let mut seen: Vec<(u64, String)> = inbox.iter().collect();
    seen.sort();
    assert_eq!(seen.iter().map(|(n, _)| *n).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert!(seen.iter().all(|(_, thread)| thread.starts_with("tasks-")), "{seen:?}");
    assert!(std::ptr::eq(anthill_pool::default_pool(), anthill_pool::default_pool()));
}

/// How often the statics of the next tests were built.
static BUILT: AtomicUsize = AtomicUsize::new(0);

static TASKS: LazyLock<TaskPool> = LazyLock::new(|| {
    BUILT.fetch_add(1, Ordering::SeqCst);
    WorkerPool::builder().name("r95").max_workers(4).build_tasks().expect("options that go together")
});

static BUFFERS: LazyLock<ObjectPool<Vec<u8>>> = LazyLock::new(|| {
    ObjectPool::builder().reset(|buffer: &mut Vec<u8>| buffer.clear()).build(|| Vec::with_capacity(64))
});

#[test]
fn pool_095_a_pool_in_a_static_starts_on_first_use() {
    assert_eq!(BUILT.load(Ordering::SeqCst), 0);
    let (answers, inbox) = mpsc::channel();
    on_threads(8, |number| {
        let answers = answers.clone();
        TASKS.execute(move || answers.send((number, thread::current().name().map(str::to_owned))).unwrap())
    });
    let mut seen: Vec<_> = (0..8).map(|_| inbox.recv_timeout(PATIENCE).unwrap()).collect();
    seen.sort();
    assert_eq!(seen.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    assert!(seen.iter().all(|(_, thread)| thread.as_deref().is_some_and(|name| name.starts_with("r95-"))));
    assert_eq!(BUILT.load(Ordering::SeqCst), 1);
}

#[test]
fn pool_095_so_does_an_object_pool() {
    let mut buffer = BUFFERS.get();
    buffer.extend_from_slice(b"letter");
    drop(buffer);
    let again = BUFFERS.get();
    assert_eq!((again.len(), again.capacity()), (0, 64));
    assert_eq!((BUFFERS.stats().misses, BUFFERS.stats().hits), (1, 1));
}
