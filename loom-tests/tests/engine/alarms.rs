//! The monitor's sleep: no handler runs while it sleeps.

use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::engine::alarm::Alarm;
use crate::explore::{Preemptions::*, explore};
use crate::leases::Shard;

/// The monitor falls asleep while a handler begins: it sees the handler, or is woken by it.
#[test]
fn no_handler_runs_unwatched() {
    explore(Any, || {
        let (shard, term) = Shard::new();
        let alarm = Arc::new(Alarm::new());
        let watched = Arc::new((Mutex::new(false), loom::sync::Condvar::new()));

        let (seen_shard, seen_alarm, seen) = (shard.clone(), alarm.clone(), watched.clone());
        let monitor = thread::spawn(move || {
            seen_alarm.sleep_unless(|| seen_shard.lease.sight().is_some(), None);
            *seen.0.lock().unwrap() = true;
            seen.1.notify_one();
        });

        let inside = shard.lease.enter(term);
        alarm.rouse();
        // A handler that lasts until the monitor is up: if nobody wakes it, this never ends.
        let mut up = watched.0.lock().unwrap();
        while !*up {
            up = watched.1.wait(up).unwrap();
        }
        drop(up);
        assert!(shard.lease.leave(inside).is_some());
        monitor.join().unwrap();
    });
}
