//! How clients of a test come to the server, and what they can learn of it.

use super::faults::Faults;
use crate::ctx::TestWatch;
use crate::engine::accept::in_memory::InMemoryListener;
use crate::server::Server;
use crate::wire::in_memory::{InMemoryStream, StreamCutter};
use parking_lot::Mutex;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// How long connecting may take.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// So many connections that have ended are remembered before they are looked for.
const SWEPT_FROM: usize = 64;

/// A server in memory, as its clients have it.
pub(super) struct Line {
    pub(super) listener: InMemoryListener,
    pub(super) server: Server,
    /// `None`: the server was built without one.
    pub(super) watch: Option<TestWatch>,
    conns: Mutex<Vec<StreamCutter>>,
}

impl Line {
    pub(super) fn new(server: Server) -> Self {
        let watch = server.test_watch().cloned();
        Self { listener: InMemoryListener::new(), server, watch, conns: Mutex::default() }
    }

    /// A connection, which a shard of the server has taken in.
    pub(super) fn dial(
        &self,
        from: Option<SocketAddr>,
        limit: Option<Duration>,
        faults: &Faults,
    ) -> io::Result<InMemoryStream> {
        let limit = limit.map_or(CONNECTED_WITHIN, |limit| limit.min(CONNECTED_WITHIN));
        let stream = self.listener.dial_taken_in(from, limit)?;
        let (outgoing, incoming) = faults.flows();
        stream.set_faults(outgoing, incoming);
        let mut conns = self.conns.lock();
        if conns.len() >= SWEPT_FROM {
            conns.retain(StreamCutter::is_open);
        }
        conns.push(stream.cutter());
        Ok(stream)
    }

    /// The time of day by the server's clock, which its clients have as well.
    pub(super) fn time(&self) -> SystemTime {
        self.watch.as_ref().map_or_else(SystemTime::now, |watch| watch.clock.time())
    }

    /// Cuts off what clients still have.
    pub(super) fn cut(&self) {
        for conn in self.conns.lock().drain(..) {
            conn.cut();
        }
    }

    /// Waits until the server has served what was sent to it so far; for handlers only for a moment.
    pub(super) fn settle(&self) {
        if let Some(watch) = &self.watch {
            watch.clock.settle();
        }
    }

    /// Adds what has gone wrong in the server, and what it is doing.
    pub(super) fn show_notes(&self, text: &mut String) {
        let notes = self.watch.as_ref().map(TestWatch::notes).unwrap_or_default();
        if !notes.is_empty() {
            text.push_str("\nwhat has gone wrong in the server, the last at the end:\n");
            for note in notes {
                let _ = writeln!(text, "- {note}");
            }
        }
        let running = self.server.requests_in_flight();
        if !running.is_empty() {
            text.push_str("\nhandlers that run:\n");
            for request in running {
                let _ = writeln!(text, "- {request}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_have_ended_are_forgotten() {
        let server = Server::new(|ctx| ctx.set_body("hello")).expect("the defaults");
        let line = Line::new(server);
        let running = line.server.start_all([&line.listener]).expect("it serves");
        let kept = line.dial(None, None, &Faults::new()).expect("a connection");
        for _ in 0..4 * SWEPT_FROM {
            drop(line.dial(None, None, &Faults::new()).expect("a connection"));
        }
        let remembered = line.conns.lock().len();
        assert!(remembered <= SWEPT_FROM, "{remembered}");
        line.cut();
        let written = io::Write::write(&mut &kept, b"GET");
        assert_eq!(written.expect_err("it is cut off").kind(), io::ErrorKind::BrokenPipe);
        running.shutdown(Duration::from_secs(10)).expect("nothing is under way");
    }
}
