//! The files of handing over, by the same paths as in the library.

#[path = "../../../../http/src/engine/dispatch/queue.rs"]
pub(crate) mod queue;
#[path = "../../../../http/src/engine/dispatch/reckoners.rs"]
pub(crate) mod reckoners;
#[path = "../../../../http/src/engine/dispatch/reserve.rs"]
pub(crate) mod reserve;
