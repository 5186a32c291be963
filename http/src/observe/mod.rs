//! What operators see of a server: requests that are over, states of connections, lines for a log.
//!
//! The rule: nothing in here is asked for by whoever serves. It is told, and may take its time.

pub(crate) mod access_log;
pub(crate) mod completed;
mod escape;
pub(crate) mod in_flight;
pub(crate) mod latency;
pub(crate) mod notice;
pub(crate) mod response_counts;

use std::fmt;

/// What a connection is doing, for [`conn_state`](crate::ServerBuilder::conn_state) (fasthttp's `ConnState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnState {
    /// It was taken in, and has sent nothing yet.
    #[default]
    New,
    /// Something of a request has come, or is being answered.
    Active,
    /// Everything was answered and sent, and the next request has not begun.
    Idle,
    /// A handler has taken it over. The last state.
    Hijacked,
    /// It is closed. The last state.
    Closed,
}

/// fasthttp's names: `new`, `active`, `idle`, `hijacked`, `closed`.
impl fmt::Display for ConnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Hijacked => "hijacked",
            Self::Closed => "closed",
        })
    }
}
