//! A shard's slots: no readiness is lost between serving and parking.

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::engine::shard::slots::{Readiness, Slots};
use crate::explore::{Preemptions::*, explore};

const READABLE: Readiness = Readiness { readable: true, writable: false, read_closed: false };

/// Bytes arrive and are reported while the connection is being read empty and parked.
#[test]
fn no_readiness_is_lost() {
    explore(Any, || {
        let arrived = Arc::new(AtomicUsize::new(0));
        let slots = Arc::new(Mutex::new(Slots::new()));
        let token = slots.lock().unwrap().reserve();

        let (socket, table) = (arrived.clone(), slots.clone());
        let poller = thread::spawn(move || {
            socket.store(1, Ordering::Release);
            let connection = table.lock().unwrap().report(token, READABLE);
            if let Some(mut read) = connection {
                read += socket.load(Ordering::Acquire) - read;
                assert!(table.lock().unwrap().park(token, read, false).is_ok());
            }
        });

        let mut read = 0;
        loop {
            read += arrived.load(Ordering::Acquire) - read;
            match slots.lock().unwrap().park(token, read, false) {
                Ok(()) => break,
                Err((again, readiness)) => {
                    assert_eq!(readiness, READABLE);
                    read = again;
                }
            }
        }
        poller.join().unwrap();
        let read = slots.lock().unwrap().take(token).expect("parked at last");
        assert_eq!(read, 1, "what arrived was read");
    });
}

/// A shutdown begins while an idle connection is being parked: whoever served it did not know of it, and must not leave
/// it behind.
#[test]
fn a_shutdown_finds_every_idle_connection() {
    explore(Any, || {
        let stopping = Arc::new(AtomicBool::new(false));
        let slots = Arc::new(Mutex::new(Slots::new()));
        let token = slots.lock().unwrap().reserve();
        let (flag, table) = (stopping.clone(), slots.clone());
        let shutdown = thread::spawn(move || {
            flag.store(true, Ordering::Release);
            table.lock().unwrap().stop().len()
        });
        let mut closed = 0;
        loop {
            if stopping.load(Ordering::Acquire) {
                closed += 1;
                break;
            }
            if slots.lock().unwrap().park(token, 'c', true).is_ok() {
                break;
            }
        }
        closed += shutdown.join().unwrap();
        assert_eq!(closed, 1, "found once");
    });
}

/// A connection ends while a report for it is under way, and its slot goes to another.
#[test]
fn a_late_report_does_not_reach_the_next_connection() {
    explore(Any, || {
        let slots = Arc::new(Mutex::new(Slots::new()));
        let first = slots.lock().unwrap().reserve();
        let table = slots.clone();
        let poller = thread::spawn(move || {
            assert!(table.lock().unwrap().report(first, READABLE).is_none(), "it is out, or gone");
        });
        slots.lock().unwrap().release(first);
        let second = slots.lock().unwrap().reserve();
        assert!(slots.lock().unwrap().park(second, 'b', true).is_ok(), "nothing was reported for this one");
        poller.join().unwrap();
        assert_eq!(slots.lock().unwrap().take(second), Some('b'));
    });
}
