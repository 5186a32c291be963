//! Errors on their way out: with `?` through the error types that programs use, to other threads, and what they then say.
//!
//! What users of the pool do on their first day.

use std::cell::Cell;
use std::error::Error;
use std::io;
use std::sync::mpsc::channel;
use std::thread;

use anthill_pool::{GroupError, SubmitError, TaskError, TaskHandle, TaskPanic, TaskPool, WorkerPool};
use anthill_tests::pool::tasks;
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
