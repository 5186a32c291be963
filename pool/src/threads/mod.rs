//! Threads: the worker's life and the cleaner's, how they are made, joined and told apart.

pub(crate) mod birth;
pub(crate) mod cleaner;
pub(crate) mod handler;
pub(crate) mod identity;
pub(crate) mod join;
pub(crate) mod made;
pub(crate) mod shared;
pub(crate) mod spawn;
mod worker;
