//! The thread that takes jobs from the source as the pool has room for them.

use std::time::Duration;

use super::fetched::Fetched;
use super::lines::{Lines, pause_after};
use crate::pool::WorkerPool;
use crate::sync::{Instant, StdArc};

/// For how long a fetch waits for a job, and so how long a stop may take to be noticed.
const WAIT: Duration = Duration::from_millis(100);

/// The feeder's body.
pub(super) fn feed(lines: &StdArc<Lines>, pool: &WorkerPool<Fetched>) {
    let ledger = &lines.ledger;
    lines.note_own_thread();
    let mut failures = 0;
    while let Some(limit) = ledger.await_room() {
        let asked = Instant::now();
        let succeeded = match lines.ask(|source| source.fetch(limit, WAIT)) {
            Ok(deliveries) if deliveries.is_empty() => true,
            Ok(deliveries) => {
                let fetched = Fetched::take_in(lines, deliveries, asked);
                // What is refused goes back when it is dropped.
                pool.submit_many(fetched).is_ok()
            }
            Err(error) => {
                lines.note(&error);
                false
            }
        };
        failures = if succeeded { 0 } else { failures + 1 };
        if failures > 0 {
            ledger.rest(pause_after(failures));
        }
    }
    // Not before: what was taken has to find the pool open.
    pool.stop();
    ledger.end_feeder();
}
