//! The thread that tells the source what became of its jobs, and keeps the leases of those that take long.

use std::time::Duration;

use super::error::SourceError;
use super::job::Receipt;
use super::ledger::{Settlement, Verdict};
use super::lines::{Lines, pause_after};
use crate::sync::Instant;

/// A lease is begun anew when between one and two of so many parts of it have passed, so that several tries may fail.
const PARTS: u32 = 6;
/// However short leases are, they are not looked at more often.
const SHORTEST_PERIOD: Duration = Duration::from_millis(5);

/// The settler's body.
pub(super) fn settle(lines: &Lines) {
    lines.note_own_thread();
    let lease = lines.lease;
    let period = (lease / PARTS).max(SHORTEST_PERIOD);
    let mut renew_at = Instant::now().checked_add(period);
    let mut failures = 0;
    let mut failing_since = None;
    while let Some(settlements) = lines.ledger.await_settlements(renew_at) {
        let untold = tell(lines, settlements);
        let mut succeeded = untold.is_empty();
        let now = Instant::now();
        if renew_at.is_some_and(|at| at <= now) {
            // Whatever could not be told: the leases of what runs have to last.
            succeeded &= renew(lines, now, period);
            renew_at = now.checked_add(period);
        }
        if succeeded {
            (failures, failing_since) = (0, None);
            continue;
        }
        failures += 1;
        let since = *failing_since.get_or_insert(now);
        // After a lease whoever got the jobs meanwhile has them by right.
        if lines.ledger.is_stopping() && now.saturating_duration_since(since) > lease {
            // What has come since then is still to be tried.
            lines.ledger.abandon(untold);
        } else {
            lines.ledger.put_back(untold);
            lines.ledger.rest_settling(pause_after(failures).min(period));
        }
    }
    lines.ledger.end_settler();
}

/// Tells the source; returns what it could not be told, and the rest too when it is not to be reached.
fn tell(lines: &Lines, settlements: Vec<Settlement>) -> Vec<Settlement> {
    let is_done = |settlement: &Settlement| matches!(settlement.verdict, Verdict::Done);
    let (done, others): (Vec<_>, Vec<_>) = settlements.into_iter().partition(is_done);
    let mut untold = Vec::new();
    let mut is_reached = true;
    if !done.is_empty() {
        let receipts: Vec<Receipt> = done.into_iter().map(|settlement| settlement.receipt).collect();
        match lines.ask(|source| source.acknowledge(&receipts)) {
            Ok(known) => {
                let known = known.min(receipts.len());
                lines.ledger.record(receipts.len(), |stats| {
                    stats.acknowledged += known as u64;
                    stats.unconfirmed += (receipts.len() - known) as u64;
                });
            }
            Err(error) => {
                lines.note(&error);
                is_reached = !error.is_transient();
                let done = |receipt| Settlement { receipt, verdict: Verdict::Done };
                untold.extend(receipts.into_iter().map(done));
            }
        }
    }
    for settlement in others {
        if !is_reached {
            untold.push(settlement);
        } else if let Err(error) = tell_one(lines, &settlement) {
            lines.note(&error);
            is_reached = !error.is_transient();
            untold.push(settlement);
        }
    }
    untold
}

fn tell_one(lines: &Lines, settlement: &Settlement) -> Result<(), SourceError> {
    let Settlement { receipt, verdict } = settlement;
    let was_ours = lines.ask(|source| match verdict {
        Verdict::Done => Ok(source.acknowledge(std::slice::from_ref(receipt))? == 1),
        Verdict::Retry { delay, attempts } => source.give_back(receipt, *delay, *attempts),
        Verdict::Return { attempts } => source.give_back(receipt, Duration::ZERO, *attempts),
        Verdict::Bury { reason, attempts } => source.bury(receipt, *attempts, reason),
    })?;
    lines.ledger.record(1, |stats| {
        let count = match verdict {
            _ if !was_ours => &mut stats.unconfirmed,
            Verdict::Done => &mut stats.acknowledged,
            Verdict::Retry { .. } => &mut stats.retried,
            Verdict::Return { .. } => &mut stats.returned,
            Verdict::Bury { .. } => &mut stats.buried,
        };
        *count += 1;
    });
    Ok(())
}

/// Begins anew the leases that are older than a period, and tells which of the jobs have begun; false when that failed
/// for some.
fn renew(lines: &Lines, now: Instant, period: Duration) -> bool {
    let Some(before) = now.checked_sub(period) else { return true };
    let due = lines.ledger.renew(before, now);
    let mut succeeded = true;
    for (receipts, have_begun) in [(due.begun, true), (due.waiting, false)] {
        if receipts.is_empty() {
            continue;
        }
        let extended =
            lines.ask(|source| if have_begun { source.begin(&receipts) } else { source.extend(&receipts) });
        match extended {
            Ok(extended) => lines.ledger.record(0, |stats| stats.extended += extended as u64),
            Err(error) => {
                lines.note(&error);
                succeeded = false;
            }
        }
    }
    succeeded
}
