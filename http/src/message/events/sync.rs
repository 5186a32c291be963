//! What the mailbox stands on, so that models can put another lock in its place.

pub(crate) use crate::wire::sync::{Mutex, lock};
