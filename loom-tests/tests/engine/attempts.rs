//! Handlers with a limit of time: what they return with has one owner, and a connection that goes on has nobody who
//! looks.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use crate::ctx::attempt::{Attempt, OnLoan};
use crate::explore::{Preemptions::*, explore};

/// It is waited for without a limit, and comes.
#[test]
fn who_waits_gets_what_the_handler_returns_with() {
    explore(Any, || {
        let attempt = Arc::new(Attempt::new());
        let runs = attempt.clone();
        let handler = thread::spawn(move || assert!(runs.finish(Box::new(7)).is_ok(), "somebody waits"));
        assert_eq!(attempt.wait(None), Some(Box::new(7)));
        handler.join().unwrap();
        assert_eq!(attempt.give_up(), None, "it was taken");
    });
}

/// Its time is up while it returns: what it returns with goes to one of the two.
#[test]
fn a_handler_that_returns_meets_one_who_gives_up() {
    explore(Any, || {
        let (attempt, dropped) = (Arc::new(Attempt::new()), Arc::new(AtomicUsize::new(0)));
        let (runs, counts) = (attempt.clone(), dropped.clone());
        let handler = thread::spawn(move || {
            if runs.finish(Box::new(7)).is_err() {
                counts.fetch_add(1, Ordering::Relaxed);
            }
        });
        let taken = attempt.give_up().is_some();
        handler.join().unwrap();
        assert_eq!(usize::from(taken) + dropped.load(Ordering::Relaxed), 1, "one of the two has it");
        assert_eq!(attempt.give_up(), None, "nothing is left");
    });
}

/// The client is looked at while the connection goes on without the handler, and is used for something else.
#[test]
fn a_connection_that_goes_on_is_not_looked_at() {
    explore(Any, || {
        let attempt = Arc::new(Attempt::new());
        let client = Arc::new(OnLoan::new(Some(Arc::new(AtomicBool::new(false)))));
        let transport = client.look(Arc::clone).expect("it is lent");
        let (runs, looks) = (attempt.clone(), client.clone());
        let handler = thread::spawn(move || {
            looks.look(|transport| {
                assert!(!transport.load(Ordering::Acquire), "it is used for something else")
            });
            let _ = runs.finish(());
        });
        let _ = attempt.give_up();
        client.let_go();
        transport.store(true, Ordering::Release);
        handler.join().unwrap();
    });
}
