//! One exchange on one connection: the request goes out, the head of the response comes in.
//!
//! The rule: what is sent is decided here from the request as the caller has it; nothing of a request is changed.

use super::body::{FRAMING_BYTES_MAX, PIECE_BYTES, SendBody};
use super::conn::{ClientSocket, Sent, Terms};
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::secure::check_scheme;
use crate::message::request::Request;
use crate::proto::client::SentHead;
use crate::proto::{
    Ending, RequestHead, append_chunk_end, append_chunk_start, append_last_chunk, append_trailer_lines,
    append_trailers, split_target,
};
use crate::values::headers::{Fields, Headers};
use crate::values::version::Version;
use crate::wire::output::Output;
use std::borrow::Cow;
use std::io;
use std::time::{Duration, Instant};

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
    /// Sends the request and waits for the head of the response, which is in the connection then. What is left to be
    /// sent is handed back, if that goes on behind the head.
    pub(crate) fn run(&mut self, conn: &mut ClientSocket) -> Result<Option<UnsentBody>, ClientError> {
        let ending = self.begin(conn)?;
        let mut unsent = None;
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
                let unsent = unsent.insert(UnsentBody::new(ending));
                send_reader(conn, body, unsent, self.request.headers(), &mut self.terms)?
            }
        };
        match sent {
            Sent::All => {
                conn.session.request_sent();
                conn.receive_head(&mut self.terms)?;
                Ok(None)
            }
            Sent::Answered if conn.found.head.status >= 300 => Ok(None),
            Sent::Answered => {
                let unsent = unsent.filter(|_| self.terms.sends_behind);
                if unsent.is_none() {
                    conn.end_sending();
                }
                Ok(unsent)
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
                for_proxy.append(LOGIN, &via.authorization.0);
                for_proxy.fields()
            }
            _ => self.defaults,
        };
        let host = if head.host.is_empty() { self.host } else { head.host };
        let expects_continue = self.expects.is_some();
        let for_host = ForHost::new(&head, defaults, conn.way.is_tunnel);
        let (defaults, fields) = for_host.of(defaults, head.fields);
        let head = RequestHead { target: &target, host, defaults, fields, expects_continue, ..head };
        conn.requests += 1;
        let remote = conn.remote;
        conn.session.begin(&head, &conn.input, &mut conn.out).map_err(|error| {
            // What cannot be framed was refused before, and so was a connection on which something lies.
            ClientError::because(ClientErrorKind::ConnectionClosed, error).at(remote)
        })
    }
}

/// What the proxy behind which a host is was to be told of who asks.
const LOGIN: &str = "Proxy-Authorization";

/// The fields of a request that have to be others than its own, because a proxy has given a connection to the host: it
/// reads no requests, and what is meant for it is nothing for the host.
struct ForHost {
    defaults: Option<Headers>,
    fields: Option<Headers>,
}

impl ForHost {
    fn new(head: &RequestHead<'_>, defaults: Fields<'_>, is_tunnel: bool) -> Self {
        let without_login = |fields: Fields<'_>| {
            (is_tunnel && fields.contains(LOGIN)).then(|| {
                let mut others = Headers::new();
                others.copy_from(fields);
                others.retain(|name, _| !name.eq_ignore_ascii_case(LOGIN));
                others
            })
        };
        Self { defaults: without_login(defaults), fields: without_login(head.fields) }
    }

    fn of<'a>(&'a self, defaults: Fields<'a>, fields: Fields<'a>) -> (Fields<'a>, Fields<'a>) {
        let either = |other: &'a Option<Headers>, own| other.as_ref().map_or(own, Headers::fields);
        (either(&self.defaults, defaults), either(&self.fields, fields))
    }
}

/// Appends a request whole, with its own body. `is_tunnel`: by way of a proxy that gives a connection to the host.
///
/// # Errors
/// When there is no way to send it.
pub(crate) fn append_whole(
    request: &Request,
    host: &[u8],
    defaults: Fields<'_>,
    is_tunnel: bool,
    bytes: &mut Vec<u8>,
) -> Result<SentHead, ClientError> {
    let head = request.head_to_send(Some(request.body().len() as u64));
    let target = origin_form(head.method, head.target);
    let host = if head.host.is_empty() { host } else { head.host };
    let for_host = ForHost::new(&head, defaults, is_tunnel);
    let (defaults, fields) = for_host.of(defaults, head.fields);
    let head = RequestHead { target: &target, host, defaults, fields, expects_continue: false, ..head };
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
    unsent: &mut UnsentBody,
    fields: Fields<'_>,
    terms: &mut Terms<'_, '_>,
) -> Result<Sent, ClientError> {
    let outcome = send_pieces(conn, body, unsent, fields, terms);
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
    unsent: &mut UnsentBody,
    fields: Fields<'_>,
    terms: &mut Terms<'_, '_>,
) -> Result<Sent, ClientError> {
    let remote = conn.remote;
    let failed = |error| ClientError::because(ClientErrorKind::RequestBody, error).at(remote);
    while !unsent.is_ended {
        match body.next_piece(unsent.left()) {
            Ok(piece) if unsent.is_end(piece) => {
                let mut trailers = Vec::new();
                append_trailer_lines(&mut trailers, fields);
                if let Some(made) = body.make_trailers() {
                    append_trailers(&mut trailers, made.fields());
                }
                unsent.append_end(&mut conn.out, &trailers);
            }
            Ok(piece) => unsent.append(&mut conn.out, piece),
            // It has nothing yet, and is to be asked again when it was seen that nobody has answered.
            Err(error) if terms.sends_behind && error.kind() == io::ErrorKind::WouldBlock => {
                if terms.allowed.until.is_over() {
                    return Err(conn.late(ClientPhase::RequestBody));
                }
            }
            Err(error) => return Err(failed(error)),
        }
        // A server that has answered may read on for as long as there is something to be read. Behind the last byte
        // there is nothing more to be spared.
        let is_answered = conn.send(terms)? == Sent::Answered;
        if is_answered || !unsent.is_ended && conn.take_what_is_there(terms)? {
            return Ok(Sent::Answered);
        }
    }
    // Of a length of zero there was nothing to send behind the head.
    conn.send(terms)
}

/// What is left to be sent of a body, and how it is framed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnsentBody {
    ending: Ending,
    /// So many bytes of it were appended to the output.
    pub(crate) taken: u64,
    /// All of it was.
    pub(crate) is_ended: bool,
    /// Since when the server has taken nothing of what is in the output, if it does not.
    pub(crate) stalled: Option<Instant>,
    /// When something of the response came last.
    pub(crate) heard: Option<Instant>,
}

impl UnsentBody {
    fn new(ending: Ending) -> Self {
        Self { ending, taken: 0, is_ended: ending == Ending::Length(0), stalled: None, heard: None }
    }

    /// How many bytes are left; `None`: only whoever gives them knows.
    pub(crate) fn left(&self) -> Option<u64> {
        match self.ending {
            Ending::Length(left) => Some(left),
            Ending::Chunked | Ending::Close => None,
        }
    }

    /// Whether this piece says that there are no more.
    pub(crate) fn is_end(&self, piece: &[u8]) -> bool {
        piece.is_empty() && self.left().is_none()
    }

    /// Appends a piece.
    pub(crate) fn append(&mut self, out: &mut Output, piece: &[u8]) {
        out.buffer_mut().reserve(piece.len() + FRAMING_BYTES_MAX);
        self.taken += piece.len() as u64;
        match &mut self.ending {
            Ending::Length(left) => {
                *left = left.saturating_sub(piece.len() as u64);
                self.is_ended = *left == 0;
                out.append(piece);
            }
            Ending::Chunked | Ending::Close => {
                append_chunk_start(out.buffer_mut(), piece.len());
                out.append(piece);
                append_chunk_end(out.buffer_mut());
            }
        }
    }

    /// Appends what marks the end, if something does, with these lines behind it.
    pub(crate) fn append_end(&mut self, out: &mut Output, trailers: &[u8]) {
        append_last_chunk(out.buffer_mut(), trailers);
        self.is_ended = true;
    }
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
