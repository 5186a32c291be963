//! What a test's clock does to an engine.
//!
//! The rule: drivers wait in the system's time, so each is woken when the clock was moved, and looks at it then.

use super::Engine;
use crate::util::test_clock::FollowsClock;
use std::time::Instant;

impl FollowsClock for Engine {
    fn rests(&self, by: Option<Instant>) -> (bool, usize) {
        let by = by.map_or(0, |by| self.clock.millis_at(by));
        let shards = self.shards.iter().map(|shard| shard.rests_since(by));
        shards.fold((true, 0), |sum, one| (sum.0 && one.0, sum.1 + one.1))
    }

    fn look_again(&self) {
        for shard in &self.shards {
            shard.look_again();
        }
    }
}
