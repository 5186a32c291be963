//! A thread that polls a future itself, and sleeps until something is to be done.
//!
//! The idea: the handler's thread is the whole executor. It polls the service's future when that was woken, and reads
//! the request's body when somebody wants it, since nobody else may touch the connection.
//!
//! The rule: being told and falling asleep are steps under one lock, so nobody is told in vain. A client that has left
//! is noticed by looking, a few times a second.

use parking_lot::{Condvar, Mutex};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// How often it is looked whether the client is still there.
const LOOK: Duration = Duration::from_millis(100);

/// What tells the thread.
#[derive(Debug, Default)]
pub(super) struct ThreadSignal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SignalState {
    /// The future is to be polled.
    is_woken: bool,
    /// Something else is to be done.
    is_nudged: bool,
}

impl ThreadSignal {
    /// Has the thread look at what is to be done, but not at its future.
    pub(super) fn nudge(&self) {
        self.state.lock().is_nudged = true;
        self.changed.notify_one();
    }

    fn take_woken(&self) -> bool {
        std::mem::take(&mut self.state.lock().is_woken)
    }

    fn is_woken(&self) -> bool {
        self.state.lock().is_woken
    }

    /// Waits until it is told something, or was since it waited last; for so long at most.
    fn wait(&self, limit: Duration) {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| !state.is_woken && !state.is_nudged, limit);
        state.is_nudged = false;
    }
}

impl Wake for ThreadSignal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.state.lock().is_woken = true;
        self.changed.notify_one();
    }
}

/// The client, as the thread sees it.
pub(super) trait ClientEnd {
    /// Does what is wanted of the client, if that is something: it may wait for a moment, and not at all `in_haste`.
    /// False: there is nothing to be done.
    fn attend(&mut self, in_haste: bool) -> bool;

    /// Whether nobody waits for the answer any more.
    fn has_left(&self) -> bool;
}

/// Nobody waits for the answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departed;

/// Polls `future` until it is ready, and attends to the client meanwhile.
pub(super) fn drive<T>(
    mut future: Pin<&mut impl Future<Output = T>>,
    signal: &Arc<ThreadSignal>,
    client: &mut impl ClientEnd,
) -> Result<T, Departed> {
    let waker = Waker::from(signal.clone());
    let mut task = Context::from_waker(&waker);
    let mut looked = Instant::now();
    let mut is_first = true;
    loop {
        if signal.take_woken() || is_first {
            is_first = false;
            if let Poll::Ready(output) = future.as_mut().poll(&mut task) {
                return Ok(output);
            }
        }
        if !client.attend(signal.is_woken()) {
            signal.wait(LOOK);
        }
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            if client.has_left() {
                return Err(Departed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::thread;

    /// Wants something so many times, and is there until it was looked at so often.
    struct ScriptedEnd {
        wants: usize,
        stays: std::cell::Cell<usize>,
    }

    impl ClientEnd for ScriptedEnd {
        fn attend(&mut self, _: bool) -> bool {
            let is_wanted = self.wants > 0;
            self.wants = self.wants.saturating_sub(1);
            is_wanted
        }

        fn has_left(&self) -> bool {
            let left = self.stays.get();
            self.stays.set(left.saturating_sub(1));
            left == 0
        }
    }

    fn client(wants: usize, stays: usize) -> ScriptedEnd {
        ScriptedEnd { wants, stays: stays.into() }
    }

    #[test]
    fn what_is_ready_needs_nobody() {
        let signal = Arc::new(ThreadSignal::default());
        let mut client = client(3, 0);
        assert_eq!(drive(pin!(async { 7 }), &signal, &mut client), Ok(7));
        assert_eq!(client.wants, 3, "nobody was asked for anything");
    }

    #[test]
    fn a_wake_from_elsewhere_is_not_lost() {
        let signal = Arc::new(ThreadSignal::default());
        let mut late = 0;
        for _ in 0..200 {
            let mut polls = 0;
            let future = poll_fn(|task| {
                polls += 1;
                if polls == 2 {
                    return Poll::Ready(());
                }
                let waker = task.waker().clone();
                thread::spawn(move || waker.wake());
                Poll::Pending
            });
            let begun = Instant::now();
            assert_eq!(drive(pin!(future), &signal, &mut client(1, 1000)), Ok(()));
            late += u32::from(begun.elapsed() >= LOOK);
        }
        // One that is lost is found when it is looked for the client. A busy machine may make some threads as late.
        assert!(late <= 20, "{late} of 200");
    }

    #[test]
    fn one_that_wakes_itself_is_polled_again_and_ends_with_its_client() {
        let signal = Arc::new(ThreadSignal::default());
        let mut polls = 0_u64;
        let future = poll_fn(|task| {
            polls += 1;
            task.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(drive(pin!(future), &signal, &mut client(0, 1)), Err(Departed));
        assert!(polls > 2, "{polls}");
    }
}
