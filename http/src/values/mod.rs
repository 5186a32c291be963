//! Values that stand alone: header fields and what they mean, URIs, arguments, cookies, forms.
//!
//! The rule: nothing in here knows of a connection, a request or a response.

pub(crate) mod args;
pub(crate) mod bad_option;
pub(crate) mod coding;
pub(crate) mod cookie;
pub(crate) mod event;
pub mod form;
pub mod header;
pub(crate) mod headers;
pub mod multipart;
pub(crate) mod status;
pub(crate) mod uri;
pub(crate) mod version;
