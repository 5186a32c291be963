//! A token that lets one thread call off what others wait for.

use std::fmt;

use crate::sync::{Arc, Mutex, StdArc};

/// Calls off submissions that wait, from another thread; a clone is the same token.
///
/// Given to a submission by [`Submission::cancel_with`](crate::Submission::cancel_with). Any number of submissions may
/// share one. A payload that was accepted already is not affected; a task that runs is told by its
/// [`TaskToken`](crate::TaskToken).
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

    /// Has `listener` called by `cancel`, until the returned registration is dropped. When it was cancelled before, it
    /// is not called: look after registering.
    pub(crate) fn listen(&self, listener: Listener) -> Registration<'_> {
        let mut state = self.state.lock();
        let key = state.next_key;
        state.next_key += 1;
        state.listeners.push((key, listener));
        Registration { token: self, key }
    }
}

pub(crate) struct Registration<'t> {
    token: &'t CancelToken,
    key: u64,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut state = self.token.state.lock();
        let place = state.listeners.iter().position(|(key, _)| *key == self.key);
        let listener = place.map(|place| state.listeners.swap_remove(place));
        drop(state);
        drop(listener);
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
