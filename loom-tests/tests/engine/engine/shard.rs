//! A shard's files. As in the library, so that they find each other by the same paths.

#[path = "../../../../http/src/engine/shard/deadlines.rs"]
pub(crate) mod deadlines;
#[path = "../../../../http/src/engine/shard/idle.rs"]
pub(crate) mod idle;
#[path = "../../../../http/src/engine/shard/lease.rs"]
pub(crate) mod lease;
#[path = "../../../../http/src/engine/shard/slots.rs"]
pub(crate) mod slots;
#[path = "../../../../http/src/engine/shard/table.rs"]
pub(crate) mod table;
