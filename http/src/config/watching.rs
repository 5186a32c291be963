//! What a test knows of a server.

use crate::config::options::ServerBuilder;
use crate::ctx::TestWatch;
use crate::util::test_clock::TestClock;

/// Tests (feature `testing`).
impl ServerBuilder {
    /// Has the server's times be those of `clock`, which a test moves ahead; none when not set: they are the system's.
    /// A [`TestServer`](crate::testing::TestServer) has a clock of its own unless this is set.
    ///
    /// ```
    /// use anthill_http::testing::TestClock;
    /// use anthill_http::{Request, Server};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let clock = TestClock::new();
    /// let server = Server::builder().clock(&clock).build(|ctx| {
    ///     let ahead = ctx.time().duration_since(SystemTime::now()).unwrap_or_default();
    ///     ctx.set_body(format!("{} h", ahead.as_secs().div_ceil(3600)));
    /// })?;
    /// clock.advance(Duration::from_secs(3600));
    /// assert_eq!(server.call(&Request::new("GET", "/")?)?.body(), b"1 h");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(mut self, clock: &TestClock) -> Self {
        self.ctx.watch = Some(TestWatch::new(clock.clone()));
        self
    }

    /// Has what a test is to know of the server told, by the clock that was said, or one of its own.
    pub(crate) fn watched(mut self) -> Self {
        self.ctx.watch.get_or_insert_default();
        self
    }
}
