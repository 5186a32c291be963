//! The connections that are served by calls of their own, so that a shutdown can end them and wait for them.
//!
//! The idea: such a connection sits in a read of its stream, which nobody can interrupt in general. So each says when
//! it waits between two requests, and may have a way to end that wait; a stop takes it for those that wait and leaves
//! the others, which look before they wait again.
//!
//! The rule: a connection says that it waits, having looked whether the server stops, under a lock of its own; a stop
//! is said first and then looks at each connection under that lock. So none goes on waiting, and none is interrupted
//! that does not wait. (What a client sends at that very moment may be cut off behind its first piece.)

use crate::serve::parker::Parker;
use crate::util::panic;
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
    /// Written under the lock of `waits`.
    stopping: AtomicBool,
    open: AtomicUsize,
    /// Whoever waits for the end of all waits under this lock.
    waits: Mutex<Waits>,
    all_ended: Condvar,
}

#[derive(Default)]
struct Waits {
    /// The connections whose wait can be ended, by their numbers.
    interruptible: HashMap<u64, Arc<Interruptible>>,
    /// The threads that wait for the source of a response, by the numbers of their connections.
    parked: HashMap<u64, Arc<Parker>>,
}

/// One connection's wait, and how it is ended.
struct Interruptible {
    waits: Mutex<bool>,
    interrupt: Interrupt,
}

/// A connection that is being served; it counts until this is dropped.
pub(crate) struct Attended<'a> {
    all: &'a Standalone,
    number: u64,
    /// How its wait between two requests is ended, if it can be.
    wait: Option<Arc<Interruptible>>,
}

impl Standalone {
    /// Counts the connection `number`. `None`: the server is stopping.
    pub(crate) fn attend(&self, number: u64, interrupt: Option<Interrupt>) -> Option<Attended<'_>> {
        self.open.fetch_add(1, Ordering::SeqCst);
        let mut attended = Attended { all: self, number, wait: None };
        if let Some(interrupt) = interrupt {
            let wait = Arc::new(Interruptible { waits: Mutex::new(false), interrupt });
            self.waits.lock().interruptible.insert(number, wait.clone());
            attended.wait = Some(wait);
        }
        // Either this sees a stop, or the stop sees this.
        (!self.is_stopping()).then_some(attended)
    }

    /// How many connections are being served.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// A shutdown begins: lets no new connection in, and ends those that wait between two requests, or for the source
    /// of a response.
    pub(crate) fn stop(&self) {
        let (interruptible, parked): (Vec<_>, Vec<_>) = {
            let waits = self.waits.lock();
            self.stopping.store(true, Ordering::SeqCst);
            (waits.interruptible.values().cloned().collect(), waits.parked.values().cloned().collect())
        };
        for parker in parked {
            parker.unpark();
        }
        for connection in interruptible {
            let waits = connection.waits.lock();
            if *waits && panic::call(|| (connection.interrupt)()).is_err() {
                log::error!("a function that was to end a connection's wait panicked");
            }
        }
    }

    /// Waits, within a shutdown, until every connection has ended. False: time was up first.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        let mut waits = self.waits.lock();
        while self.open() > 0 {
            match deadline {
                None => self.all_ended.wait(&mut waits),
                Some(deadline) => {
                    if self.all_ended.wait_until(&mut waits, deadline).timed_out() {
                        return self.open() == 0;
                    }
                }
            }
        }
        true
    }

    /// The last shutdown is over, and everything has ended: lets connections in again.
    pub(crate) fn open_again(&self) {
        let _waits = self.waits.lock();
        self.stopping.store(false, Ordering::SeqCst);
    }

    /// Whether a shutdown is under way, or has not come to its end in time.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl Attended<'_> {
    /// Whether the server is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        self.all.is_stopping()
    }

    /// Says that the connection waits between two requests, until the answer is dropped. `None`: the server is
    /// stopping, so it must not.
    pub(crate) fn begin_to_wait(&self) -> Option<IdleWait<'_>> {
        let Some(wait) = &self.wait else {
            // Nobody could do anything about it.
            return (!self.is_stopping()).then_some(IdleWait { wait: None });
        };
        let waits = {
            let mut waits = wait.waits.lock();
            *waits = !self.is_stopping();
            *waits
        };
        // Made only when it is true, and unlocked: its drop takes the lock.
        if waits { Some(IdleWait { wait: Some(wait) }) } else { None }
    }

    /// Says that the connection's thread waits at `parker` for the source of a response, until the answer is dropped: a
    /// stop wakes it. `None`: the server is stopping, so it must not wait.
    pub(crate) fn begin_to_park(&self, parker: &Arc<Parker>) -> Option<SourceWait<'_>> {
        self.all.waits.lock().parked.insert(self.number, parker.clone());
        let waiting = SourceWait { all: self.all, number: self.number };
        // Either this sees a stop, or the stop sees the parker.
        (!self.is_stopping()).then_some(waiting)
    }
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        if self.wait.is_some() {
            self.all.waits.lock().interruptible.remove(&self.number);
        }
        let was_last = self.all.open.fetch_sub(1, Ordering::SeqCst) == 1;
        // Nobody waits without having stopped the server first.
        if was_last && self.all.is_stopping() {
            let _waits = self.all.waits.lock();
            self.all.all_ended.notify_all();
        }
    }
}

/// A connection that waits for the source of a response.
pub(crate) struct SourceWait<'a> {
    all: &'a Standalone,
    number: u64,
}

impl Drop for SourceWait<'_> {
    fn drop(&mut self) {
        self.all.waits.lock().parked.remove(&self.number);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(30);

    /// Whether everything ends within a time that is never used up.
    fn ends(all: &Standalone) -> bool {
        all.wait_ended(Instant::now().checked_add(LONG))
    }

    #[test]
    fn a_stop_interrupts_those_that_wait_and_nobody_else() {
        let (all, interrupted) = (Standalone::default(), Arc::new(AtomicUsize::new(0)));
        let attend = |number| {
            let count = interrupted.clone();
            let interrupt: Interrupt = Box::new(move || {
                count.fetch_add(number as usize, Ordering::SeqCst);
                if number == 100 {
                    std::panic::resume_unwind(Box::new("without the noise of the panic hook"));
                }
            });
            all.attend(number, Some(interrupt)).expect("it does not stop yet")
        };
        let (waits, works, panics) = (attend(1), attend(10), attend(100));
        let (waiting, also_waiting) = (waits.begin_to_wait(), panics.begin_to_wait());
        drop(works.begin_to_wait());
        all.stop();
        assert_eq!(interrupted.load(Ordering::SeqCst), 101);
        assert!(works.begin_to_wait().is_none(), "the stop was said");
        assert!(all.attend(2, None).is_none());
        assert_eq!(all.open(), 3);
        assert!(!all.wait_ended(Some(Instant::now())));
        drop((waiting, also_waiting));
        drop((waits, works, panics));
        assert!(ends(&all));
        all.open_again();
        assert!(all.attend(3, None).is_some());
    }

    #[test]
    fn a_stop_wakes_a_thread_that_waits_for_a_source() {
        let all = Standalone::default();
        let attended = all.attend(1, None).expect("it does not stop yet");
        let parker = Arc::new(Parker::default());
        let waiting = attended.begin_to_park(&parker).expect("it does not stop yet");
        all.stop();
        assert!(parker.wait(Some(LONG)), "it is woken");
        drop(waiting);
        assert!(attended.begin_to_park(&parker).is_none(), "the stop was said");
        assert!(all.waits.lock().parked.is_empty());
        assert!(!parker.wait(Some(Duration::from_millis(1))), "it is woken once");
    }

    #[test]
    fn several_may_wait_for_the_end() {
        let all = Standalone::default();
        let first = all.attend(1, None).expect("it does not stop yet");
        all.stop();
        all.stop();
        thread::scope(|scope| {
            let waiters = [(); 2].map(|()| scope.spawn(|| ends(&all)));
            drop(first);
            assert!(waiters.into_iter().all(|waiter| waiter.join().expect("a waiter")));
        });
        assert!(all.attend(2, None).is_none());
    }
}
