//! Writes messages: the first line, the fields, the framing of a body.
//!
//! The idea: nearly everything is a copy of bytes that exist already. The fields that HTTP itself is about
//! (length, connection, date) are written here from facts, whatever the message's list of fields says.
//!
//! The rule: a head is written whole or not at all.

mod chunks;
mod defaults;
mod refusal;
mod request;
mod response;

pub(crate) use chunks::{append_chunk_end, append_chunk_start, append_last_chunk};
pub(crate) use defaults::{DefaultFields, Defaults};
pub(crate) use refusal::append_refusal;
pub(crate) use request::{RequestHead, append_request_head, is_continue};
pub(crate) use response::{
    CONTINUE, ConnectionField, ResponseHead, append_plain_response_head, append_response_head,
};

use super::trailer::is_trailer_name;
use crate::util::token;
use crate::values::headers::{FieldKind, Fields};

const CHUNKED_LINE: &[u8] = b"Transfer-Encoding: chunked\r\n";

const DEFAULT_TYPE_LINE: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n";

#[inline]
fn append_field(buffer: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    buffer.extend_from_slice(name);
    buffer.extend_from_slice(b": ");
    buffer.extend_from_slice(value);
    buffer.extend_from_slice(b"\r\n");
}

fn append_length(buffer: &mut Vec<u8>, length: u64) {
    buffer.extend_from_slice(b"Content-Length: ");
    buffer.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    buffer.extend_from_slice(b"\r\n");
}

/// Appends the lines of all fields that are announced as trailers.
pub(crate) fn append_trailer_lines(buffer: &mut Vec<u8>, fields: Fields<'_>) {
    if !fields.contains("Trailer") {
        return;
    }
    for (name, value) in fields.pairs() {
        if FieldKind::of(name) == FieldKind::Other && is_announced(fields, name) {
            append_field(buffer, name, value);
        }
    }
}

/// Appends the lines of those of `fields` that may be trailers.
#[cfg(any(feature = "client", feature = "tower"))]
pub(crate) fn append_trailers(buffer: &mut Vec<u8>, fields: Fields<'_>) {
    for (name, value) in fields.pairs().filter(|(name, _)| is_trailer_name(name)) {
        append_field(buffer, name, value);
    }
}

/// Appends the `Trailer` field with the names that may be trailers.
fn append_trailer_names(buffer: &mut Vec<u8>, fields: Fields<'_>) {
    let mut separator: &[u8] = b"Trailer: ";
    for name in fields.get_all("Trailer").flat_map(token::list).filter(|name| is_trailer_name(name)) {
        buffer.extend_from_slice(separator);
        buffer.extend_from_slice(name);
        separator = b", ";
    }
    if separator == b", " {
        buffer.extend_from_slice(b"\r\n");
    }
}

/// Whether the field called `name` is announced to be sent behind the body.
fn is_announced(fields: Fields<'_>, name: &[u8]) -> bool {
    is_trailer_name(name)
        && fields.get_all("Trailer").flat_map(token::list).any(|other| other.eq_ignore_ascii_case(name))
}
