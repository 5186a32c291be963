//! Which requests are handed over to workers, and how workers come to them.

pub(crate) mod pick_up;
pub(crate) mod predict;
