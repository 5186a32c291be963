//! A token that lets one thread call off what others wait for.

use std::fmt;

use crate::sync::{Arc, Mutex, StdArc};

/// Calls off submissions that wait, from another thread; a clone is the same token.
///
/// Given to a submission by [`Submission::cancel_with`](crate::Submission::cancel_with). Any number of submissions may
/// share one. A payload that was accepted already is not affected; a task that runs is told by its
/// [`TaskToken`](crate::TaskToken). Whatever else waits can be called off as well ([`on_cancel`](Self::on_cancel)); of
/// `anthill-http` the calls of its client are.
///
/// ```
/// use std::sync::{Arc, Barrier};
/// use anthill_pool::{CancelToken, SubmitError, WorkerPool};
///
/// let gate = Arc::new(Barrier::new(2));
/// let held = gate.clone();
/// let pool = WorkerPool::new(1, move |_: &str| { held.wait(); })?;
/// pool.submit("first")?;
///
/// let token = CancelToken::new();
/// let other = token.clone();
/// let canceller = std::thread::spawn(move || other.cancel());
/// let refused = pool.submission("second").cancel_with(&token).submit();
/// assert!(matches!(refused, Err(SubmitError::Cancelled("second"))));
/// canceller.join().unwrap();
/// gate.wait();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CancelToken {
    state: Arc<Mutex<TokenState>>,
}

struct TokenState {
    cancelled: bool,
    next_key: u64,
    listeners: Vec<(u64, Listener)>,
}

type Listener = StdArc<dyn Fn() + Send + Sync>;

impl CancelToken {
    /// A token that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        CancelToken {
            state: Arc::new(Mutex::new(TokenState { cancelled: false, next_key: 0, listeners: Vec::new() })),
        }
    }

    /// Calls off everything that waits with this token, now and later. Nothing the second time.
    pub fn cancel(&self) {
        let mut state = self.state.lock();
        state.cancelled = true;
        let listeners = std::mem::take(&mut state.listeners);
        // Listeners take a pool's lock, under which the token is looked at: never both.
        drop(state);
        for (_, listener) in listeners {
            listener();
        }
    }

    /// True once [`cancel`](Self::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.lock().cancelled
    }

    /// Has `listener` called by [`cancel`](Self::cancel), on the thread that cancels, until what is returned is
    /// dropped; at once, on this thread, when the token was cancelled before. So whatever waits can be called off with
    /// a token.
    ///
    /// A call that has begun is not waited for by dropping: `listener` may still run for a moment behind it. It must
    /// not panic, or others that wait with the token are not called off.
    ///
    /// ```
    /// use anthill_pool::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// let waiting = std::thread::current();
    /// let _listening = token.on_cancel(move || waiting.unpark());
    /// let other = token.clone();
    /// let canceller = std::thread::spawn(move || other.cancel());
    /// while !token.is_cancelled() {
    ///     std::thread::park();
    /// }
    /// canceller.join().unwrap();
    /// ```
    #[must_use = "the listener is called only until this is dropped"]
    pub fn on_cancel(&self, listener: impl Fn() + Send + Sync + 'static) -> CancelListener {
        let listening = CancelListener { token: self.clone(), key: self.add(StdArc::new(listener)) };
        if self.is_cancelled() {
            // Nobody else calls it any more if it is still there.
            if let Some(listener) = self.remove(listening.key) {
                listener();
            }
        }
        listening
    }

    /// Has `listener` called by `cancel`, until the returned registration is dropped. When it was cancelled before, it
    /// is not called: look after registering.
    pub(crate) fn listen(&self, listener: Listener) -> Registration<'_> {
        Registration { token: self, key: self.add(listener) }
    }

    fn add(&self, listener: Listener) -> u64 {
        let mut state = self.state.lock();
        let key = state.next_key;
        state.next_key += 1;
        state.listeners.push((key, listener));
        key
    }

    /// Takes a listener out that was not called.
    fn remove(&self, key: u64) -> Option<Listener> {
        let mut state = self.state.lock();
        let place = state.listeners.iter().position(|(found, _)| *found == key)?;
        Some(state.listeners.swap_remove(place).1)
    }
}

/// Has a listener called by a [`CancelToken`] until it is dropped; see [`CancelToken::on_cancel`].
#[derive(Debug)]
pub struct CancelListener {
    token: CancelToken,
    key: u64,
}

impl Drop for CancelListener {
    fn drop(&mut self) {
        drop(self.token.remove(self.key));
    }
}

pub(crate) struct Registration<'t> {
    token: &'t CancelToken,
    key: u64,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        // Not under the lock: it may have the last of something.
        drop(self.token.remove(self.key));
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("cancelled", &self.is_cancelled()).finish()
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_listener_is_called_once_whether_it_comes_before_or_after() {
        let token = CancelToken::new();
        let calls = StdArc::new(AtomicUsize::new(0));
        let counting = || {
            let calls = calls.clone();
            token.on_cancel(move || {
                calls.fetch_add(1, Ordering::SeqCst);
            })
        };
        let before = counting();
        drop(counting());
        assert_eq!(calls.load(Ordering::SeqCst), 0);
        token.cancel();
        token.cancel();
        assert_eq!(calls.load(Ordering::SeqCst), 1, "one of them was gone");
        let after = counting();
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        drop((before, after));
        assert_eq!(StdArc::strong_count(&calls), 1, "nothing is kept");
    }
}
