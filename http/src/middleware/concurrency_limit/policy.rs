//! How many, and for how long others wait.

use super::gate::Gate;
use crate::config::error::BuildError;
use std::sync::Arc;
use std::time::Duration;

/// How many requests may be served at once, for [`concurrency_limit`](crate::middleware::concurrency_limit()). Clones,
/// and all handlers that it is around, have these places together.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit(pub(super) Arc<Gate>);

/// What can be said of a [`ConcurrencyLimit`].
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before it is built"]
pub struct ConcurrencyLimitBuilder {
    places: usize,
    patience: Duration,
    waiting_max: usize,
    retry_after: Duration,
}

impl ConcurrencyLimit {
    /// A policy of so many places, to say more: nobody waits, and whoever finds none may come again in a second.
    pub fn builder(places: usize) -> ConcurrencyLimitBuilder {
        let retry_after = Duration::from_secs(1);
        ConcurrencyLimitBuilder { places, patience: Duration::ZERO, waiting_max: 64, retry_after }
    }

    /// How many places are taken now.
    pub fn taken(&self) -> usize {
        self.0.taken()
    }

    /// How many requests wait for one now.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }
}

impl ConcurrencyLimitBuilder {
    /// How long a request waits for a place, in the order in which they came. Each that waits has a thread. Default:
    /// not at all.
    pub fn wait(mut self, longest: Duration) -> Self {
        self.patience = longest;
        self
    }

    /// How many may wait at once; further ones are answered at once. Default: 64.
    pub fn max_waiting(mut self, requests: usize) -> Self {
        self.waiting_max = requests;
        self
    }

    /// When those who found no place are asked to come again, in whole seconds. Default: in one.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = pause;
        self
    }

    /// Makes it a policy.
    ///
    /// # Errors
    /// When there are no places, and when requests may wait but none may.
    pub fn build(self) -> Result<ConcurrencyLimit, BuildError> {
        if self.places == 0 {
            return Err(BuildError::new("places", "must be at least 1"));
        }
        if !self.patience.is_zero() && self.waiting_max == 0 {
            return Err(BuildError::new(
                "max_waiting",
                "must be at least 1 where requests wait; or leave wait out",
            ));
        }
        Ok(ConcurrencyLimit(Arc::new(Gate::new(
            self.places,
            self.patience,
            self.waiting_max,
            self.retry_after,
        ))))
    }
}
