//! The end of an engine: everybody learns of it, whoever waits returns, and what is done once in the end is done once.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::engine::alarm::Alarm;
use crate::engine::countdown::Countdown;
use crate::explore::{Preemptions::*, explore};

/// What an engine has for its end.
struct Engine {
    drivers: Countdown,
    monitor: Countdown,
    alarm: Alarm,
    ended: AtomicUsize,
}

impl Engine {
    fn new(shards: usize) -> Arc<Self> {
        Arc::new(Engine {
            drivers: Countdown::new(shards),
            monitor: Countdown::new(1),
            alarm: Alarm::new(),
            ended: AtomicUsize::new(0),
        })
    }

    fn drivers_ended(&self, count: usize) {
        if self.drivers.count_off(count) {
            self.ended.fetch_add(1, Ordering::AcqRel);
            self.alarm.ring();
        }
    }

    /// The monitor's thread, which looks no more often than it has to.
    fn watch(&self) {
        while !self.drivers.is_over() {
            self.alarm.sleep_unless(|| self.drivers.is_over(), None);
        }
        assert!(self.monitor.count_off(1), "there is one monitor");
    }

    fn wait_ended(&self) {
        assert!(self.drivers.wait(None));
        assert!(self.monitor.wait(None));
    }
}

/// Two drivers end, while two wait for that.
#[test]
fn everybody_who_waits_returns() {
    explore(AtMost(3), || {
        let engine = Engine::new(2);
        let spawn = |run: fn(&Engine)| {
            let engine = engine.clone();
            thread::spawn(move || run(&engine))
        };
        let threads = [
            spawn(|engine| engine.drivers_ended(1)),
            spawn(|engine| engine.drivers_ended(1)),
            spawn(|engine| assert!(engine.drivers.wait(None))),
        ];
        assert!(engine.drivers.wait(None));
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(engine.ended.load(Ordering::Acquire), 1, "ended once");
    });
}

/// Of three shards the last two could have no driver, so the engine is abandoned while the first one's driver ends.
#[test]
fn an_abandoned_engine_ends_once() {
    explore(AtMost(3), || {
        let engine = Engine::new(3);
        let driver = {
            let engine = engine.clone();
            thread::spawn(move || engine.drivers_ended(1))
        };
        let monitor = {
            let engine = engine.clone();
            thread::spawn(move || engine.watch())
        };
        engine.drivers_ended(2);
        engine.wait_ended();
        driver.join().unwrap();
        monitor.join().unwrap();
        assert_eq!(engine.ended.load(Ordering::Acquire), 1, "ended once");
    });
}

/// The last driver ends while the monitor falls asleep; somebody waits for both.
#[test]
fn the_end_wakes_the_monitor() {
    explore(AtMost(3), || {
        let engine = Engine::new(1);
        let monitor = {
            let engine = engine.clone();
            thread::spawn(move || engine.watch())
        };
        let driver = {
            let engine = engine.clone();
            thread::spawn(move || engine.drivers_ended(1))
        };
        engine.wait_ended();
        driver.join().unwrap();
        monitor.join().unwrap();
    });
}
