//! The file of the crate's floor `wire` that has a protocol between threads.
#![allow(dead_code)]

pub(crate) mod sync {
    pub(crate) use crate::engine::sync::{Arc, Condvar, Instant, Mutex, lock, wait_until};
}

#[path = "../../../http/src/wire/taken_over.rs"]
pub(crate) mod taken_over;
