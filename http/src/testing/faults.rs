//! What goes wrong on the way between a client and the server.

use crate::wire::pipe::FlowFaults;
use std::num::NonZeroUsize;

/// What goes wrong on the connections of a client: [`TestClient::faults`](super::TestClient::faults).
///
/// ```
/// use anthill_http::client::ClientErrorKind;
/// use anthill_http::testing::{Faults, TestServer};
///
/// let server = TestServer::new(|ctx| {
///     let body = ctx.body().to_vec();
///     ctx.set_body(body);
/// });
/// // The server gets one byte at a time, and so does the client.
/// let torn = server.client().faults(Faults::new().torn(1));
/// torn.post("/").body("six legs").send().assert_text("six legs");
/// // A client that never hears the end.
/// let cut = server.client().faults(Faults::new().break_after_received(10));
/// let error = cut.get("/").try_send().unwrap_err();
/// assert_eq!(error.kind(), ClientErrorKind::ConnectionClosed);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "faults do nothing until a client has them"]
pub struct Faults {
    torn_sent: Option<NonZeroUsize>,
    torn_received: Option<NonZeroUsize>,
    break_sent: Option<u64>,
    break_received: Option<u64>,
    pub(super) refused: usize,
}

impl Faults {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// No read gets more than so many bytes, at either end; 0 is no fault. So whatever is looked for in what was read
    /// is torn at each place.
    pub fn torn(self, bytes: usize) -> Self {
        self.torn_sent(bytes).torn_received(bytes)
    }

    /// The same of what the server reads.
    pub fn torn_sent(mut self, bytes: usize) -> Self {
        self.torn_sent = NonZeroUsize::new(bytes);
        self
    }

    /// The same of what the client reads.
    pub fn torn_received(mut self, bytes: usize) -> Self {
        self.torn_received = NonZeroUsize::new(bytes);
        self
    }

    /// Each connection breaks when the client has sent so many bytes on it: those arrive, and nothing more in either
    /// direction; at least one.
    pub fn break_after_sent(mut self, bytes: u64) -> Self {
        self.break_sent = Some(bytes.max(1));
        self
    }

    /// Each connection breaks when the server has sent so many bytes on it; at least one.
    pub fn break_after_received(mut self, bytes: u64) -> Self {
        self.break_received = Some(bytes.max(1));
        self
    }

    /// The first `connections` that the client makes are refused.
    pub fn refuse(mut self, connections: usize) -> Self {
        self.refused = connections;
        self
    }

    /// What happens to what the client writes, and to what it reads.
    pub(super) fn flows(&self) -> (FlowFaults, FlowFaults) {
        let outgoing = FlowFaults { torn_by: self.torn_sent, breaks_after: self.break_sent };
        let incoming = FlowFaults { torn_by: self.torn_received, breaks_after: self.break_received };
        (outgoing, incoming)
    }
}
