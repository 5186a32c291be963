//! Wakers that panic, wherever the pool calls them: when a task ends, is cancelled or lost, when a handle is polled or
//! dropped. Nobody pays for it but their owner.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use anthill_pool::{TaskError, TaskHandle, TaskPool, WorkerPool};
use anthill_tests::pool::{hold, tasks};
use anthill_tests::{PATIENCE, eventually, planned_panic};

/// Its wake panics.
struct PanicsAwake(AtomicUsize);

impl Wake for PanicsAwake {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        planned_panic();
    }
}

/// Its drop panics.
struct PanicsDropped;

impl Wake for PanicsDropped {
    fn wake(self: Arc<Self>) {
        // This one is not dropped but leaked, so that only drops unwoken panic.
        std::mem::forget(self);
    }
}

impl Drop for PanicsDropped {
    fn drop(&mut self) {
        planned_panic();
    }
}

fn awake() -> (Arc<PanicsAwake>, Waker) {
    let count = Arc::new(PanicsAwake(AtomicUsize::new(0)));
    (count.clone(), Waker::from(count))
}

/// Polls with a waker of which the handle then has the only share, so that its drop is the last.
fn poll_once<R: Send + 'static>(handle: &mut TaskHandle<R>, waker: Waker) -> Poll<Result<R, TaskError>> {
    let answer = Pin::new(handle).poll(&mut Context::from_waker(&waker));
    // The clone is the handle's now, or was dropped by it.
    contained(move || drop(waker));
    answer
}

fn contained(code: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(code));
}

fn pending<R: Send + 'static>(
    pool: &TaskPool,
    waker: &Waker,
    task: impl FnOnce() -> R + Send + 'static,
) -> TaskHandle<R> {
    let mut handle = pool.spawn(task).unwrap();
    assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(waker)).is_pending());
    handle
}

fn joined<R: Send + 'static>(handle: TaskHandle<R>) -> Result<R, TaskError> {
    handle.join_timeout(PATIENCE).expect("the task ends")
}

#[test]
fn pool_f5_a_success_whose_waker_panics_is_no_panic_of_the_pool() {
    let reports = Arc::new(AtomicUsize::new(0));
    let reported = reports.clone();
    let pool = WorkerPool::builder().max_workers(1).queue_capacity(4).on_panic(move |_| {
        reported.fetch_add(1, Ordering::SeqCst);
    });
    let pool = pool.build_tasks().unwrap();
    let (gate, (count, waker)) = (hold(&pool), awake());
    let handle = pending(&pool, &waker, || 1);
    gate.open();
    assert_eq!(joined(handle).unwrap(), 1);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((count.0.load(Ordering::SeqCst), stats.finished, stats.panicked), (1, 2, 0));
    assert_eq!(reports.load(Ordering::SeqCst), 0);
}

#[test]
fn pool_f5_what_stop_now_hands_back_is_dropped_past_wakers_that_panic() {
    let (pool, (count, waker)) = (tasks(1, 8), awake());
    let gate = hold(&pool);
    let handles: Vec<_> = (0..3).map(|_| pending(&pool, &waker, || ())).collect();
    // Were one of them not contained, the second would end the process.
    drop(pool.stop_now());
    assert_eq!(count.0.load(Ordering::SeqCst), 3);
    for handle in handles {
        assert!(matches!(joined(handle), Err(TaskError::Lost)));
    }
    gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_f5_a_cancellation_does_not_panic_for_a_waker() {
    let (pool, (count, waker)) = (tasks(1, 8), awake());
    let gate = hold(&pool);
    let handle = pending(&pool, &waker, || ());
    assert!(handle.cancel());
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(matches!(joined(handle), Err(TaskError::Cancelled)));
    gate.open();
}

#[test]
fn pool_f5_an_outcome_is_not_lost_for_a_waker_whose_drop_panics() {
    let pool = tasks(1, 8);
    let dropped = || Waker::from(Arc::new(PanicsDropped));
    let mut ended = pool.spawn(|| 5).unwrap();
    eventually("it has ended", || ended.is_finished());
    let Poll::Ready(Ok(5)) = poll_once(&mut ended, dropped()) else { panic!("it has ended") };
    // The waker of the poll before is dropped by the next one, which has another.
    let gate = hold(&pool);
    let mut waiting = pool.spawn(|| 6).unwrap();
    assert!(poll_once(&mut waiting, dropped()).is_pending());
    assert!(poll_once(&mut waiting, dropped()).is_pending());
    assert!(poll_once(&mut waiting, Waker::noop().clone()).is_pending());
    // With the handle goes its waker.
    let mut last = pool.spawn(|| 7).unwrap();
    assert!(poll_once(&mut last, dropped()).is_pending());
    drop(last);
    gate.open();
    assert_eq!(joined(waiting).unwrap(), 6);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().panicked), (4, 0));
}

#[test]
fn pool_f5_a_group_that_fails_drops_what_nobody_gets_piece_by_piece() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            planned_panic();
        }
    }
    let pool = tasks(1, 16);
    let gate = hold(&pool);
    let group = pool.group::<Bomb, Bomb>();
    for number in 0..6 {
        group.spawn(move || if number < 3 { Ok(Bomb) } else { Err(Bomb) }).unwrap();
    }
    gate.open();
    let failure = group.wait().map(std::mem::forget).unwrap_err();
    assert!(failure.into_failure().map(std::mem::forget).is_some());
    assert_eq!(pool.stats().panicked, 0);
}
