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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Ends the wait of a connection.
pub(crate) type Interrupt = Box<dyn Fn() + Send + Sync>;

/// The connections; see the module's text.
#[derive(Default)]
pub(crate) struct Standalone {
    /// Written under the lock of `open`.
    stopping: AtomicBool,
    open: Mutex<Vec<Arc<Wait>>>,
    all_ended: Condvar,
}

/// One connection's wait.
struct Wait {
    waits: Mutex<bool>,
    interrupt: Option<Interrupt>,
}

/// A connection that is being served; it counts until this is dropped.
pub(crate) struct Attended<'a> {
    all: &'a Standalone,
    wait: Arc<Wait>,
}

impl Standalone {
    /// Counts a connection. `None`: the server is stopping.
    pub(crate) fn attend(&self, interrupt: Option<Interrupt>) -> Option<Attended<'_>> {
        let wait = Arc::new(Wait { waits: Mutex::new(false), interrupt });
        let mut open = self.open.lock();
        if self.is_stopping() {
            return None;
        }
        open.push(wait.clone());
        drop(open);
        Some(Attended { all: self, wait })
    }

    /// How many connections are being served.
    pub(crate) fn open(&self) -> usize {
        self.open.lock().len()
    }

    /// Lets no new connection in, and ends those that wait between two requests.
    pub(crate) fn stop(&self) {
        let open = {
            let open = self.open.lock();
            self.stopping.store(true, Ordering::SeqCst);
            open.clone()
        };
        for wait in open {
            let waits = wait.waits.lock();
            if let (true, Some(interrupt)) = (*waits, &wait.interrupt) {
                interrupt();
            }
        }
    }

    /// Waits until every connection has ended. False: time was up first.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        let mut open = self.open.lock();
        while !open.is_empty() {
            match deadline {
                None => self.all_ended.wait(&mut open),
                Some(deadline) => {
                    if self.all_ended.wait_until(&mut open, deadline).timed_out() {
                        return open.is_empty();
                    }
                }
            }
        }
        true
    }

    /// Lets connections in again.
    pub(crate) fn restart(&self) {
        let _open = self.open.lock();
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
        if self.wait.interrupt.is_none() {
            // Nobody could do anything about it.
            return (!self.is_stopping()).then_some(IdleWait { wait: None });
        }
        let mut waits = self.wait.waits.lock();
        *waits = !self.is_stopping();
        waits.then_some(IdleWait { wait: Some(&self.wait) })
    }
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        let mut open = self.all.open.lock();
        open.retain(|other| !Arc::ptr_eq(other, &self.wait));
        if open.is_empty() {
            self.all.all_ended.notify_all();
        }
    }
}

/// A connection that waits between two requests.
pub(crate) struct IdleWait<'a> {
    wait: Option<&'a Wait>,
}

impl Drop for IdleWait<'_> {
    fn drop(&mut self) {
        if let Some(wait) = self.wait {
            *wait.waits.lock() = false;
        }
    }
}
