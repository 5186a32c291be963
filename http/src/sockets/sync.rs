//! What the boxes stand on, so that models can put other locks in their place.

pub(crate) use crate::wire::sync::{Condvar, Instant, Mutex, lock, wait_until};
