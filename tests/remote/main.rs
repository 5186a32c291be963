//! One binary for the tests of durable jobs: the contract of every source, and consumers.
//! (Skipped tests and what kills came to are told to whoever looks.)
#![allow(clippy::print_stderr)]

mod attempts;
mod conformance;
mod consumers;
mod errors;
mod finish;
mod flaky;
mod jobs;
mod on_redis;
mod settling;
mod source_panics;
mod stopping;
