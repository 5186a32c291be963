//! One job on a worker: reading its payload, running the handler, and what follows from how that ended.

use std::marker::PhantomData;
use std::panic::resume_unwind;

use super::fetched::Fetched;
use super::ledger::{RunEnd, Verdict};
use super::lines::message;
use super::outcome::{IntoOutcome, Job, Outcome};
use super::payload::Payload;
use crate::backoff::Backoff;
use crate::panic::catch;

/// What runs jobs of one consumer.
pub(super) struct JobRunner<P, H> {
    handler: H,
    retry: Backoff,
    reads: PhantomData<fn() -> P>,
}

impl<P, O, H> JobRunner<P, H>
where
    P: Payload,
    O: IntoOutcome,
    H: Fn(&Job<P>) -> O,
{
    pub(super) fn new(handler: H, retry: Backoff) -> Self {
        JobRunner { handler, retry, reads: PhantomData }
    }

    /// Runs a job and settles it. A panic of the handler goes on once that is done, for the pool to report.
    pub(super) fn run(&self, fetched: Fetched) {
        let delivery = &fetched.delivery;
        let attempt = delivery.attempt;
        // The attempts before have ended without anybody who could tell: with their process.
        if attempt > 1 && self.retry.delay_after(attempt - 1).is_none() {
            let reason = format!("{} attempts were begun, and the last one did not end", attempt - 1);
            return fetched.settle(Verdict::Bury { reason, attempts: attempt - 1 }, RunEnd::NotRun);
        }
        if !fetched.begin() {
            // Given back by being dropped, if it is ours.
            return;
        }
        let read = match &delivery.fault {
            Some(fault) => Ok(Err(fault.clone())),
            None => catch(|| P::read(delivery.version, &delivery.body).map_err(|error| error.to_string())),
        };
        let payload = match read {
            Ok(Ok(payload)) => payload,
            Ok(Err(reason)) => {
                let reason = format!("the payload cannot be read: {reason}");
                return fetched.settle(Verdict::Bury { reason, attempts: attempt }, RunEnd::NotRun);
            }
            Err(panic) => {
                let reason = format!("reading the payload panicked: {}", message(&panic));
                fetched.settle(Verdict::Bury { reason, attempts: attempt }, RunEnd::NotRun);
                resume_unwind(panic)
            }
        };
        let job = Job::new(payload, delivery.id.clone(), attempt, delivery.priority);
        match catch(|| (self.handler)(&job).into_outcome()) {
            Ok(outcome) => {
                let run = if outcome == Outcome::Done { RunEnd::Succeeded } else { RunEnd::Failed };
                fetched.settle(self.verdict(outcome, attempt), run);
            }
            Err(panic) => {
                let outcome =
                    Outcome::Retry { reason: format!("panicked: {}", message(&panic)), after: None };
                fetched.settle(self.verdict(outcome, attempt), RunEnd::Panicked);
                resume_unwind(panic)
            }
        }
    }

    fn verdict(&self, outcome: Outcome, attempts: u32) -> Verdict {
        match outcome {
            Outcome::Done => Verdict::Done,
            Outcome::Bury { reason } => Verdict::Bury { reason, attempts },
            Outcome::Retry { reason, after } => match self.retry.delay_after(attempts) {
                Some(delay) => Verdict::Retry { delay: after.unwrap_or(delay), attempts },
                None => Verdict::Bury { reason, attempts },
            },
        }
    }
}
