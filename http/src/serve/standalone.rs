//! The connections that are served by calls of their own, so that a shutdown can end them and wait for them.
//!
//! The idea: such a connection sits in a read of its stream, which nobody can interrupt in general. So each says when it
//! waits between two requests, and may have a way to end that wait; a stop takes it for those that wait and leaves the
//! others, which look before they wait again.
//!
//! The rule: a connection says that it waits, having looked whether the server stops, under a lock of its own; a stop is
//! said first and then looks at each connection under that lock. So none goes on waiting, and none is interrupted that
//! does not wait. (What a client sends at that very moment may be cut off behind its first piece.)

use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Ends the wait of a connection.
pub(crate) type Interrupt = Box<dyn Fn() + Send + Sync>;

/// The connections; see the module's text.
#[derive(Default)]
pub(crate) struct Standalone {
    stopping: AtomicBool,
    open: AtomicUsize,
    /// Those whose wait can be ended, by their numbers. Whoever waits for the end of all waits under this lock.
    interruptible: Mutex<HashMap<u64, Arc<Interruptible>>>,
    all_ended: Condvar,
}

/// One connection's wait, and how it is ended.
struct Interruptible {
    waits: Mutex<bool>,
    interrupt: Interrupt,
}

/// A connection that is being served; it counts until this is dropped.
pub(crate) struct Attended<'a> {
    all: &'a Standalone,
    wait: Option<(u64, Arc<Interruptible>)>,
}

impl Standalone {
    /// Counts the connection `number`. `None`: the server is stopping.
    pub(crate) fn attend(&self, number: u64, interrupt: Option<Interrupt>) -> Option<Attended<'_>> {
        self.open.fetch_add(1, Ordering::SeqCst);
        let mut attended = Attended { all: self, wait: None };
        if let Some(interrupt) = interrupt {
            let wait = Arc::new(Interruptible { waits: Mutex::new(false), interrupt });
            self.interruptible.lock().insert(number, wait.clone());
            attended.wait = Some((number, wait));
        }
        // Either this sees a stop, or the stop sees this.
        (!self.is_stopping()).then_some(attended)
    }

    /// How many connections are being served.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Lets no new connection in, and ends those that wait between two requests.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let interruptible: Vec<_> = self.interruptible.lock().values().cloned().collect();
        for connection in interruptible {
            let waits = connection.waits.lock();
            if *waits {
                (connection.interrupt)();
            }
        }
    }

    /// After a [`stop`](Self::stop), waits until every connection has ended. False: time was up first.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        let mut lock = self.interruptible.lock();
        while self.open() > 0 {
            match deadline {
                None => self.all_ended.wait(&mut lock),
                Some(deadline) => {
                    if self.all_ended.wait_until(&mut lock, deadline).timed_out() {
                        return self.open() == 0;
                    }
                }
            }
        }
        true
    }

    /// Lets connections in again.
    pub(crate) fn restart(&self) {
        self.stopping.store(false, Ordering::SeqCst);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl Attended<'_> {
    /// Whether the server is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        self.all.is_stopping()
    }

    /// Says that the connection waits between two requests, until the answer is dropped. `None`: the server is stopping,
    /// so it must not.
    pub(crate) fn begin_to_wait(&self) -> Option<IdleWait<'_>> {
        let Some((_, wait)) = &self.wait else {
            // Nobody could do anything about it.
            return (!self.is_stopping()).then_some(IdleWait { wait: None });
        };
        let mut waits = wait.waits.lock();
        *waits = !self.is_stopping();
        waits.then_some(IdleWait { wait: Some(wait) })
    }
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        if let Some((number, _)) = &self.wait {
            self.all.interruptible.lock().remove(number);
        }
        let was_last = self.all.open.fetch_sub(1, Ordering::SeqCst) == 1;
        // Nobody waits without having stopped the server first.
        if was_last && self.all.is_stopping() {
            let _lock = self.all.interruptible.lock();
            self.all.all_ended.notify_all();
        }
    }
}

/// A connection that waits between two requests.
pub(crate) struct IdleWait<'a> {
    wait: Option<&'a Interruptible>,
}

impl Drop for IdleWait<'_> {
    fn drop(&mut self) {
        if let Some(wait) = self.wait {
            *wait.waits.lock() = false;
        }
    }
}
