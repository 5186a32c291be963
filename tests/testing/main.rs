//! The testing kit as its users have it, and how its assertions fail.

mod assertions;
mod clients;
mod clocks;
mod conns;
mod ends;
mod expiry;
mod many;
mod streams;
mod units;
mod whole_app;

/// The example, whose tests run here too.
#[allow(dead_code, reason = "its main is not called")]
#[path = "../../http/examples/tested-app.rs"]
mod tested_app;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The message with which `test` fails.
#[track_caller]
fn failure<T>(test: impl FnOnce() -> T) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(test()))) else {
        panic!("it does not fail");
    };
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().expect("a text")).to_owned(),
    }
}

/// All of `parts` are in `message`, in this order.
#[track_caller]
fn assert_in_order(message: &str, parts: &[&str]) {
    let mut rest = message;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} (in this place) in:\n{message}"));
        rest = &rest[at + part.len()..];
    }
}
