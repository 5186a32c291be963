//! Handles of scoped tasks: results that borrow, joined while the scope is open.
//!
//! The rule: a joined task has run once, whoever ran it; a panic goes to whoever joins, and to the scope if nobody
//! does.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use anthill_pool::TaskPool;
use anthill_tests::pool::{tasks, without_help};
use anthill_tests::{Gate, PATIENCE, eventually, within};

#[test]
fn pool_scope_handles_give_results_that_borrow() {
    let pool = tasks(2, 16);
    let text = "so many words".to_owned();
    let longest: &str = pool.scope(|scope| {
        let handles: Vec<_> = text.split(' ').map(|word| scope.spawn(move || word)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).max_by_key(|word| word.len()).unwrap()
    });
    assert_eq!(longest, "words");
    assert!(text.as_bytes().as_ptr_range().contains(&longest.as_ptr()));
}

#[test]
fn pool_scope_handles_are_joined_without_any_worker() {
    for (pool, gates) in without_help() {
        let here = thread::current().id();
        let ran = AtomicUsize::new(0);
        pool.scope(|scope| {
            let first = scope.spawn(|| ran.fetch_add(1, Ordering::SeqCst));
            let second = scope.spawn(|| (ran.fetch_add(1, Ordering::SeqCst), thread::current().id()));
            assert_eq!(second.join().unwrap(), (0, here), "the joined one runs, and no other");
            assert!(!first.is_finished());
            assert_eq!(first.join().unwrap(), 1);
        });
        gates.iter().for_each(Gate::open);
    }
}

#[test]
fn pool_scope_handles_nest_on_a_single_worker() {
    fn fib(pool: &TaskPool, n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        pool.scope(|scope| {
            let left = scope.spawn(|| fib(pool, n - 1));
            fib(pool, n - 2) + left.join().unwrap()
        })
    }
    for (workers, queue) in [(1, 0), (2, 0), (2, 4), (2, 1000)] {
        let pool = tasks(workers, queue);
        let inner = pool.clone();
        let result = within("a recursion on its own workers", move || {
            inner.scope(|scope| scope.spawn(|| fib(&inner, 15)).join().unwrap())
        });
        assert_eq!(result, 610);
    }
}

#[test]
fn pool_scope_handles_wait_for_a_task_that_a_worker_has_begun() {
    let pool = tasks(1, 0);
    let (begun, begins) = channel();
    let gate = Gate::new();
    pool.scope(|scope| {
        let handle = scope.spawn(|| {
            begun.send(()).unwrap();
            gate.pass();
            thread::current().id()
        });
        begins.recv_timeout(PATIENCE).unwrap();
        assert!(!handle.is_finished());
        gate.open();
        assert_ne!(handle.join().unwrap(), thread::current().id());
    });
}

#[test]
fn pool_scope_handles_deliver_a_panic_once() {
    let pool = tasks(2, 16);
    let planned = || -> u8 { resume_unwind(Box::new("planned")) };
    pool.scope(|scope| {
        let error = scope.spawn(planned).join().unwrap_err();
        assert_eq!(error.panic_message(), Some("planned"), "and the scope ends well");
    });
    for drops_late in [false, true] {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                let handle = scope.spawn(planned);
                if drops_late {
                    eventually("it has panicked", || handle.is_finished());
                }
                drop(handle);
            });
        }));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"planned"), "nobody asked: it is the scope's");
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().panicked, 0);
}

#[test]
fn pool_scope_handles_that_are_forgotten_keep_nothing_from_ending() {
    let pool = tasks(2, 16);
    let ran = AtomicUsize::new(0);
    pool.scope(|scope| {
        for _ in 0..10 {
            std::mem::forget(scope.spawn(|| ran.fetch_add(1, Ordering::SeqCst)));
        }
    });
    assert_eq!(ran.into_inner(), 10);
}

#[test]
fn pool_scope_handles_go_to_other_tasks_of_the_scope() {
    let pool = tasks(2, 16);
    let sum = pool.scope(|scope| {
        let first = scope.spawn(|| 1);
        let second = scope.spawn(move || first.join().unwrap() + 1);
        let third = scope.spawn(move || second.join().unwrap() + 1);
        third.join().unwrap()
    });
    assert_eq!(sum, 3);
}

/// What a result holds is dropped within the scope, also when nobody takes it.
#[test]
fn pool_scope_results_are_gone_when_the_scope_ends() {
    struct Notes<'a>(&'a AtomicUsize);
    impl Drop for Notes<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let pool = tasks(2, 16);
    let dropped = AtomicUsize::new(0);
    pool.scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| Notes(&dropped));
        }
        drop(scope.spawn(|| Notes(&dropped)).join());
        assert!(dropped.load(Ordering::SeqCst) >= 1);
    });
    assert_eq!(dropped.load(Ordering::SeqCst), 11);
}
