//! Which requests are handed over to workers, and how workers come to them.

pub(crate) mod queue;
pub(crate) mod predict;
