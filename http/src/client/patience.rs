//! How long a call waits: until a moment, and unless it is called off.
//!
//! The idea: a call waits at one place at a time, and says which by saying how whoever waits there is woken. A token
//! that is cancelled wakes it there, and it finds that it was called off.
//!
//! The rule: a place is left under the lock under which it is woken. So a token that is cancelled late never touches
//! what somebody else has by then: a thread that waits for something else, a connection of another call.

use super::until::Until;
use anthill_pool::{CancelListener, CancelToken};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a call waits; see the module's text. A clone is the same call's.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallPatience {
    until: Until,
    cancellation: Option<Arc<Cancellation>>,
}

struct Cancellation {
    token: CancelToken,
    place: Arc<WaitingPlace>,
    _listener: CancelListener,
}

/// Where the call waits now.
#[derive(Default)]
struct WaitingPlace(Mutex<Option<WakeWaiter>>);

type WakeWaiter = Box<dyn Fn() + Send>;

/// A place at which the call waits, until this is dropped.
#[must_use = "nobody is woken any more when this is dropped"]
pub(crate) struct WaitingHere(Option<Arc<WaitingPlace>>);

impl CallPatience {
    /// For a call that takes so long at most, and may be called off by `token`.
    pub(crate) fn new(limit: Option<Duration>, token: Option<&CancelToken>) -> Self {
        let cancellation = token.map(|token| {
            let place = Arc::new(WaitingPlace::default());
            let woken = place.clone();
            let listener = token.on_cancel(move || woken.wake());
            Arc::new(Cancellation { token: token.clone(), place, _listener: listener })
        });
        Self { until: Until::after(limit), cancellation }
    }

    /// The same, or for so long from now, if that is nearer.
    pub(crate) fn or_after(&self, limit: Option<Duration>) -> Self {
        Self { until: self.until.or_after(limit), cancellation: self.cancellation.clone() }
    }

    /// The same, or until that moment, if that is nearer.
    pub(crate) fn or(&self, until: Until) -> Self {
        Self { until: self.until.or(until), cancellation: self.cancellation.clone() }
    }

    /// Half of what is left of its time, from now; never, if there is no end to it.
    pub(crate) fn half(&self) -> Until {
        self.until.left().map_or_else(Until::default, |left| Until::after(Some(left / 2)))
    }

    /// The moment at which time is up.
    pub(crate) fn until(&self) -> Until {
        self.until
    }

    /// Whether somebody may call it off.
    pub(crate) fn can_be_cancelled(&self) -> bool {
        self.cancellation.is_some()
    }

    /// Whether it was called off.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancellation.as_ref().is_some_and(|cancellation| cancellation.token.is_cancelled())
    }

    /// Whether there is nothing to wait for any more: time is up, or it was called off.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_over() || self.is_cancelled()
    }

    /// Says how to wake whoever waits from here on. To be looked at then: [`CallPatience::is_cancelled`], which may be
    /// true already. No lock may be held that the waking takes.
    pub(crate) fn waits(&self, wake: impl FnOnce() -> WakeWaiter) -> WaitingHere {
        let place = self.cancellation.as_ref().map(|cancellation| {
            *cancellation.place.0.lock() = Some(wake());
            cancellation.place.clone()
        });
        WaitingHere(place)
    }

    /// Waits on this thread, which whatever is awaited unparks, until `is_there` gives something or there is nothing to
    /// wait for any more.
    pub(crate) fn park_until<T>(&self, mut is_there: impl FnMut() -> Option<T>) -> Option<T> {
        let _here = self.waits(|| {
            let thread = std::thread::current();
            Box::new(move || thread.unpark())
        });
        loop {
            // Looked at before, so that what came in the last moment counts.
            let is_over = self.is_over();
            if let Some(found) = is_there() {
                return Some(found);
            }
            if is_over {
                return None;
            }
            match self.until.left() {
                Some(left) => std::thread::park_timeout(left),
                None => std::thread::park(),
            }
        }
    }

    /// Waits for so long. False: there was nothing to wait for any more before.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let end = self.or_after(Some(pause));
        let _: Option<()> = end.park_until(|| None);
        !self.is_over()
    }
}

impl WaitingPlace {
    fn wake(&self) {
        if let Some(wake) = &*self.0.lock() {
            wake();
        }
    }
}

impl Drop for WaitingHere {
    fn drop(&mut self) {
        if let Some(place) = &self.0 {
            let left = place.0.lock().take();
            drop(left);
        }
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancellation").field("token", &self.token).finish_non_exhaustive()
    }
}

impl fmt::Debug for WaitingHere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitingHere")
    }
}

impl From<Until> for CallPatience {
    fn from(until: Until) -> Self {
        Self { until, cancellation: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_token_wakes_only_whoever_waits_now() {
        let token = CancelToken::new();
        let patience = CallPatience::new(None, Some(&token));
        let woken = Arc::new(AtomicUsize::new(0));
        let waking = |by: usize| -> WakeWaiter {
            let woken = woken.clone();
            Box::new(move || {
                woken.fetch_add(by, Ordering::SeqCst);
            })
        };
        drop(patience.waits(|| waking(1)));
        let here = patience.waits(|| waking(10));
        assert!(!patience.is_cancelled());
        token.cancel();
        assert!(patience.is_cancelled() && patience.or_after(None).is_over());
        assert_eq!(woken.load(Ordering::SeqCst), 10);
        drop((here, patience));
        assert_eq!(Arc::strong_count(&woken), 1, "nothing is kept by the token");
    }

    #[test]
    fn a_pause_ends_by_time_by_its_own_length_and_by_a_token() {
        let hour = Duration::from_secs(3600);
        assert!(CallPatience::default().pause(Duration::from_millis(1)));
        assert!(!CallPatience::new(Some(Duration::from_millis(1)), None).pause(hour));
        let token = CancelToken::new();
        let patience = CallPatience::new(None, Some(&token));
        std::thread::scope(|scope| {
            let pausing = scope.spawn(|| patience.pause(hour));
            std::thread::sleep(Duration::from_millis(10));
            token.cancel();
            assert!(!pausing.join().expect("it ends"));
        });
        assert!(!patience.pause(hour), "it was called off before");
    }
}
