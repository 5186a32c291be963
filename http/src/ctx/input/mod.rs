//! What handlers read of a request as values of their own types: single ones, and, with the features for it, whole
//! structures.
//!
//! The idea: one error for all of it ([`InputError`]), which knows the status, the part of the request and the field,
//! and is a readable answer by itself.
//!
//! The rules: what is missing, and what cannot be read, are told apart. The head decides before the body is waited for
//! (its type, its coding), and limits before anything is parsed. What a client sent is repeated to it only in part.

mod error;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "serde")]
mod structures;
mod values;

pub use error::{InputError, InputErrorKind, InputPart};
