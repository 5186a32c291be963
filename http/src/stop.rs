//! How the end of serving is told to whoever wants to know: handlers, functions that write bodies, threads of the
//! user's.
//!
//! The rule: *being told* and *asking to be told* are steps under one lock, so nobody asks in vain; functions that were
//! left here run outside of it.

use crate::util::panic;
use parking_lot::{Condvar, Mutex};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Says that the server is about to stop, and when it does; of [`Server::stop_signal`](crate::Server::stop_signal) and
/// [`RequestCtx::stop_signal`](crate::RequestCtx::stop_signal). A clone is the same signal, and may go to any thread.
///
/// ```
/// use anthill_http::Server;
/// use std::time::Duration;
///
/// let server = Server::new(|ctx| {
///     // A minute of sleep that a shutdown ends.
///     let is_ending = ctx.stop_signal().wait(Duration::from_secs(60));
///     ctx.set_body(if is_ending { "come again later" } else { "a minute has passed" });
/// })?;
/// let signal = server.stop_signal();
/// assert!(!signal.is_stopping());
/// assert!(!signal.wait(Duration::from_millis(1)), "nobody shuts it down");
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
#[derive(Clone)]
pub struct StopSignal {
    state: Arc<StopState>,
}

struct StopState {
    /// A copy of what is under the lock, for a look without it.
    stage: AtomicU8,
    waits: Mutex<StopWaits>,
    changed: Condvar,
}

struct StopWaits {
    /// How many stops have begun.
    begun: u64,
    next_key: u64,
    hooks: Vec<(u64, Hook)>,
}

type Hook = Box<dyn FnOnce() + Send>;

const SERVING: u8 = 0;
const ANNOUNCED: u8 = 1;
const STOPPING: u8 = 2;

impl StopSignal {
    pub(crate) fn new() -> Self {
        let waits = Mutex::new(StopWaits { begun: 0, next_key: 0, hooks: Vec::new() });
        let state = StopState { stage: AtomicU8::new(SERVING), waits, changed: Condvar::new() };
        Self { state: Arc::new(state) }
    }

    /// Whether the server stops: nothing new is begun, and what is under way had better come to its end.
    pub fn is_stopping(&self) -> bool {
        self.state.stage.load(Ordering::SeqCst) == STOPPING
    }

    /// Whether no shutdown was asked for. It turns false
    /// [`shutdown_delay`](crate::ServerBuilder::shutdown_delay) before [`is_stopping`](Self::is_stopping) turns true.
    pub fn is_ready(&self) -> bool {
        self.state.stage.load(Ordering::SeqCst) == SERVING
    }

    /// Waits until the server stops, at most for `limit`; `None`: as long as it takes. False: the limit passed first.
    pub fn wait(&self, limit: impl Into<Option<Duration>>) -> bool {
        let deadline = limit.into().map(|limit| Instant::now().checked_add(limit));
        let mut waits = self.state.waits.lock();
        let seen = waits.begun;
        while !self.is_stopping() && waits.begun == seen {
            match deadline.flatten() {
                None => self.state.changed.wait(&mut waits),
                Some(deadline) => {
                    if self.state.changed.wait_until(&mut waits, deadline).timed_out() {
                        return self.is_stopping() || waits.begun != seen;
                    }
                }
            }
        }
        true
    }

    /// Has `hook` called when the server stops, by the thread that shuts it down: it must not block. At once, by this
    /// one, when it stops already. Not when the answer is dropped before.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    ///
    /// let server = anthill_http::Server::new(|ctx| ctx.set_body("hello"))?;
    /// let (ends, told) = mpsc::channel();
    /// server.stop_signal().on_stop(move || ends.send("it ends").unwrap()).keep();
    /// server.shutdown(Duration::from_secs(5)).expect("nothing is under way");
    /// assert_eq!(told.recv(), Ok("it ends"));
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn on_stop(&self, hook: impl FnOnce() + Send + 'static) -> StopHook {
        let mut waits = self.state.waits.lock();
        if self.is_stopping() {
            drop(waits);
            run(Box::new(hook));
            return StopHook { of: None };
        }
        let key = waits.next_key;
        waits.next_key += 1;
        waits.hooks.push((key, Box::new(hook)));
        StopHook { of: Some((self.clone(), key)) }
    }

    /// A shutdown was asked for.
    pub(crate) fn announce(&self) {
        let _ = self.state.stage.compare_exchange(SERVING, ANNOUNCED, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The stop begins: whoever waits is told. The answer runs what was left here for that.
    #[must_use]
    pub(crate) fn begin(&self) -> StopHooks {
        let mut waits = self.state.waits.lock();
        if self.state.stage.swap(STOPPING, Ordering::SeqCst) == STOPPING {
            return StopHooks(Vec::new());
        }
        waits.begun += 1;
        let hooks = std::mem::take(&mut waits.hooks);
        self.state.changed.notify_all();
        StopHooks(hooks.into_iter().map(|(_, hook)| hook).collect())
    }

    /// The stop is over, and the server can serve again.
    pub(crate) fn over(&self) {
        self.state.stage.store(SERVING, Ordering::SeqCst);
    }
}

/// What is to be run at the beginning of a stop.
pub(crate) struct StopHooks(Vec<Hook>);

impl StopHooks {
    pub(crate) fn run(self) {
        self.0.into_iter().for_each(run);
    }
}

fn run(hook: Hook) {
    if panic::call(hook).is_err() {
        log::error!("a function that was to be called when the server stops panicked");
    }
}

/// A function that is called when the server stops, until this is dropped; of [`StopSignal::on_stop`].
#[must_use = "dropping it takes the function back; `keep` leaves it there"]
pub struct StopHook {
    of: Option<(StopSignal, u64)>,
}

impl StopHook {
    /// Leaves the function there for good.
    pub fn keep(mut self) {
        self.of = None;
    }
}

impl Drop for StopHook {
    fn drop(&mut self) {
        let Some((signal, key)) = self.of.take() else { return };
        let mut waits = signal.state.waits.lock();
        let place = waits.hooks.iter().position(|(other, _)| *other == key);
        let hook = place.map(|place| waits.hooks.swap_remove(place));
        drop(waits);
        drop(hook);
    }
}

impl fmt::Debug for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ready, stopping) = (self.is_ready(), self.is_stopping());
        f.debug_struct("StopSignal").field("is_ready", &ready).field("is_stopping", &stopping).finish()
    }
}

impl fmt::Debug for StopHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHook").field("is_kept", &self.of.is_none()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn everybody_is_told_once() {
        let signal = StopSignal::new();
        let (told, ran) = mpsc::channel();
        let also_told = told.clone();
        let hook = signal.on_stop(move || told.send("taken back").expect("it is heard"));
        drop(hook);
        signal.on_stop(|| std::panic::resume_unwind(Box::new("without the noise of the panic hook"))).keep();
        signal.on_stop(move || also_told.send("kept").expect("it is heard")).keep();
        let waiting = signal.clone();
        let waiter = thread::spawn(move || waiting.wait(None));
        signal.announce();
        assert!(!signal.is_ready() && !signal.is_stopping());
        signal.begin().run();
        assert!(signal.is_stopping() && waiter.join().expect("it is told"));
        signal.begin().run();
        assert_eq!(ran.iter().collect::<Vec<_>>(), ["kept"]);

        // Whoever comes late is told at once.
        let (told, ran) = mpsc::channel();
        signal.on_stop(move || told.send(()).expect("it is heard")).keep();
        assert_eq!(ran.recv(), Ok(()));
        assert!(signal.wait(Duration::ZERO));
        signal.over();
        assert!(signal.is_ready() && !signal.wait(Duration::ZERO));
    }
}
