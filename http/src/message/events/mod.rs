//! Streams of events: what a server sends when something happens, for as long as a client listens.
//!
//! The idea: events are put into a *mailbox* by whoever has one, and taken out by whoever serves the client's
//! connection, when the client takes more. Between the two stands no thread: a mailbox that was found empty has the
//! connection served again when something comes.
//!
//! The files: the mailbox, whose decisions are all taken under its lock (`mailbox`; the models compile it as it is);
//! what its reader is (`stream`), and who writes: one for one client (`channel`), one for many (`hub`, `subscribers`).
//!
//! The rule: whoever sends waits for no client and for nobody who serves one.

mod channel;
mod hub;
mod mailbox;
mod options;
mod stream;
mod subscribers;
mod sync;

pub use channel::{EventSender, event_channel, event_channel_with};
pub use hub::EventHub;
pub use options::{EventOptions, Overflow};
pub use stream::EventStream;
