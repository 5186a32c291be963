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
    let lease = lines.source.lease();
    let period = (lease / PARTS).max(SHORTEST_PERIOD);
    let mut renew_at = Instant::now().checked_add(period);
    let mut failures = 0;
    let mut failing_since = None;
    while let Some(settlements) = lines.ledger.await_settlements(renew_at) {
        let mut outcome = tell(lines, settlements);
        let now = Instant::now();
        if outcome.is_ok() && renew_at.is_some_and(|at| at <= now) {
            outcome = renew(lines, now, period);
            renew_at = now.checked_add(period);
        }
        let Err(error) = outcome else {
            (failures, failing_since) = (0, None);
            continue;
        };
        failures += 1;
        lines.note(&error);
        let since = *failing_since.get_or_insert(now);
        // After a lease whoever got the jobs meanwhile has them by right.
        if lines.ledger.is_stopping() && now.saturating_duration_since(since) > lease {
            lines.ledger.abandon();
        } else {
            lines.ledger.rest_settling(pause_after(failures).min(period));
        }
    }
    lines.ledger.end_settler();
}

/// Tells the source; what it could not be told is put back.
fn tell(lines: &Lines, settlements: Vec<Settlement>) -> Result<(), SourceError> {
    let is_done = |settlement: &Settlement| matches!(settlement.verdict, Verdict::Done);
    let (done, mut others): (Vec<_>, Vec<_>) = settlements.into_iter().partition(is_done);
    if !done.is_empty() {
        let receipts: Vec<Receipt> = done.into_iter().map(|settlement| settlement.receipt).collect();
        match lines.source.acknowledge(&receipts) {
            Ok(known) => {
                let known = known.min(receipts.len());
                lines.ledger.record(receipts.len(), |stats| {
                    stats.acknowledged += known as u64;
                    stats.unconfirmed += (receipts.len() - known) as u64;
                });
            }
            Err(error) => {
                let done = |receipt| Settlement { receipt, verdict: Verdict::Done };
                others.extend(receipts.into_iter().map(done));
                lines.ledger.put_back(others);
                return Err(error);
            }
        }
    }
    let mut others = others.into_iter();
    while let Some(settlement) = others.next() {
        if let Err(error) = tell_one(lines, &settlement) {
            lines.ledger.put_back(std::iter::once(settlement).chain(others).collect());
            return Err(error);
        }
    }
    Ok(())
}

fn tell_one(lines: &Lines, settlement: &Settlement) -> Result<(), SourceError> {
    let Settlement { receipt, verdict } = settlement;
    let source = &lines.source;
    let was_ours = match verdict {
        Verdict::Done => source.acknowledge(std::slice::from_ref(receipt))? == 1,
        Verdict::Retry { delay, attempts } => source.give_back(receipt, *delay, *attempts)?,
        Verdict::Return { attempts } => source.give_back(receipt, Duration::ZERO, *attempts)?,
        Verdict::Bury { reason, attempts } => source.bury(receipt, *attempts, reason)?,
    };
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

/// Begins anew the leases that are older than a period, and tells which of the jobs have begun.
fn renew(lines: &Lines, now: Instant, period: Duration) -> Result<(), SourceError> {
    let Some(before) = now.checked_sub(period) else { return Ok(()) };
    let due = lines.ledger.renew(before, now);
    for (receipts, have_begun) in [(due.begun, true), (due.waiting, false)] {
        if !receipts.is_empty() {
            let source = &lines.source;
            let extended = if have_begun { source.begin(&receipts) } else { source.extend(&receipts) }?;
            lines.ledger.record(0, |stats| stats.extended += extended as u64);
        }
    }
    Ok(())
}
