//! Keeps panics of the user's code where they happen.
//!
//! The rule: whatever runs the user's code on one of our threads does it through this file: calls through [`call`],
//! values whose drop is the user's through [`Contained`].

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The user's code panicked; that was logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs `code`. What it borrows must be put right by the caller when it panics.
#[inline]
pub(crate) fn call<R>(code: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        // Dropping the payload runs code of the user's choosing, which may panic as well.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            log::error!("a panic payload panicked while it was dropped");
            // And could go on doing so without end.
            std::mem::forget(second);
        }
        Panicked
    })
}

/// A value of the user's, whose drop may panic without harm.
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// `None` only while it is dropped.
    pub(crate) fn as_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut()
    }

    /// The same, to look at.
    pub(crate) fn as_ref(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// The value itself, whose drop is the caller's business from now on.
    pub(crate) fn into_inner(mut self) -> Option<T> {
        self.0.take()
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            if call(move || drop(value)).is_err() {
                log::error!("a value that a handler left behind panicked while it was dropped");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::resume_unwind;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            // Without the noise of the panic hook.
            resume_unwind(Box::new("while dropped"));
        }
    }

    #[test]
    fn panics_stay_where_they_are() {
        assert_eq!(call(|| 7), Ok(7));
        assert_eq!(call(|| resume_unwind(Box::new("x"))), Err::<(), _>(Panicked));
        assert_eq!(call(|| resume_unwind(Box::new(Bomb))), Err::<(), _>(Panicked), "a payload that panics");
        drop(Contained::new(Bomb));
        let mut kept = Contained::new(5);
        assert_eq!(kept.as_mut(), Some(&mut 5));
        assert_eq!(kept.into_inner(), Some(5));
    }
}
