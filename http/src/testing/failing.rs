//! How a test fails.

use std::fmt;

/// Fails the test, at the caller's place.
#[track_caller]
pub(super) fn fail(why: fmt::Arguments<'_>) -> ! {
    panic!("{why}")
}
