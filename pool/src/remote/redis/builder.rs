//! Opening a queue on Redis: its options, and what is looked at before anybody uses it.

use std::time::Duration;

use redis::Client;

use super::fetching::{Fetching, LONGEST_BLOCK};
use super::holder::Holder;
use super::link::Link;
use super::names::Keys;
use super::source::RedisSource;
use crate::remote::error::SourceError;
use crate::remote::job::JobId;

const DEFAULT_LEASE: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Options of a [`RedisSource`]; made by [`RedisSource::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `open` is called"]
pub struct RedisBuilder {
    url: String,
    queue: String,
    lease: Duration,
    timeout: Duration,
}

impl RedisBuilder {
    /// For how long a job that was fetched is out of the others' reach: 30 s when not set, counted in whole
    /// milliseconds, at least 1. A [`Consumer`](crate::remote::Consumer) begins it anew while a job runs, so it is not
    /// a limit on how long a job may take, but how long one is left alone whose process was killed.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long the server may take to accept a connection or to answer: 5 s when not set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects, and makes the queue if it is not there.
    ///
    /// # Errors
    /// When the address cannot be read, the server cannot be reached, does not let us in or is too old, or when a key
    /// of the queue holds something else.
    pub fn open(self) -> Result<RedisSource, SourceError> {
        let client = Client::open(self.url.as_str()).map_err(|error| SourceError::Failed(Box::new(error)))?;
        let link = |more| Link::new(client.clone(), self.timeout.saturating_add(more));
        let name = format!("{}-{}", std::process::id(), JobId::unique());
        let holder = Holder { keys: Keys::of(&self.queue), name, lease: self.lease };
        let mut telling = link(Duration::ZERO);
        holder.dismiss(&mut telling, "")?;
        Ok(RedisSource::new(holder, Fetching::new(link(LONGEST_BLOCK)), telling))
    }
}

impl RedisSource {
    /// The queue of this name on the server at `url`, `redis://[user][:password@]host[:port][/database]` or
    /// `unix:///path?pass=…`, with the default options.
    ///
    /// # Errors
    /// As [`RedisBuilder::open`].
    pub fn open(url: &str, queue: &str) -> Result<Self, SourceError> {
        Self::builder(url, queue).open()
    }

    /// Options, to be finished with [`open`](RedisBuilder::open).
    pub fn builder(url: &str, queue: &str) -> RedisBuilder {
        let (url, queue) = (url.to_owned(), queue.to_owned());
        RedisBuilder { url, queue, lease: DEFAULT_LEASE, timeout: DEFAULT_TIMEOUT }
    }
}
