//! What is told while payloads run: to `tracing` and to `metrics`, if the features of these names are on; else nothing,
//! at no cost.
//!
//! Subscribers and recorders are foreign code: what they panic with harms no worker.

use std::time::Duration;

use crate::error::Refusal;
use crate::panic::PanicValue;

#[cfg(all(feature = "tracing", not(anthill_loom)))]
use crate::panic::contain;

/// Inside of a payload's span, until this is dropped.
#[must_use = "the span ends when this is dropped"]
pub(crate) struct InSpan {
    #[cfg(all(feature = "tracing", not(anthill_loom)))]
    span: Option<tracing::span::EnteredSpan>,
}

/// A payload is about to run.
#[inline]
pub(crate) fn payload_span(pool: &str, worker: usize) -> InSpan {
    #[cfg(all(feature = "tracing", not(anthill_loom)))]
    return InSpan {
        span: contain(|| {
            tracing::debug_span!(target: "anthill_pool::payload", "payload", pool, worker).entered()
        }),
    };
    #[cfg(not(all(feature = "tracing", not(anthill_loom))))]
    {
        let _ = (pool, worker);
        InSpan {}
    }
}

#[cfg(all(feature = "tracing", not(anthill_loom)))]
impl Drop for InSpan {
    fn drop(&mut self) {
        contain(|| drop(self.span.take()));
    }
}

/// A payload has panicked, with this value.
pub(crate) fn payload_panicked(pool: &str, worker: usize, value: &PanicValue) {
    #[cfg(all(feature = "tracing", not(anthill_loom)))]
    contain(|| {
        let text = value.downcast_ref::<&str>().copied();
        let text = text.or_else(|| value.downcast_ref::<String>().map(String::as_str)).unwrap_or("...");
        tracing::error!(target: "anthill_pool::payload", pool, worker, panic = text, "a payload panicked");
    });
    let _ = (pool, worker, value);
}

/// A submission was refused.
pub(crate) fn submission_refused(pool: &str, refusal: Refusal) {
    #[cfg(all(feature = "tracing", not(anthill_loom)))]
    contain(|| {
        tracing::debug!(target: "anthill_pool::submission", pool, ?refusal, "a submission was refused: {refusal}");
    });
    let _ = (pool, refusal);
}

/// A worker's thread has begun.
pub(crate) fn worker_started(pool: &str, worker: usize) {
    #[cfg(all(feature = "tracing", not(anthill_loom)))]
    contain(|| tracing::debug!(target: "anthill_pool::worker", pool, worker, "a worker has started"));
    let _ = (pool, worker);
}

/// A worker's thread is about to end.
pub(crate) fn worker_stopped(pool: &str, worker: usize) {
    #[cfg(all(feature = "tracing", not(anthill_loom)))]
    contain(|| tracing::debug!(target: "anthill_pool::worker", pool, worker, "a worker has stopped"));
    let _ = (pool, worker);
}

/// A payload has waited and run for so long; told by pools that measure times.
pub(crate) fn payload_times(pool: &str, waited: Duration, ran: Duration) {
    #[cfg(all(feature = "metrics", not(anthill_loom)))]
    crate::panic::contain(|| {
        let labels = [metrics::Label::new("pool", pool.to_owned())];
        metrics::histogram!("anthill_pool_wait_seconds", labels.iter()).record(waited);
        metrics::histogram!("anthill_pool_run_seconds", labels.iter()).record(ran);
    });
    let _ = (pool, waited, ran);
}
