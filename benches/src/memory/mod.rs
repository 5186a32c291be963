//! Protocol code without sockets: requests come out of memory and answers go nowhere.
//!
//! The idea is that of fasthttp's own server benchmark. A connection is an endless repetition of one request, so every
//! read is as full as it can be and a request costs what parsing, the handler and the answer cost; there is no system
//! call in it. `traffic` has the connection, `contest` runs and checks, the others are the contestants.

mod contest;
mod floor;
mod hyper;
mod ours;
mod traffic;

pub use contest::{Cost, cost};
pub use floor::Httparse;
pub use hyper::Hyper;
pub use ours::Ours;
pub use traffic::{Connection, GET, HELLO, Job, POST, READ_BYTES, Task, count_handled, handled};

/// Something that serves a connection on the calling thread.
pub trait Protocol: Sync + Sized {
    /// Whether it answers what it reads.
    const ANSWERS: bool;

    /// Made once for all threads of a run.
    fn start(job: Job) -> Self;

    /// Serves the connection until it ends.
    ///
    /// # Panics
    /// When that does not go well.
    fn serve(&self, connection: Connection);
}
