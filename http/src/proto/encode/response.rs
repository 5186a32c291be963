//! The head of a response.
//!
//! The order on the wire is fasthttp's: status line, `Server`, `Date`, `Content-Type`,
//! `Content-Encoding`, `Content-Length` or `Transfer-Encoding`, the others as they were added, `Trailer`, `Set-Cookie`,
//! `Connection`.

use super::{
    CHUNKED_LINE, DEFAULT_TYPE_LINE, Defaults, append_field, append_length, append_trailer_names,
    is_announced,
};
use crate::proto::close::{CloseReason, ConnectionOptions};
use crate::proto::framing::{ResponseFraming, parse_content_length, response_out};
use crate::values::headers::{FieldKind, Headers};
use crate::values::status;
use crate::values::version::Version;

/// A response's head to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseHead<'a> {
    pub(crate) status: u16,
    /// Empty: the standard one.
    pub(crate) reason: &'a [u8],
    pub(crate) fields: &'a Headers,
    /// How long the body is; `None`: nobody knows.
    pub(crate) length: Option<u64>,
    /// Whether what produces the body may go on reading the request.
    pub(crate) may_read_on: bool,
    /// Whether it does so even if no body is sent.
    pub(crate) reads_on_bodiless: bool,
    /// Whether it is somebody else's response, to which but a date is added.
    pub(crate) is_passed_on: bool,
}

/// What the `Connection` field of a response says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionField {
    /// Why the connection ends after this response.
    pub(crate) close: Option<CloseReason>,
    /// The client does not know by its version that the connection stays.
    pub(crate) keep_alive: bool,
    /// The `Upgrade` option is named. Passed in: it may be, if the message names it.
    pub(crate) upgrade: bool,
}

impl ConnectionField {
    fn line(self) -> &'static [u8] {
        match (self.close.is_some(), self.upgrade, self.keep_alive) {
            (true, true, _) => b"Connection: close, Upgrade\r\n",
            (true, false, _) => b"Connection: close\r\n",
            (false, true, _) => b"Connection: Upgrade\r\n",
            (false, false, true) => b"Connection: keep-alive\r\n",
            (false, false, false) => b"",
        }
    }
}

/// Appends the head of a response, with its empty line. Says why the connection ends after it, with the message's own
/// wishes.
pub(crate) fn append_response_head(
    buffer: &mut Vec<u8>,
    head: &ResponseHead<'_>,
    framing: ResponseFraming,
    mut connection: ConnectionField,
    defaults: &Defaults<'_>,
) -> Option<CloseReason> {
    let found = FieldsSeen::of(head.fields);
    if found.connection.close && connection.close.is_none() {
        connection.close = Some(CloseReason::WeAsked);
    }
    connection.upgrade &= found.connection.upgrade;
    let body_length = if framing.forces_empty { Some(0) } else { head.length };
    let length = match (found.content_length, body_length) {
        // A handler may spare itself making a body that will not be sent.
        (Some(length), Some(0)) if framing.ending.is_none() && !framing.forces_empty => Some(length),
        _ => body_length,
    };

    buffer.reserve(HEAD_BYTES_USUAL);
    append_start(buffer, head, &found, defaults);
    match found.content_type {
        Some(content_type) => append_field(buffer, b"Content-Type", content_type),
        None => {
            let may_have_content = framing.announces_length || framing.chunked || framing.ending.is_some();
            let adds_type = defaults.content_type && !head.is_passed_on;
            if adds_type && may_have_content && length != Some(0) {
                buffer.extend_from_slice(DEFAULT_TYPE_LINE);
            }
        }
    }
    if found.has_content_encoding {
        append_kind(buffer, head.fields, FieldKind::ContentEncoding);
    }
    if framing.chunked {
        buffer.extend_from_slice(CHUNKED_LINE);
    } else if framing.announces_length {
        append_length(buffer, length.unwrap_or(0));
    }
    if framing.chunked && found.has_trailer {
        append_others_and_trailer_names(buffer, head.fields);
    } else {
        // Where there is no place behind the body, trailers stand in the head like all others.
        head.fields.append_plain_lines(buffer);
    }
    if found.has_set_cookie {
        append_kind(buffer, head.fields, FieldKind::SetCookie);
    }
    // Behind a switch of protocols the connection goes on.
    let told = if head.status == 101 { ConnectionField { close: None, ..connection } } else { connection };
    buffer.extend_from_slice(told.line());
    buffer.extend_from_slice(b"\r\n");
    connection.close
}

/// Appends the status line, `Server` and `Date`: each field the message's own, or the server's for it.
#[inline(always)]
fn append_start(
    buffer: &mut Vec<u8>,
    head: &ResponseHead<'_>,
    found: &FieldsSeen<'_>,
    defaults: &Defaults<'_>,
) {
    let is_plain = head.reason.is_empty() && !head.is_passed_on;
    if head.status == 200 && is_plain && found.server.is_none() && found.date.is_none() {
        return buffer.extend_from_slice(defaults.start_of_ok());
    }
    status::append_line(buffer, head.status, head.reason);
    match found.server {
        Some(server) => append_field(buffer, b"Server", server),
        None if head.is_passed_on => {}
        None => buffer.extend_from_slice(defaults.server_line()),
    }
    match found.date {
        Some(date) => append_field(buffer, b"Date", date),
        None => buffer.extend_from_slice(defaults.date_line()),
    }
}

/// Appends the fields of that kind, which has a place of its own.
fn append_kind(buffer: &mut Vec<u8>, fields: &Headers, kind: FieldKind) {
    for (_, field) in fields.placed().filter(|(found, _)| *found == kind) {
        buffer.extend_from_slice(fields.line_of(field));
    }
}

/// Appends the fields that have no place of their own and are not announced as trailers, and the announcement.
fn append_others_and_trailer_names(buffer: &mut Vec<u8>, fields: &Headers) {
    let fields = fields.fields();
    for (name, value) in fields.pairs() {
        if FieldKind::of(name) == FieldKind::Other && !is_announced(fields, name) {
            append_field(buffer, name, value);
        }
    }
    append_trailer_names(buffer, fields);
}

/// Appends the head that a response has in answer to a `GET` of HTTP/1.1, without what a server adds, for a body that
/// is there; and says whether that body follows.
pub(crate) fn append_plain_response_head(buffer: &mut Vec<u8>, head: &ResponseHead<'_>) -> bool {
    let framing = response_out(b"GET", Version::Http11, head.status, head.length);
    let connection = ConnectionField { close: framing.close, keep_alive: false, upgrade: true };
    let defaults = Defaults::none(true);
    append_response_head(buffer, head, framing, connection, &defaults);
    framing.ending.is_some()
}

/// The interim response that asks a client for the body it announced.
// EXP-01.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Enough for the head of an ordinary response, so that its buffer grows once at most.
const HEAD_BYTES_USUAL: usize = 256;

/// What one look over those of a message's fields that have a place of their own found. Of what can only be sent once,
/// the last counts.
#[derive(Default)]
struct FieldsSeen<'a> {
    server: Option<&'a [u8]>,
    date: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    content_length: Option<u64>,
    has_content_encoding: bool,
    has_set_cookie: bool,
    has_trailer: bool,
    connection: ConnectionOptions,
}

impl<'a> FieldsSeen<'a> {
    fn of(fields: &'a Headers) -> Self {
        let mut found = Self::default();
        for (kind, field) in fields.placed() {
            let value = fields.value_of(field);
            match kind {
                FieldKind::Server => found.server = Some(value),
                FieldKind::Date => found.date = Some(value),
                FieldKind::ContentType => found.content_type = Some(value),
                FieldKind::ContentLength => found.content_length = parse_content_length(value).ok(),
                FieldKind::ContentEncoding => found.has_content_encoding = true,
                FieldKind::SetCookie => found.has_set_cookie = true,
                FieldKind::Trailer => found.has_trailer = true,
                FieldKind::Connection => found.connection.add(value),
                FieldKind::TransferEncoding | FieldKind::Other => {}
            }
        }
        found
    }
}
