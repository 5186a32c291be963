//! Functions over bytes, files and threads that know nothing of requests, responses or connections.
//!
//! The rule: nothing in here imports from the rest of the crate.

pub(crate) mod authority;
pub(crate) mod byte_set;
pub(crate) mod coarse;
pub(crate) mod crc32c;
pub(crate) mod cut;
pub(crate) mod date;
pub(crate) mod file;
pub(crate) mod hash;
pub(crate) mod hex;
pub(crate) mod html;
#[cfg(feature = "router")]
pub(crate) mod intern;
pub(crate) mod json;
pub(crate) mod network;
pub(crate) mod origin;
pub(crate) mod pairs;
pub(crate) mod panic;
pub(crate) mod path;
pub(crate) mod pattern;
pub(crate) mod percent;
#[cfg(feature = "router")]
pub(crate) mod segments;
pub(crate) mod seldom;
pub(crate) mod span;
#[cfg(feature = "testing")]
pub(crate) mod test_clock;
pub(crate) mod text;
pub(crate) mod thread;
pub(crate) mod token;
pub(crate) mod words;
