//! Keeps panics of the user's code where they happen, and says what is known of them.
//!
//! The rule: whatever runs the user's code on one of our threads does it through this file: calls through [`call`],
//! values whose drop is the user's through [`Contained`].
//!
//! Where a panic happened is told to the process's panic hook alone, so there is one of ours in front of whatever hook
//! is there when the first server is made ([`watch`]). It notes the place for the thread, and calls the other one.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// A panic of the user's code, which ended there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Panicked {
    /// What it was called with, if that was text.
    pub(crate) message: Option<String>,
    /// `file:line:column`, if the hook was told.
    pub(crate) location: Option<String>,
}

thread_local! {
    /// The last panic of this thread that the hook was told of.
    static LAST: RefCell<Panicked> = RefCell::default();
}

impl Panicked {
    fn of(payload: &(dyn Any + Send)) -> Self {
        let message = text_of(payload);
        let last = LAST.try_with(RefCell::take).unwrap_or_default();
        // One that the hook was not told of (`resume_unwind`) may come behind one that somebody caught.
        let location = last.location.filter(|_| last.message == message);
        Self { message, location }
    }
}

/// `panicked at file:line:column on worker: message`, on one line whatever the message is.
impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("panicked")?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        write!(f, " on {}: ", std::thread::current().name().unwrap_or("a thread without a name"))?;
        match &self.message {
            Some(message) => write!(f, "{}", message.escape_debug()),
            None => f.write_str("(no text)"),
        }
    }
}

fn text_of(payload: &(dyn Any + Send)) -> Option<String> {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).map(str::to_owned)
}

/// Has the places of panics noted from now on.
pub(crate) fn watch() {
    static WATCH: Once = Once::new();
    // The hook cannot be changed meanwhile.
    if !std::thread::panicking() {
        WATCH.call_once(|| {
            let next = take_hook();
            set_hook(Box::new(move |info| {
                note(info);
                next(info);
            }));
        });
    }
}

fn note(info: &PanicHookInfo<'_>) {
    let text = info.payload().downcast_ref::<&str>().copied();
    let text = text.or_else(|| info.payload().downcast_ref::<String>().map(String::as_str));
    let noted =
        Panicked { message: text.map(str::to_owned), location: info.location().map(ToString::to_string) };
    // A thread that is about to end has none.
    let _ = LAST.try_with(|last| last.replace(noted));
}

/// Runs `code`. What it borrows must be put right by the caller when it panics.
#[inline]
pub(crate) fn call<R>(code: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(contain)
}

#[cold]
fn contain(payload: Box<dyn Any + Send>) -> Panicked {
    let panicked = Panicked::of(&*payload);
    // Dropping the payload runs code of the user's choosing, which may panic as well.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        log::error!("a panic payload panicked while it was dropped");
        // And could go on doing so without end.
        std::mem::forget(second);
    }
    panicked
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
            if let Err(panicked) = call(move || drop(value)) {
                log::error!("a value that a handler left behind {panicked}, while it was dropped");
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
        let said = |text: &str| Panicked { message: Some(text.to_owned()), location: None };
        assert_eq!(call(|| resume_unwind(Box::new("x"))), Err::<(), _>(said("x")));
        let bomb = call(|| resume_unwind(Box::new(Bomb)));
        assert_eq!(bomb, Err::<(), _>(Panicked::default()), "a payload that panics");
        drop(Contained::new(Bomb));
        let mut kept = Contained::new(5);
        assert_eq!(kept.as_mut(), Some(&mut 5));
        assert_eq!(kept.into_inner(), Some(5));
    }

    #[test]
    fn the_place_is_that_of_the_same_panic() {
        let noted = |message: &str| Panicked {
            message: Some(message.to_owned()),
            location: Some("src/x.rs:1:2".to_owned()),
        };
        LAST.with(|last| last.replace(noted("one\ntwo")));
        let panicked = call(|| resume_unwind(Box::new("one\ntwo"))).expect_err("it panics");
        let text = panicked.to_string();
        assert!(text.starts_with("panicked at src/x.rs:1:2 on ") && text.ends_with(r": one\ntwo"), "{text}");
        LAST.with(|last| last.replace(noted("another")));
        let panicked = call(|| resume_unwind(Box::new("one"))).expect_err("it panics");
        assert_eq!(panicked.location, None);
    }
}
