//! Errors on their way out: with `?` through the error types that programs use, to other threads, and what they then
//! say.
//!
//! What users of the pool do on their first day.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::mpsc::channel;
use std::thread;

use anthill_pool::{
    GroupError, SubmitError, TaskError, TaskGroup, TaskHandle, TaskPanic, TaskPool, WorkerPool,
};
use anthill_tests::pool::{hold, reaches, tasks};
use anthill_tests::within;

/// As `anyhow::Error` and its like ask for.
type AnyError = Box<dyn Error + Send + Sync>;

#[test]
fn pool_f3_errors_of_tasks_and_groups_go_with_a_question_mark() {
    fn joined(pool: &TaskPool) -> Result<u8, AnyError> {
        Ok(pool.spawn(|| -> u8 { std::panic::resume_unwind(Box::new("planned".to_owned())) })?.join()?)
    }
    fn waited(pool: &TaskPool) -> Result<Vec<u8>, AnyError> {
        let group = pool.group();
        group.spawn(|| Err(io::Error::other("no sugar")))?;
        Ok(group.wait()?)
    }
    let pool = tasks(2, 8);
    let error = joined(&pool).unwrap_err();
    // To a thread that did not make it, which looks at it together with this one.
    let text = thread::scope(|scope| scope.spawn(|| error.to_string()).join().unwrap());
    assert_eq!(text, "the task panicked: planned");
    let Ok(TaskError::Panicked(panic)) = error.downcast().map(|error| *error) else {
        panic!("another error")
    };
    assert_eq!(panic.message(), Some("planned"));
    assert_eq!(panic.into_value().downcast_ref::<String>().unwrap(), "planned");
    let error = waited(&pool).unwrap_err();
    assert_eq!(error.to_string(), "a task of the group failed: no sugar");
    assert!(error.downcast_ref::<GroupError<io::Error>>().is_some());
}

#[test]
fn pool_f3_refused_closures_go_with_a_question_mark_whatever_they_hold() {
    fn spawned(pool: &TaskPool) -> Result<usize, AnyError> {
        // Each of these is `Send` and not `Sync`.
        let (cell, (_sender, inbox)) = (Cell::new(1), channel::<u8>());
        let boxed: Box<dyn FnOnce() -> usize + Send> = Box::new(|| 2);
        let sum = move || cell.get() + inbox.try_iter().count() + boxed();
        let handle: TaskHandle<usize> = pool.try_spawn(sum)?;
        Ok(handle.join()?)
    }
    fn grouped(pool: &TaskPool) -> Result<Vec<usize>, AnyError> {
        let group = pool.group::<usize, io::Error>();
        let cell = Cell::new(1);
        group.spawn(move || Ok(cell.get()))?;
        Ok(group.wait()?)
    }
    fn executed(pool: &TaskPool) -> Result<(), AnyError> {
        let cell = Cell::new(1);
        Ok(pool.execute(move || cell.set(2))?)
    }
    let pool = tasks(1, 1);
    assert_eq!((spawned(&pool).unwrap(), grouped(&pool).unwrap()), (3, vec![1]));
    pool.stop();
    let errors = [spawned(&pool).unwrap_err(), grouped(&pool).unwrap_err(), executed(&pool).unwrap_err()];
    assert!(errors.iter().all(|error| error.to_string() == "the pool is stopped"), "{errors:?}");
    let cell = Cell::new(4);
    let refused = pool.spawn(move || cell.get()).unwrap_err();
    assert_eq!(format!("{refused:?}"), "Closed");
    assert_eq!(refused.into_payload().run(), 4, "and the closure is whole");
    // A payload of one's own that is not `Sync`: the reason alone goes.
    let pool = WorkerPool::new(1, |_: Cell<u8>| {}).unwrap();
    pool.stop();
    let refused = pool.submit(Cell::new(1)).map_err(|refused| AnyError::from(refused.map(drop)));
    assert!(refused.unwrap_err().downcast_ref::<SubmitError<()>>().is_some());
}

#[test]
fn pool_f3_a_panic_goes_on_as_it_was() {
    let pool = tasks(1, 1);
    let numbered = pool.spawn(|| std::panic::resume_unwind(Box::new(7_u8))).unwrap();
    let Err(TaskError::Panicked(panic)) = numbered.join() else { panic!("it panicked") };
    let looks = |panic: &TaskPanic| (panic.message().is_none(), panic.to_string(), format!("{panic:?}"));
    assert_eq!(looks(&panic), (true, "the task panicked".to_owned(), "\"...\"".to_owned()));
    let value = within("it unwinds", move || thread::spawn(move || panic.resume()).join());
    assert_eq!(value.unwrap_err().downcast_ref(), Some(&7_u8));
}

/// What a program prints of an error and all that lies behind it, as `anyhow` does with `{:#}`.
fn chain(error: &(dyn Error + 'static)) -> String {
    let behind = std::iter::successors(error.source(), |&error| error.source());
    behind.fold(error.to_string(), |text, error| format!("{text}: {error}"))
}

/// An error with another one behind it.
#[derive(Debug)]
struct Outer(io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no supper")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn pool_f3_a_chain_of_errors_says_nothing_twice_and_leaves_nothing_out() {
    let outer = || Outer(io::Error::other("no sugar"));
    let pool =
        WorkerPool::builder().max_workers(1).build_with_state(move |_| Err::<(), _>(outer()), |(), ()| {});
    let pool = pool.unwrap();
    let text = "a worker's state could not be made: no supper: no sugar";
    assert_eq!(chain(&pool.submit(()).unwrap_err()), text);
    assert_eq!(chain(&pool.prestart(1).unwrap_err()), text);
    let spawn_failed = SubmitError::SpawnFailed((), io::Error::other(outer()));
    assert_eq!(chain(&spawn_failed).matches("no supper").count(), 1);
    assert!(chain(&spawn_failed).ends_with(": no sugar"));
    let pool = tasks(1, 8);
    let group = pool.group::<(), Outer>();
    group.spawn(move || Err(outer())).unwrap();
    assert_eq!(chain(&group.wait().unwrap_err()), "a task of the group failed: no supper: no sugar");
}

#[test]
fn pool_f3_groups_whose_error_takes_any_other_go_with_a_question_mark() {
    fn waited(fails: bool) -> Result<Vec<u8>, AnyError> {
        let pool = tasks(1, 8);
        let group: TaskGroup<u8, AnyError> = pool.group();
        group.spawn(move || if fails { Ok("x".parse()?) } else { Ok("7".parse()?) })?;
        group.wait().map_err(GroupError::into_error::<AnyError>)
    }
    assert_eq!(waited(false).unwrap(), [7]);
    assert!(waited(true).unwrap_err().is::<std::num::ParseIntError>());
    let cancelled: AnyError = GroupError::<AnyError>::Cancelled.into_error();
    assert_eq!(cancelled.to_string(), "the group was cancelled before all of its tasks had started");
}

#[test]
fn pool_f4_a_full_pool_says_what_holds_with_and_without_a_queue() {
    for queue in [0, 1] {
        let pool = tasks(1, queue);
        let gate = hold(&pool);
        reaches(&pool, "a busy worker", |stats| stats.busy == 1);
        for _ in 0..queue {
            pool.execute(|| {}).unwrap();
        }
        let error = pool.try_execute(|| {}).unwrap_err();
        assert_eq!(error.to_string(), "every worker is busy, and nothing more can be queued");
        gate.open();
    }
}
