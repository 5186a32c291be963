//! The files of the crate's floor `sockets` that have a protocol between threads, and the locks that they stand on
//! here.
#![allow(dead_code)]

pub(crate) mod sync {
    pub(crate) use crate::engine::sync::{Condvar, Instant, Mutex, lock, wait_until};
}

#[path = "../../../http/src/sockets/inbox.rs"]
pub(crate) mod inbox;
#[path = "../../../http/src/sockets/outbox.rs"]
pub(crate) mod outbox;
