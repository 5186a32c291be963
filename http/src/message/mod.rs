//! Requests and responses as users hold them: received or built, with their bodies under way.

#[cfg(test)]
mod conversations;
#[cfg(feature = "http")]
pub(crate) mod convert;
pub(crate) mod events;
pub(crate) mod problem;
pub(crate) mod request;
pub(crate) mod response;
