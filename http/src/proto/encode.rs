//! Writes messages: the first line, the fields, a body that is there, the framing of one that is not.
//!
//! The idea: nearly everything is a copy of bytes that exist already. The fields that HTTP itself is about
//! (length, connection, date) are written here from facts, whatever the handler put into its list.
//!
//! The order on the wire is fasthttp's (`HDR-08`): status line, `Server`, `Date`, `Content-Type`,
//! `Content-Encoding`, `Content-Length` or `Transfer-Encoding`, the others as they were added, `Trailer`, `Set-Cookie`,
//! `Connection`.
//!
//! The rule: a head is written whole or not at all, and a body that is there is written with it.

use super::error::{ProtoError, refusal_text};
use super::framing::{ResponseFraming, parse_content_length, response_framing};
use super::head::is_trailer_name;
use crate::message::request::Request;
use crate::message::response::Response;
use crate::util::date::HttpDate;
use crate::util::token;
use crate::values::headers::{Fields, Headers};
use crate::values::status;
use crate::values::version::Version;
use crate::wire::output::Output;

/// What a server adds to each response that does not say otherwise, as complete lines or nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ResponseDefaults<'a> {
    pub(crate) server_line: &'a [u8],
    pub(crate) date_line: &'a [u8],
    /// Whether a body without a `Content-Type` is called `text/plain; charset=utf-8`.
    pub(crate) content_type: bool,
}

/// Keeps these lines, which change once a second.
#[derive(Debug)]
pub(crate) struct DefaultLines {
    server_line: Vec<u8>,
    /// `None` to send none.
    date: Option<HttpDate>,
    date_line: Vec<u8>,
    seconds: u64,
    content_type: bool,
}

impl DefaultLines {
    /// The values are written as they are; they come from the server's own options.
    pub(crate) fn new(server: Option<&[u8]>, has_date: bool, content_type: bool) -> Self {
        let mut server_line = Vec::new();
        if let Some(server) = server {
            append_field(&mut server_line, b"Server", server);
        }
        let date = has_date.then(HttpDate::new);
        let mut lines = Self { server_line, date, date_line: Vec::new(), seconds: 0, content_type };
        lines.render(0);
        lines
    }

    /// The lines for a moment in seconds since the Unix epoch.
    #[inline]
    pub(crate) fn at(&mut self, seconds: u64) -> ResponseDefaults<'_> {
        if seconds != self.seconds {
            self.render(seconds);
        }
        ResponseDefaults {
            server_line: &self.server_line,
            date_line: &self.date_line,
            content_type: self.content_type,
        }
    }

    #[cold]
    fn render(&mut self, seconds: u64) {
        self.seconds = seconds;
        if let Some(date) = &mut self.date {
            self.date_line.clear();
            append_field(&mut self.date_line, b"Date", date.at(seconds));
        }
    }
}

/// What the `Connection` field of a response says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionField {
    /// The connection ends after this response.
    pub(crate) close: bool,
    /// The client does not know by its version that the connection stays.
    pub(crate) keep_alive: bool,
    /// The `Upgrade` option is named. Passed in: it may be, if the handler names it.
    pub(crate) upgrade: bool,
}

impl ConnectionField {
    fn line(self) -> &'static [u8] {
        match (self.close, self.upgrade, self.keep_alive) {
            (true, true, _) => b"Connection: close, Upgrade\r\n",
            (true, false, _) => b"Connection: close\r\n",
            (false, true, _) => b"Connection: Upgrade\r\n",
            (false, false, true) => b"Connection: keep-alive\r\n",
            (false, false, false) => b"",
        }
    }
}

/// Appends the head of `response`, and its body if that is in the response's buffer. It is moved out when it is big;
/// everything else stays. Says what became of `connection` by the handler's own wishes.
pub(crate) fn response(
    response: &mut Response,
    framing: ResponseFraming,
    connection: ConnectionField,
    defaults: &ResponseDefaults<'_>,
    out: &mut Output,
) -> ConnectionField {
    response.settle_small_body();
    let connection = append_response_head(out.buffer_mut(), response, framing, connection, defaults);
    if framing.sends_body {
        if let Some(body) = response.buffered_body() {
            out.append_body_vec(body);
        }
    }
    connection
}

/// Appends the head of `response`, with its empty line.
fn append_response_head(
    buffer: &mut Vec<u8>,
    response: &Response,
    framing: ResponseFraming,
    mut connection: ConnectionField,
    defaults: &ResponseDefaults<'_>,
) -> ConnectionField {
    let found = Found::of(response);
    connection.close |= found.close;
    connection.upgrade &= found.upgrade;
    let body_length = if framing.forces_empty { Some(0) } else { response.content_length() };
    let length = match (found.content_length, body_length) {
        // A handler may spare itself making a body that will not be sent.
        (Some(length), Some(0)) if !framing.sends_body && !framing.forces_empty => Some(length),
        _ => body_length,
    };
    let may_have_content = framing.announces_length || framing.chunked || framing.closes;
    let default_type = defaults.content_type && may_have_content && length != Some(0);
    // Where there is no place behind the body, trailers stand in the head like all others.
    let trailers = if framing.chunked && found.has_trailer { Some(response.headers()) } else { None };
    let fields = response.headers().fields();

    buffer.reserve(HEAD_BYTES_USUAL);
    status::append_line(buffer, response.status(), response.reason());
    match found.server {
        Some(server) => append_field(buffer, b"Server", server),
        None => buffer.extend_from_slice(defaults.server_line),
    }
    match found.date {
        Some(date) => append_field(buffer, b"Date", date),
        None => buffer.extend_from_slice(defaults.date_line),
    }
    match found.content_type {
        Some(content_type) => append_field(buffer, b"Content-Type", content_type),
        None if default_type => buffer.extend_from_slice(DEFAULT_TYPE_LINE),
        None => {}
    }
    if found.has_content_encoding {
        append_kind(buffer, fields, Kind::ContentEncoding);
    }
    if framing.chunked {
        buffer.extend_from_slice(CHUNKED_LINE);
    } else if framing.announces_length {
        append_length(buffer, length.unwrap_or(0));
    }
    match trailers {
        None if found.has_others => append_kind(buffer, fields, Kind::Other),
        None => {}
        Some(headers) => {
            for (name, value) in fields.pairs() {
                if classify(name) == Kind::Other && !is_announced(headers, name) {
                    append_field(buffer, name, value);
                }
            }
            append_trailer_names(buffer, headers);
        }
    }
    if found.has_set_cookie {
        append_kind(buffer, fields, Kind::SetCookie);
    }
    buffer.extend_from_slice(connection.line());
    buffer.extend_from_slice(b"\r\n");
    connection
}

/// Appends the head that `response` has in answer to a `GET` of HTTP/1.1, without what a server adds, for a body that is
/// there; and says whether that body follows.
pub(crate) fn append_plain_response_head(buffer: &mut Vec<u8>, response: &Response) -> bool {
    let framing =
        response_framing(b"GET", Version::Http11, response.status(), Some(response.body().len() as u64));
    let connection = ConnectionField { close: framing.ends_http, keep_alive: false, upgrade: true };
    let defaults = ResponseDefaults { content_type: true, ..ResponseDefaults::default() };
    append_response_head(buffer, response, framing, connection, &defaults);
    framing.sends_body
}

/// Appends the head of `request` for a body that is there: request line, `Host`, the other fields as they were added,
/// `Content-Length`.
pub(crate) fn append_request_head(buffer: &mut Vec<u8>, request: &Request) {
    buffer.extend_from_slice(request.method_bytes());
    buffer.push(b' ');
    buffer.extend_from_slice(request.target());
    buffer.extend_from_slice(match request.version() {
        Version::Http10 => b" HTTP/1.0\r\n",
        Version::Http11 => b" HTTP/1.1\r\n",
    });
    if !request.host().is_empty() || request.version() == Version::Http11 {
        append_field(buffer, b"Host", request.host());
    }
    for (name, value) in request.headers().pairs() {
        let is_ours = matches!(classify(name), Kind::ContentLength | Kind::TransferEncoding);
        if !is_ours && !name.eq_ignore_ascii_case(b"host") && !name.eq_ignore_ascii_case(b"trailer") {
            append_field(buffer, name, value);
        }
    }
    // RFC 9110 section 8.6: a length when there is content, or when the method leads one to expect some.
    let length = request.body().len() as u64;
    if length > 0 || matches!(request.method_bytes(), b"POST" | b"PUT" | b"PATCH") {
        append_length(buffer, length);
    }
    buffer.extend_from_slice(b"\r\n");
}

/// Appends what stands before a chunk of `length` bytes. A chunk of none would be the last.
pub(crate) fn append_chunk_start(buffer: &mut Vec<u8>, length: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        buffer.push(HEX[length >> (digit * 4) & 0xf]);
    }
    buffer.extend_from_slice(b"\r\n");
}

/// Appends what stands behind a chunk.
pub(crate) fn append_chunk_end(buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(b"\r\n");
}

/// Appends the last chunk with the given lines as its trailer section.
pub(crate) fn append_last_chunk(buffer: &mut Vec<u8>, trailers: &[u8]) {
    buffer.extend_from_slice(b"0\r\n");
    buffer.extend_from_slice(trailers);
    buffer.extend_from_slice(b"\r\n");
}

/// Appends the lines of all fields that are announced as trailers.
pub(crate) fn append_trailer_lines(buffer: &mut Vec<u8>, headers: &Headers) {
    if !headers.contains("Trailer") {
        return;
    }
    for (name, value) in headers.fields().pairs() {
        if classify(name) == Kind::Other && is_announced(headers, name) {
            append_field(buffer, name, value);
        }
    }
}

/// Appends the `Trailer` field with the names that may be trailers.
fn append_trailer_names(buffer: &mut Vec<u8>, headers: &Headers) {
    let mut separator: &[u8] = b"Trailer: ";
    for name in headers.get_all("Trailer").flat_map(token::list).filter(|name| is_trailer_name(name)) {
        buffer.extend_from_slice(separator);
        buffer.extend_from_slice(name);
        separator = b", ";
    }
    if separator == b", " {
        buffer.extend_from_slice(b"\r\n");
    }
}

/// Whether `headers` announce that the field called `name` is sent behind the body.
fn is_announced(headers: &Headers, name: &[u8]) -> bool {
    is_trailer_name(name)
        && headers.get_all("Trailer").flat_map(token::list).any(|other| other.eq_ignore_ascii_case(name))
}

/// Appends the refusal for `error`, after which the connection ends; without its text for a HEAD.
pub(crate) fn refusal(error: ProtoError, is_head: bool, defaults: &ResponseDefaults<'_>, out: &mut Output) {
    let status = error.status();
    let text = refusal_text(status).as_bytes();
    let buffer = out.buffer_mut();
    status::append_line(buffer, status, b"");
    buffer.extend_from_slice(defaults.server_line);
    buffer.extend_from_slice(defaults.date_line);
    if !text.is_empty() {
        buffer.extend_from_slice(DEFAULT_TYPE_LINE);
    }
    append_length(buffer, text.len() as u64);
    buffer.extend_from_slice(b"Connection: close\r\n\r\n");
    if !is_head {
        buffer.extend_from_slice(text);
    }
}

/// The interim response that asks a client for the body it announced (`EXP-01`).
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const CHUNKED_LINE: &[u8] = b"Transfer-Encoding: chunked\r\n";

const DEFAULT_TYPE_LINE: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n";

/// Enough for the head of an ordinary response, so that its buffer grows once at most.
const HEAD_BYTES_USUAL: usize = 256;

/// The fields of a handler's list that do not go onto the wire just as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server,
    Date,
    ContentType,
    ContentEncoding,
    ContentLength,
    TransferEncoding,
    Trailer,
    SetCookie,
    Connection,
    Other,
}

/// Which kind of field `name` is. The length rules nearly all of them out.
#[inline]
fn classify(name: &[u8]) -> Kind {
    // Names are canonical unless a handler chose otherwise.
    let is = |known: &[u8]| name == known || name.eq_ignore_ascii_case(known);
    match name.len() {
        4 if is(b"Date") => Kind::Date,
        6 if is(b"Server") => Kind::Server,
        7 if is(b"Trailer") => Kind::Trailer,
        10 if is(b"Set-Cookie") => Kind::SetCookie,
        10 if is(b"Connection") => Kind::Connection,
        12 if is(b"Content-Type") => Kind::ContentType,
        14 if is(b"Content-Length") => Kind::ContentLength,
        16 if is(b"Content-Encoding") => Kind::ContentEncoding,
        17 if is(b"Transfer-Encoding") => Kind::TransferEncoding,
        _ => Kind::Other,
    }
}

/// What one look over a handler's fields found. Of fields that can only be sent once, the last counts.
#[derive(Default)]
struct Found<'a> {
    server: Option<&'a [u8]>,
    date: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    content_length: Option<u64>,
    has_content_encoding: bool,
    has_set_cookie: bool,
    has_trailer: bool,
    has_others: bool,
    close: bool,
    upgrade: bool,
}

impl<'a> Found<'a> {
    fn of(response: &'a Response) -> Self {
        let mut found = Self::default();
        for (name, value) in response.headers().fields().pairs() {
            match classify(name) {
                Kind::Server => found.server = Some(value),
                Kind::Date => found.date = Some(value),
                Kind::ContentType => found.content_type = Some(value),
                Kind::ContentLength => found.content_length = parse_content_length(value).ok(),
                Kind::ContentEncoding => found.has_content_encoding = true,
                Kind::SetCookie => found.has_set_cookie = true,
                Kind::Trailer => found.has_trailer = true,
                Kind::TransferEncoding => {}
                Kind::Connection => {
                    for option in token::list(value) {
                        found.close |= option.eq_ignore_ascii_case(b"close");
                        found.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
                    }
                }
                Kind::Other => found.has_others = true,
            }
        }
        found
    }
}

fn append_length(buffer: &mut Vec<u8>, length: u64) {
    buffer.extend_from_slice(b"Content-Length: ");
    buffer.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    buffer.extend_from_slice(b"\r\n");
}

fn append_kind(buffer: &mut Vec<u8>, fields: Fields<'_>, kind: Kind) {
    for (name, value) in fields.pairs().filter(|(name, _)| classify(name) == kind) {
        append_field(buffer, name, value);
    }
}

#[inline]
fn append_field(buffer: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    buffer.extend_from_slice(name);
    buffer.extend_from_slice(b": ");
    buffer.extend_from_slice(value);
    buffer.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::output::MOVED_BODY_BYTES_MIN;

    const BARE: ResponseDefaults<'static> =
        ResponseDefaults { server_line: b"", date_line: b"", content_type: true };

    fn encode(method: &str, defaults: &ResponseDefaults<'_>, prepare: impl FnOnce(&mut Response)) -> String {
        let mut prepared = Response::new();
        prepare(&mut prepared);
        let connection = ConnectionField { upgrade: true, ..ConnectionField::default() };
        let length = prepared.content_length();
        let framing = response_framing(method.as_bytes(), Version::Http11, prepared.status(), length);
        let mut out = Output::default();
        response(&mut prepared, framing, connection, defaults, &mut out);
        String::from_utf8(out.to_vec()).expect("a response of text")
    }

    fn check(prepare: impl FnOnce(&mut Response), expected: &str) {
        assert_eq!(encode("GET", &BARE, prepare), expected.replace('\n', "\r\n"));
    }

    #[test]
    fn a_body_has_a_length_and_a_type() {
        check(|_| {}, "HTTP/1.1 200 OK\nContent-Length: 0\n\n");
        check(
            |response| response.set_body("hello"),
            "HTTP/1.1 200 OK\nContent-Type: text/plain; charset=utf-8\nContent-Length: 5\n\nhello",
        );
        check(
            |response| response.set_content_type("text/html"),
            "HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 0\n\n",
        );
        let untyped = ResponseDefaults { content_type: false, ..BARE };
        let sent = encode("GET", &untyped, |response| response.set_body("hello"));
        assert_eq!(sent, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    }

    #[test]
    fn server_and_date_are_defaults() {
        let mut lines = DefaultLines::new(Some(b"anthill"), true, true);
        let defaults = lines.at(784_111_777);
        assert_eq!(
            encode("GET", &defaults, |_| {}),
            "HTTP/1.1 200 OK\r\nServer: anthill\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let own = encode("GET", &defaults, |response| {
            response.set_header("date", "today");
            response.set_header("server", "mine");
        });
        assert_eq!(own, "HTTP/1.1 200 OK\r\nServer: mine\r\nDate: today\r\nContent-Length: 0\r\n\r\n");
    }

    #[test]
    fn fields_come_in_a_fixed_order() {
        check(
            |response| {
                response.append_header("set-cookie", "a=b");
                response.append_header("x-one", "1");
                response.set_header("content-encoding", "gzip");
                response.append_header("set-cookie", "c=d");
                response.append_header("x-one", "2");
                response.set_content_type("a/b");
            },
            "HTTP/1.1 200 OK\nContent-Type: a/b\nContent-Encoding: gzip\nContent-Length: 0\n\
             X-One: 1\nX-One: 2\nSet-Cookie: a=b\nSet-Cookie: c=d\n\n",
        );
    }

    #[test]
    fn framing_cannot_be_forged() {
        check(
            |response| {
                response.set_header("content-length", "99");
                response.set_header("transfer-encoding", "chunked");
                response.set_header("connection", "keep-alive, Content-Length");
                response.set_header("x", "y\r\nContent-Length: 3");
                response.set_reason("OK\r\nContent-Length: 3");
            },
            "HTTP/1.1 200 OK  Content-Length: 3\nContent-Length: 0\nX: y  Content-Length: 3\n\n",
        );
    }

    #[test]
    fn connection_wishes_are_understood() {
        check(
            |response| response.set_header("connection", "TE, Close"),
            "HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n\n",
        );
        check(
            |response| {
                response.set_status(101);
                response.set_header("connection", "upgrade");
                response.set_header("upgrade", "websocket");
            },
            "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n\n",
        );
    }

    #[test]
    fn some_statuses_have_no_body() {
        for status in [100, 204, 304] {
            let sent = encode("GET", &BARE, |response| {
                response.set_status(status);
                response.set_body("body");
            });
            assert!(sent.starts_with(&format!("HTTP/1.1 {status} ")), "{sent}");
            assert!(sent.ends_with("\r\n\r\n"), "{sent}");
            assert_eq!(sent.lines().count(), 2, "no other field: {sent}");
        }
        check(
            |response| {
                response.set_status(205);
                response.set_body("body");
            },
            "HTTP/1.1 205 Reset Content\nContent-Length: 0\n\n",
        );
        check(
            |response| {
                response.set_status(304);
                response.set_content_type("a/b");
            },
            "HTTP/1.1 304 Not Modified\nContent-Type: a/b\n\n",
        );
    }

    #[test]
    fn head_has_the_fields_of_get() {
        let prepare = |response: &mut Response| response.set_body("twenty-four bytes, sure.");
        let get = encode("GET", &BARE, prepare);
        let head = encode("HEAD", &BARE, prepare);
        assert_eq!(get.strip_suffix("twenty-four bytes, sure."), Some(head.as_str()));
        assert!(head.contains("Content-Length: 24\r\n"));

        let named = encode("HEAD", &BARE, |response| response.set_header("content-length", "1000"));
        assert!(named.contains("Content-Length: 1000\r\n"));
        let forged = encode("HEAD", &BARE, |response| response.set_header("content-length", "1 2"));
        assert!(forged.contains("Content-Length: 0\r\n"));
    }

    #[test]
    fn a_big_body_is_sent_whole() {
        let body = "b".repeat(MOVED_BODY_BYTES_MIN + 1);
        let sent = encode("GET", &BARE, |response| response.set_body(&body));
        assert!(sent.ends_with(&format!("Content-Length: {}\r\n\r\n{body}", body.len())));
    }

    #[test]
    fn refusals_say_why() {
        for (error, status, text) in [
            (ProtoError::Syntax, "400 Bad Request", "Error when parsing request"),
            (ProtoError::HeadTooLarge, "431 Request Header Fields Too Large", "Too big request header"),
            (ProtoError::TooManyFields, "431 Request Header Fields Too Large", "Too big request header"),
            (ProtoError::BodyTooLarge, "413 Request Entity Too Large", "Request body too large"),
            (ProtoError::Timeout, "408 Request Timeout", "Request timeout"),
            (ProtoError::UnsupportedVersion, "505 HTTP Version Not Supported", "HTTP version not supported"),
        ] {
            let mut out = Output::default();
            refusal(error, false, &BARE, &mut out);
            let expected = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{text}",
                text.len()
            );
            assert_eq!(String::from_utf8_lossy(&out.to_vec()), expected);
        }
        let mut out = Output::default();
        refusal(ProtoError::ExpectationFailed, false, &BARE, &mut out);
        let expected = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&out.to_vec()), expected);
    }
}
