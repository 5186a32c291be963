//! WebSockets as their users see them: what is sent to whom, who is told of what comes, and how all of it ends.
//!
//! The idea: whoever serves the connection moves bytes, and asks the [`SocketSession`] what they mean; between it and
//! the user's code stand two boxes. What is sent waits in an *outbox*, whichever thread sends it, until whoever serves
//! the connection takes it; what comes is given to a handler's methods, in order, one at a time, or waits in an *inbox*
//! for the loop that owns the socket. So a socket on which nothing happens is a connection that is parked like any
//! other.
//!
//! The files: the boxes, whose decisions are all taken under their locks (`outbox`, `inbox`; the models compile them as
//! they are); what senders and session share (`link`); who sends: one to one (`sender`), one to many (`group`); who is
//! told (`handler`, `socket`); the conversation itself (`session`), its times (`times`) and its ends (`end`).
//!
//! The rule: the user's code is called through the session alone, by whoever may run it; the frames are the codec's
//! affair.

mod counts;
mod end;
mod error;
mod group;
mod handler;
pub(crate) mod inbox;
mod link;
mod looping;
mod options;
pub(crate) mod outbox;
mod sender;
mod session;
mod socket;
mod sync;
mod times;

pub(crate) use counts::SocketCounters;
pub use counts::WebSocketStats;
pub use end::WebSocketEnd;
pub use error::WebSocketError;
pub use group::WebSocketGroup;
pub use handler::{WebSocketHandler, WebSocketResult};
pub(crate) use looping::{LoopFunction, LoopPlace, LoopStart};
#[cfg(feature = "client")]
pub(crate) use options::SocketSettings;
pub use options::{QueuePolicy, WebSocketOptions, WebSocketOptionsBuilder};
pub use sender::WebSocketSender;
pub(crate) use session::{BeforeParking, SocketSeed, SocketSession, SocketStep, SocketUser};
pub use socket::WebSocket;
