//! The one policy on panics of the user's code: they are caught where they could harm the pool, and what nobody can be
//! told is forgotten and not dropped, because the drop of a panic's value could panic again, without end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs code of the user's that must not take the pool along when it panics; `None` when it did.
pub(crate) fn contain<R>(code: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(code)).map_err(forget).ok()
}

/// Dropping a panic's value could panic again, without end.
pub(crate) fn forget(value: Box<dyn Any + Send>) {
    std::mem::forget(value);
}

/// Drops what nobody asked for; a panic of its drop harms nobody.
pub(crate) fn drop_quietly<T>(value: T) {
    contain(|| drop(value));
}

/// Drops all `objects`, also when some panic; then passes on the first panic.
pub(crate) fn drop_each<T>(objects: impl Iterator<Item = T>) {
    let mut first: Option<Box<dyn Any + Send>> = None;
    for object in objects {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(object))) {
            match first {
                None => first = Some(panic),
                Some(_) => forget(panic),
            }
        }
    }
    if let Some(panic) = first {
        resume_unwind(panic);
    }
}
