//! What a handler gets, and what it says at the end.

use std::fmt;
use std::time::Duration;

use super::job::JobId;
use crate::core::Priority;

/// A job that is being run; what a [`Consumer`](super::Consumer)'s handler gets.
#[derive(Debug)]
pub struct Job<P> {
    payload: P,
    id: JobId,
    attempt: u32,
    priority: Priority,
}

impl<P> Job<P> {
    pub(super) fn new(payload: P, id: JobId, attempt: u32, priority: Priority) -> Self {
        Job { payload, id, attempt, priority }
    }

    /// What was sent.
    pub fn payload(&self) -> &P {
        &self.payload
    }

    /// What the job is known by, the same in every attempt: of use for noticing that it was done before.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Which attempt this is, from 1. Above 1 an earlier one failed, or ended with its process, or may still be running
    /// somewhere that could not be reached for longer than its lease. At 1 it may have begun before all the same, see
    /// [what counts](super#what-counts-as-an-attempt).
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How urgent it was sent.
    pub fn priority(&self) -> Priority {
        self.priority
    }
}

/// How the run of a job ended, if it did not panic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is done, and acknowledged.
    Done,
    /// It failed, and is tried again while it has attempts left.
    Retry {
        /// Why; becomes the reason of the dead letter if this was the last attempt.
        reason: String,
        /// The pause before the next attempt; as [`retry`](super::ConsumerBuilder::retry) says when there is none.
        after: Option<Duration>,
    },
    /// It failed, and trying again would not help: a dead letter at once.
    Bury {
        /// Why.
        reason: String,
    },
}

/// What handlers may return: nothing, a result whose error means another attempt, or an [`Outcome`].
pub trait IntoOutcome {
    /// As an outcome.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Outcome::Done
    }
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Outcome {
        self
    }
}

impl<E: fmt::Display> IntoOutcome for Result<(), E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Retry { reason: error.to_string(), after: None },
        }
    }
}
