//! Compression of messages (`permessage-deflate`).
//!
//! The idea: by default each message is compressed by itself (*no context takeover*), so a coder is needed only while
//! one message is worked at. Coders are large and all alike; they lie in a pool for the whole process, and connections
//! without a message under way have none.
//!
//! The files: what is agreed on (`params`), the coders and their pools (`coders`), how much of a message waits before
//! one is taken for it (`unpack`), when a message that is sent is packed (`pack`).
//!
//! The rule: what comes out is bounded before it is kept.
//!
//! Source: RFC 7692.

mod coders;
mod pack;
mod params;
mod unpack;

pub(super) use pack::{Packer, pack_shared};
pub use params::{DeflateAnswerError, DeflateOptions, DeflateParams};
pub(super) use unpack::Unpacker;
