//! What the tests send, and how they look at it.

use std::time::Duration;

use anthill_pool::Backoff;
use anthill_pool::remote::{Delivery, JobSource, Payload};
use serde::{Deserialize, Serialize};

/// A job that is known by its number.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Numbered(pub(crate) u64);

impl Payload for Numbered {}

/// Pauses that tests do not notice.
pub(crate) const SHORT: Backoff = Backoff::constant(Duration::from_millis(1));

/// The numbers of what was fetched.
pub(crate) fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| number(delivery.version, &delivery.body)).collect()
}

pub(crate) fn number(version: u32, body: &[u8]) -> u64 {
    Numbered::read(version, body).expect("a number").0
}

/// What can be had at once, up to so many.
#[track_caller]
pub(crate) fn fetch(source: &impl JobSource, limit: usize) -> Vec<Delivery> {
    source.fetch(limit, Duration::ZERO).expect("a source that answers")
}

/// One that is there, or comes.
#[track_caller]
pub(crate) fn fetch_one(source: &impl JobSource) -> Delivery {
    let mut fetched = source.fetch(1, anthill_tests::PATIENCE).expect("a source that answers");
    assert_eq!(fetched.len(), 1, "nothing came");
    fetched.remove(0)
}
