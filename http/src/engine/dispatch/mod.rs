//! Which requests are handed over to workers, and how workers come to them.

#[cfg(feature = "tls-no-provider")]
pub(crate) mod handshake_time;
pub(crate) mod idle_cores;
pub(crate) mod leftovers;
pub(crate) mod predict;
pub(crate) mod queue;
#[cfg(feature = "tls-no-provider")]
pub(crate) mod reckoners;
pub(crate) mod reserve;
pub(crate) mod self_timing;
pub(crate) mod tolerance;

use crate::engine::dispatch::leftovers::Leftovers;
use crate::engine::dispatch::predict::Predictor;
use crate::engine::dispatch::queue::{Budget, HandOverQueue};

/// What drivers and the workers that they hand over to share.
#[derive(Debug)]
pub(crate) struct Dispatch<W> {
    pub(crate) predictor: Predictor,
    pub(crate) queue: HandOverQueue<W>,
    pub(crate) leftovers: Leftovers,
}

impl<W> Dispatch<W> {
    pub(crate) fn new(budget: Budget) -> Self {
        Dispatch {
            predictor: Predictor::new(),
            queue: HandOverQueue::new(budget),
            leftovers: Leftovers::default(),
        }
    }
}
