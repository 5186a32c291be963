//! A request that is being handled, as it is seen from outside.

use std::fmt;
use std::time::Duration;

/// A request whose handler runs, for [`Server::requests_in_flight`](crate::Server::requests_in_flight).
#[derive(Clone, Debug)]
pub struct RequestInFlight {
    method: String,
    path: String,
    age: Duration,
    worker: String,
}

impl RequestInFlight {
    /// That of a line with the method and the target, of which the end may be missing.
    pub(crate) fn new(line: &[u8], age: Duration, worker: String) -> Self {
        let line = String::from_utf8_lossy(line);
        let (method, target) = line.split_once(' ').unwrap_or((&line, ""));
        let path = target.split(['?', '#']).next().unwrap_or_default();
        Self { method: method.to_owned(), path: path.to_owned(), age, worker }
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path as it was sent, without the query; the first hundred bytes or so.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How long its handler has run.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// The name of the thread that it runs on.
    pub fn worker(&self) -> &str {
        &self.worker
    }
}

/// `GET /path for 1.2s on anthill-3`.
impl fmt::Display for RequestInFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, age, worker } = self;
        write!(f, "{} {} for {age:.1?} on {worker}", method.escape_debug(), path.escape_debug())
    }
}
