//! Room for the header fields of a head while it is parsed.
//!
//! The idea: nearly all heads have few fields, so the room for them lies on the stack and costs nothing. A head with
//! more fields than that is parsed once more with room on the heap, if it may have so many.
//!
//! The rule: room is made for what has arrived, never for what a limit would allow.

use super::error::ProtoError;
use super::limits::{FIELDS_ON_STACK, Limits};
use std::mem::MaybeUninit;

/// Where `httparse` puts the fields it finds.
pub(crate) type Room<'b> = [MaybeUninit<httparse::Header<'b>>];

/// The bytes of the shortest field line: a name, a colon, the line end.
const FIELD_BYTES_MIN: usize = 4;

/// Calls `parse` with room for all the fields that a head of `bytes` bytes has, as far as `limits` allow them; twice
/// when the first room was too small.
#[inline]
pub(crate) fn with_room<'b, R>(
    bytes: usize,
    limits: &Limits,
    mut parse: impl FnMut(&mut Room<'b>) -> Result<R, httparse::Error>,
) -> Result<R, httparse::Error> {
    let mut room = [const { MaybeUninit::uninit() }; FIELDS_ON_STACK];
    match parse(&mut room[..limits.fields_on_stack()]) {
        Err(httparse::Error::TooManyHeaders) if limits.fields_max > FIELDS_ON_STACK => {
            let most = limits.fields_max.min(bytes / FIELD_BYTES_MIN);
            parse(&mut vec![MaybeUninit::uninit(); most])
        }
        parsed => parsed,
    }
}

/// What is wrong with the fields of a head, of either role.
pub(super) fn bad_field(error: httparse::Error) -> ProtoError {
    match error {
        httparse::Error::TooManyHeaders => ProtoError::TooManyFields,
        httparse::Error::HeaderName => ProtoError::BadFieldName,
        httparse::Error::HeaderValue => ProtoError::BadFieldValue,
        _ => ProtoError::Syntax,
    }
}
