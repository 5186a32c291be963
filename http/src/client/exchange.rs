//! One exchange on one connection: the request goes out, the head of the response comes in.
//!
//! The rule: what is sent is decided here from the request as the caller has it; nothing of a request is changed.

use super::body::{FRAMING_BYTES_MAX, PIECE_BYTES, SendBody};
use super::conn::{ClientSocket, Sent, Terms};
use super::error::{ClientError, ClientErrorKind};
use super::secure::check_scheme;
use crate::message::request::Request;
use crate::proto::client::SentHead;
use crate::proto::{
    Ending, RequestHead, append_chunk_end, append_chunk_start, append_last_chunk, append_trailer_lines,
    append_trailers, split_target,
};
use crate::values::headers::{Fields, Headers};
use crate::values::version::Version;
use std::borrow::Cow;
use std::time::Duration;

/// A body up to this size is sent with its head in one piece.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// What a call sends, and under which terms.
pub(crate) struct Call<'a, 'b> {
    pub(crate) request: &'a Request,
    /// In the place of the request's own body.
    pub(crate) body: Option<&'a mut SendBody<'b>>,
    /// What the request names as its host if it does not itself.
    pub(crate) host: &'a [u8],
    /// Fields that it has if it does not have them itself.
    pub(crate) defaults: Fields<'a>,
    /// How long the body, which there is then, waits for the server to ask for it; `None`: not at all.
    pub(crate) expects: Option<Duration>,
    pub(crate) terms: Terms<'a, 'b>,
}

/// Says why a request cannot be sent, before anything is begun for it, by a client that encrypts or does not. `body`:
/// what is sent in the place of its own.
pub(crate) fn check(
    request: &Request,
    body: Option<&SendBody<'_>>,
    encrypts: bool,
) -> Result<(), ClientError> {
    let refuse = |why: &str| Err(ClientError::invalid(why));
    if request.method().is_empty() {
        return refuse("it is empty; make it with Request::new");
    }
    if request.is_connect() {
        return refuse("a tunnel cannot be asked for by a request");
    }
    match body {
        None if !request.is_body_complete() => {
            return refuse(
                "its own body has not arrived completely; read it first, or send it with a SendBody",
            );
        }
        Some(body) if body.length().is_none() && request.version() == Version::Http10 => {
            return refuse("a body whose length nobody knows cannot be sent by HTTP/1.0");
        }
        _ => {}
    }
    let target = request.request_uri();
    match target.first() {
        Some(b'/') => Ok(()),
        _ if target == b"*" => Ok(()),
        _ if starts_with(target, b"http://") => check_scheme(false, encrypts),
        _ if starts_with(target, b"https://") => check_scheme(true, encrypts),
        _ => refuse("its URL is not one of HTTP"),
    }
}

fn starts_with(target: &[u8], scheme: &[u8]) -> bool {
    target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

impl Call<'_, '_> {
    /// Sends the request and waits for the head of the response, which is in the connection then.
    pub(crate) fn run(&mut self, conn: &mut ClientSocket) -> Result<(), ClientError> {
        let ending = self.begin(conn)?;
        let sent = match (ending, self.expects) {
            (Some(_), Some(wait)) => match conn.send(&mut self.terms)? {
                Sent::All => conn.await_continue(wait, &mut self.terms)?,
                Sent::Answered => Sent::Answered,
            },
            _ => Sent::All,
        };
        // Who answered before was asked whether it wants the body does not want it.
        let sent = match (sent, ending, &mut self.body) {
            (Sent::Answered, ..) => Sent::Answered,
            (Sent::All, None, _) => conn.send(&mut self.terms)?,
            (Sent::All, Some(_), None) => send_bytes(conn, self.request.body(), &mut self.terms)?,
            (Sent::All, Some(ending), Some(body)) => {
                send_reader(conn, body, ending, self.request.headers(), &mut self.terms)?
            }
        };
        match sent {
            Sent::All => {
                conn.session.request_sent();
                conn.receive_head(&mut self.terms)
            }
            Sent::Answered => {
                if conn.found.head.status < 300 {
                    conn.end_sending();
                }
                Ok(())
            }
        }
    }

    /// Puts the head into the output, and says how the body that has to follow ends.
    fn begin(&self, conn: &mut ClientSocket) -> Result<Option<Ending>, ClientError> {
        let length = match &self.body {
            Some(body) => body.length(),
            None => Some(self.request.body().len() as u64),
        };
        let head = self.request.head_to_send(length);
        let via = conn.way.via.clone();
        let target = match &via {
            None => origin_form(head.method, head.target),
            Some(via) => Cow::Owned(absolute_form(head.method, head.target, &via.authority)),
        };
        let mut for_proxy = Headers::new();
        let defaults = match &via {
            Some(via) if !via.authorization.0.is_empty() => {
                for_proxy.copy_from(self.defaults);
                for_proxy.append("Proxy-Authorization", &via.authorization.0);
                for_proxy.fields()
            }
            _ => self.defaults,
        };
        let host = if head.host.is_empty() { self.host } else { head.host };
        let expects_continue = self.expects.is_some();
        let head = RequestHead { target: &target, host, defaults, expects_continue, ..head };
        conn.requests += 1;
        let remote = conn.remote;
        conn.session.begin(&head, &conn.input, &mut conn.out).map_err(|error| {
            // What cannot be framed was refused before, and so was a connection on which something lies.
            ClientError::because(ClientErrorKind::ConnectionClosed, error).at(remote)
        })
    }
}

/// Appends a request whole, with its own body.
///
/// # Errors
/// When there is no way to send it.
pub(crate) fn append_whole(
    request: &Request,
    host: &[u8],
    defaults: Fields<'_>,
    bytes: &mut Vec<u8>,
) -> Result<SentHead, ClientError> {
    let head = request.head_to_send(Some(request.body().len() as u64));
    let target = origin_form(head.method, head.target);
    let host = if head.host.is_empty() { host } else { head.host };
    let head = RequestHead { target: &target, host, defaults, expects_continue: false, ..head };
    let (sent, _) = SentHead::append(bytes, &head)
        .map_err(|error| ClientError::because(ClientErrorKind::InvalidRequest, error))?;
    bytes.extend_from_slice(request.body());
    Ok(sent)
}

/// Sends bytes behind a head that is in the output, or was sent.
fn send_bytes(conn: &mut ClientSocket, body: &[u8], terms: &mut Terms<'_, '_>) -> Result<Sent, ClientError> {
    let (joined, rest) = body.split_at(body.len().min(JOINED_BYTES_MAX));
    conn.out.append(joined);
    let mut sent = conn.send(terms)?;
    for piece in rest.chunks(PIECE_BYTES) {
        if sent == Sent::Answered || conn.take_what_is_there(terms)? {
            return Ok(Sent::Answered);
        }
        conn.out.append(piece);
        sent = conn.send(terms)?;
    }
    Ok(sent)
}

/// Sends what a reader gives behind a head that is in the output, or was sent. The head leaves with the first piece.
fn send_reader(
    conn: &mut ClientSocket,
    body: &mut SendBody<'_>,
    ending: Ending,
    fields: Fields<'_>,
    terms: &mut Terms<'_, '_>,
) -> Result<Sent, ClientError> {
    let outcome = send_pieces(conn, body, ending, fields, terms);
    if outcome.is_err() && conn.passed.sent == 0 {
        // Another connection may take it.
        body.rewind();
    } else {
        body.end();
    }
    outcome
}

fn send_pieces(
    conn: &mut ClientSocket,
    body: &mut SendBody<'_>,
    ending: Ending,
    fields: Fields<'_>,
    terms: &mut Terms<'_, '_>,
) -> Result<Sent, ClientError> {
    let remote = conn.remote;
    let failed = |error| ClientError::because(ClientErrorKind::RequestBody, error).at(remote);
    let mut left = match ending {
        Ending::Length(length) => Some(length),
        Ending::Chunked | Ending::Close => None,
    };
    while left != Some(0) {
        let piece = body.next_piece(left).map_err(failed)?;
        let count = piece.len();
        conn.out.buffer_mut().reserve(count + FRAMING_BYTES_MAX);
        match &mut left {
            Some(left) => {
                *left = left.saturating_sub(count as u64);
                conn.out.append(piece);
            }
            None if count == 0 => {
                let mut trailers = Vec::new();
                append_trailer_lines(&mut trailers, fields);
                if let Some(made) = body.make_trailers() {
                    append_trailers(&mut trailers, made.fields());
                }
                append_last_chunk(conn.out.buffer_mut(), &trailers);
                return conn.send(terms);
            }
            None => {
                append_chunk_start(conn.out.buffer_mut(), count);
                conn.out.append(piece);
                append_chunk_end(conn.out.buffer_mut());
            }
        }
        // A server that has answered may read on for as long as there is something to be read. Behind the last byte
        // there is nothing more to be spared.
        let is_answered = conn.send(terms)? == Sent::Answered;
        if is_answered || left != Some(0) && conn.take_what_is_there(terms)? {
            return Ok(Sent::Answered);
        }
    }
    // Of a length of zero there was nothing to send behind the head.
    conn.send(terms)
}

/// The target as an origin server is asked for it (RFC 9112 section 3.2.1), without a fragment.
fn origin_form<'a>(method: &[u8], target: &'a [u8]) -> Cow<'a, [u8]> {
    let end = memchr::memchr(b'#', target).unwrap_or(target.len());
    let target = target.get(..end).unwrap_or_default();
    let Ok(parts) = split_target(method, target) else { return Cow::Borrowed(target) };
    let Some(authority) = parts.authority else { return Cow::Borrowed(target) };
    let before = memchr::memmem::find(target, b"://").map_or(0, |at| at + 3);
    match target.get(before + authority.len()..).unwrap_or_default() {
        // RFC 9112 section 3.2.4.
        [] if method == b"OPTIONS" => Cow::Borrowed(b"*"),
        [] => Cow::Borrowed(b"/"),
        path @ [b'/', ..] => Cow::Borrowed(path),
        query => Cow::Owned([b"/", query].concat()),
    }
}

/// The target as a proxy is asked for it (RFC 9112 section 3.2.2).
fn absolute_form(method: &[u8], target: &[u8], authority: &[u8]) -> Vec<u8> {
    let path = origin_form(method, target);
    // RFC 9112 section 3.2.4.
    let path = if *path == *b"*" { &b""[..] } else { &path };
    [b"http://", authority, path].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn an_origin_is_asked_for_path_and_query() {
        for (target, expected) in [
            ("/a?b=c#d", "/a?b=c"),
            ("http://h:1/a?b", "/a?b"),
            ("http://h", "/"),
            ("http://h#top", "/"),
            ("http://h?q", "/?q"),
            ("*", "*"),
        ] {
            assert_eq!(origin_form(b"GET", target.as_bytes()), expected.as_bytes(), "{target}");
        }
        assert_eq!(&*origin_form(b"OPTIONS", b"http://h"), b"*");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_before() {
        for (method, target) in [("GET", "https://h/"), ("GET", "ftp://h/"), ("CONNECT", "h:443")] {
            let request = Request::new(method, target).expect("a request of that form");
            let error = check(&request, None, false).expect_err("this is not to be sent");
            assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{method} {target}");
            assert_eq!(error.to_string().contains("`tls`"), target.starts_with("https"), "{error}");
        }
        let check = |request: &Request, body: Option<&SendBody<'_>>| check(request, body, false);
        assert!(check(&Request::empty(), None).is_err());
        let mut request = Request::new("GET", "HTTP://h/").expect("a request");
        let (sized, unsized_one) = (SendBody::sized(io::empty(), 7), SendBody::new(io::empty()));
        assert!(check(&request, None).is_ok() && check(&request, Some(&unsized_one)).is_ok());
        request.set_version(Version::Http10);
        assert!(check(&request, None).is_ok() && check(&request, Some(&sized)).is_ok());
        let error = check(&request, Some(&unsized_one)).expect_err("nobody would know where it ends");
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    }
}
