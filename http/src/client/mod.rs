//! The client: requests out, responses in, on the calling thread.
//!
//! ```text
//! until.rs     until when a call may take
//! error.rs     why it gave no response
//! names.rs     the addresses of names, cached
//! dial.rs      making a connection: both families, the first that answers
//! conn.rs      one connection: sending and receiving with limits, over the protocol's session
//! body.rs      what is sent while it is read
//! places.rs    how many connections there may be, which are idle, who waits
//! stock.rs     leases of connections, and their age
//! exchange.rs  one request on one connection
//! response.rs  what came back, as it arrives
//! options.rs   what the user says
//! host.rs      the client of one host: leases, exchanges, repetitions
//! ```
//!
//! The rule: whatever of a connection was not asked for, not read or not understood ends it. A connection that is used
//! again begins at the first byte of a response, or not at all.

mod body;
mod conn;
mod dial;
mod error;
mod exchange;
mod host;
mod names;
mod options;
mod places;
mod response;
mod stock;
mod until;

pub use body::SendBody;
pub use error::{ClientError, ClientErrorKind, ClientPhase};
pub use host::{HostClient, HostClientStats};
pub use names::Resolve;
pub use options::HostClientBuilder;
pub use places::ReuseOrder;
pub use response::ClientResponse;
