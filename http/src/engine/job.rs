//! What the pool's workers do for the engine.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::engine::Engine;
#[cfg(feature = "tls-no-provider")]
use crate::engine::dispatch::reckoners::Unbegun;
use crate::engine::driver::{DriveEnd, drive};
use crate::engine::helper::{next_piece, serve_handed_over};
#[cfg(feature = "tls-no-provider")]
use crate::engine::reckoning::{self, Unshaken};
use crate::engine::shard::lease::{Sighting, Term};

/// A job for a worker of the engine's pool.
pub(crate) enum Job {
    /// Drive the shard of this number from the start.
    Drive(Arc<Engine>, usize, Term),
    /// Take over the shard of this number, if its driver is still where it was seen.
    TakeOver(Arc<Engine>, usize, Sighting),
    /// Serve the connections that were handed over.
    ServeHandedOver(Arc<Engine>),
    /// Be in reserve, until a shard is to be taken over.
    StandBy(Arc<Engine>),
    /// Reckon for the handshake of this connection, and for others that wait.
    #[cfg(feature = "tls-no-provider")]
    Reckon(Arc<Engine>, Unbegun<Unshaken>),
    /// Whatever keeps a worker busy.
    #[cfg(test)]
    Run(Box<dyn FnOnce() + Send>),
}

impl Job {
    /// What was to be reckoned, if it is that.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) fn into_unbegun(self) -> Option<Unbegun<Unshaken>> {
        match self {
            Job::Reckon(_, unbegun) => Some(unbegun),
            _ => None,
        }
    }

    /// Does it; returns when the worker is free again.
    pub(crate) fn run(self) {
        let engine = match self {
            Job::Drive(engine, shard, term) => {
                drive_while_possible(&engine, shard, term);
                engine
            }
            Job::TakeOver(engine, shard, sighting) => {
                take_over(&engine, shard, sighting);
                engine
            }
            Job::ServeHandedOver(engine) => {
                let first = engine.dispatch.queue.arrive();
                serve_handed_over(&engine, first);
                engine
            }
            Job::StandBy(engine) => {
                stand_by(&engine);
                engine
            }
            #[cfg(feature = "tls-no-provider")]
            Job::Reckon(engine, first) => {
                reckoning::reckon(&engine, first.work);
                engine
            }
            #[cfg(test)]
            Job::Run(code) => return code(),
        };
        loop {
            // Whatever brought this worker here, it is warm: before it parks it looks for what would need another.
            let first = engine.dispatch.queue.join_and_take();
            serve_handed_over(&engine, first);
            if !engine.reserve.expect_one() {
                return;
            }
            stand_by(&engine);
        }
    }
}

/// Waits in reserve, and does what it is called for.
fn stand_by(engine: &Arc<Engine>) {
    engine.reserve.stand_by(|(shard, sighting)| take_over(engine, shard, sighting));
}

fn drive_while_possible(engine: &Arc<Engine>, shard: usize, term: Term) {
    match drive(engine, shard, term) {
        DriveEnd::Shard => {}
        DriveEnd::Overtaken(lane) => {
            let next = next_piece(engine, lane);
            serve_handed_over(engine, next);
        }
    }
}

/// False: the driver was not in that handler any more.
fn take_over(engine: &Arc<Engine>, index: usize, sighting: Sighting) -> bool {
    let (shard, queue) = (&engine.shards[index], &engine.dispatch.queue);
    let route = shard.announced();
    // Before somebody else drives. One that is not asleep computes, or waits for a CPU; then it tells by itself which
    // it was, or the next one finds out.
    let is_asleep = shard.is_driver_asleep().unwrap_or(true);
    let Some(term) = queue.overtake(|| shard.lease.take_over(sighting)) else { return false };
    if is_asleep {
        engine.dispatch.predictor.surprised(route);
    } else {
        shard.suspect();
    }
    engine.service.counters.workers.revoked_leases.fetch_add(1, Ordering::Relaxed);
    drive_while_possible(engine, index, term);
    true
}
