//! The one policy on panics of the user's code.
//!
//! They are caught where they could harm the pool. A panic's value that nobody can be told of is *forgotten* and not
//! dropped: its drop is the user's code too, and could panic again, without end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a panic was raised with.
pub(crate) type PanicValue = Box<dyn Any + Send>;

/// Runs code of the user's; a panic comes back as its value, for somebody who is told of it.
#[inline]
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, PanicValue> {
    catch_unwind(AssertUnwindSafe(code))
}

/// Runs code of the user's of whose panic nobody is told; `None` when it panicked.
pub(crate) fn contain<R>(code: impl FnOnce() -> R) -> Option<R> {
    catch(code).map_err(forget).ok()
}

/// Leaks a panic's value.
pub(crate) fn forget(value: PanicValue) {
    std::mem::forget(value);
}

/// Drops what nobody asked for; a panic of its drop harms nobody.
pub(crate) fn drop_quietly<T>(value: T) {
    contain(|| drop(value));
}

/// Drops each of these by itself: two drops of one container that both panic would abort the process.
pub(crate) fn drop_each_quietly<T>(values: impl IntoIterator<Item = T>) {
    values.into_iter().for_each(drop_quietly);
}

/// Drops every one of `objects`, also when some panic; then goes on panicking with the first panic.
pub(crate) fn drop_each<T>(objects: impl Iterator<Item = T>) {
    let mut first: Option<PanicValue> = None;
    for object in objects {
        if let Err(value) = catch(|| drop(object)) {
            match first {
                None => first = Some(value),
                Some(_) => forget(value),
            }
        }
    }
    if let Some(value) = first {
        resume_unwind(value);
    }
}

#[cfg(all(test, not(anthill_loom)))]
pub(crate) mod tests {
    use std::fmt;
    use std::io;

    use super::*;

    /// A value of the user's whose drop panics, also beside another panic.
    #[derive(Debug)]
    pub(crate) struct PanicsOnDrop;

    /// An error of a spawner's whose drop panics.
    pub(crate) fn error_that_panics_on_drop() -> io::Error {
        io::Error::other(PanicsOnDrop)
    }

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("planned: a drop of the user's");
        }
    }

    impl fmt::Display for PanicsOnDrop {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("planned: an error of the user's")
        }
    }

    impl std::error::Error for PanicsOnDrop {}

    #[test]
    fn several_drops_that_panic_are_contained_one_by_one() {
        drop_each_quietly([PanicsOnDrop, PanicsOnDrop, PanicsOnDrop]);
    }
}
