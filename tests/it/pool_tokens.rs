//! Tasks that can be told to end early.

use std::sync::mpsc::channel;

use anthill_pool::{SubmitError, TaskError, TaskHandle, TaskPool, TaskToken};
use anthill_tests::pool::{hold, tasks};
use anthill_tests::{PATIENCE, eventually, within};

fn until_cancelled(token: &TaskToken) -> &'static str {
    eventually("it is cancelled", || token.is_cancelled());
    "ended early"
}

/// A task that has begun, and runs until it is told not to.
fn begun(pool: &TaskPool) -> TaskHandle<&'static str> {
    let (begun, begins) = channel();
    let handle = pool.spawn_with(move |token| {
        begun.send(()).unwrap();
        until_cancelled(token)
    });
    begins.recv_timeout(PATIENCE).unwrap();
    handle.unwrap()
}

#[test]
fn pool_tokens_tell_the_task_that_runs() {
    let pool = tasks(2, 0);
    let (told, other) = (begun(&pool), begun(&pool));
    assert!(!told.cancel(), "it has started");
    assert_eq!(within("the one that was told", move || told.join()).unwrap(), "ended early");
    assert!(!other.is_finished(), "each has a token of its own");
    other.cancel();
    other.cancel();
    assert_eq!(within("the other one", move || other.join()).unwrap(), "ended early");
}

#[test]
fn pool_tokens_keep_a_task_from_starting() {
    let pool = tasks(1, 4);
    let gate = hold(&pool);
    let (alive, dropped) = channel::<()>();
    let handle = pool.spawn_with(move |_| drop(alive)).unwrap();
    assert!(handle.cancel());
    assert!(dropped.recv_timeout(PATIENCE).is_err(), "what it captured is gone");
    assert!(matches!(handle.join(), Err(TaskError::Cancelled)));
    gate.open();
}

#[test]
fn pool_tokens_are_not_raised_by_dropping_the_handle() {
    let pool = tasks(1, 4);
    let (sender, receiver) = channel();
    let (begun, begins) = channel();
    drop(pool.spawn_with(move |token| {
        begun.send(()).unwrap();
        sender.send(token.clone()).unwrap();
    }));
    begins.recv_timeout(PATIENCE).unwrap();
    assert!(!receiver.recv_timeout(PATIENCE).unwrap().is_cancelled());
}

#[test]
fn pool_tokens_closures_come_back_from_a_full_pool() {
    let pool = tasks(1, 0);
    let gate = hold(&pool);
    let word = "mine".to_owned();
    let refused = pool.try_spawn_with(move |_| word);
    let Err(SubmitError::Full(closure)) = refused else { panic!("{refused:?}") };
    let closure = closure.into_inner();
    gate.open();
    let handle = pool.spawn_with(closure).unwrap();
    assert_eq!(within("the second try", move || handle.join()).unwrap(), "mine");
}

#[test]
fn pool_tokens_work_in_shares() {
    let pool = tasks(2, 0);
    let share = pool.sub_pool(1);
    let (begun, begins) = channel();
    let handle = share.spawn_with(move |token| {
        begun.send(()).unwrap();
        until_cancelled(token)
    });
    let handle = handle.unwrap();
    begins.recv_timeout(PATIENCE).unwrap();
    assert!(!handle.cancel());
    assert_eq!(within("a task of a share", move || handle.join()).unwrap(), "ended early");
}
