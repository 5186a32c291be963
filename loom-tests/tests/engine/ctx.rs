//! The file of the crate's floor `ctx` that has a protocol between threads.
#![allow(dead_code)]

#[path = "../../../http/src/ctx/attempt.rs"]
pub(crate) mod attempt;
