//! What becomes of whole conversations, from bytes to requests and from responses to bytes: rows PAR, BDY, LIM, CON,
//! RSP and EXP of the behaviour table.
//!
//! The idea: a conversation is the bytes a client sends before it ends its stream. [`check`] feeds them
//! whole, cut at every byte, and byte by byte, exchanging the request object whenever the session waits, and
//! requires the same outcome each time.

mod any_input;

use super::request::Request;
use super::response::Response;
use crate::proto::limits::{CHUNK_EXTENSION_BYTES_MAX, FIELDS_DEFAULT, FIELDS_ON_STACK, HeadDecision};
use crate::proto::server::RequestStage;
use crate::proto::{CloseReason, Defaults, Limits, Progress, ProtoError, ServerSession, lines, request_head};
use crate::util::token;
use crate::wire::input::Input;
use crate::wire::output::Output;

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client ended its stream between two requests.
    Quiet,
    /// A response announced the end.
    Closed,
    /// What arrived was refused.
    Refused(ProtoError),
}

/// What became of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    /// Method, path and body of each request that a handler saw.
    requests: Vec<String>,
    /// Everything that was sent.
    wire: String,
    end: End,
}

/// The server in these tests: its limits, its wish to close, and its handler.
struct ServerSide<'a> {
    limits: Limits,
    force_close: bool,
    handler: &'a dyn Fn(&Request, &mut Response),
}

const DEFAULTS: Defaults<'static> = Defaults::none(true);

impl Default for ServerSide<'_> {
    fn default() -> Self {
        Self { limits: Limits::default(), force_close: false, handler: &|_, _| {} }
    }
}

impl ServerSide<'_> {
    /// Feeds the pieces one after the other and then the end of the stream.
    fn converse<'p>(&self, pieces: impl IntoIterator<Item = &'p [u8]>) -> Outcome {
        let mut session = ServerSession::new(1);
        let mut request = Request::empty();
        let mut out = Output::default();
        let mut requests = Vec::new();
        let end = 'conversation: {
            for piece in pieces {
                request.input_mut().receive(piece);
                loop {
                    match request.advance(&mut session, &mut out, &self.limits) {
                        Err(error) => break 'conversation End::Refused(error),
                        Ok(Progress::NeedInput) => break,
                        Ok(Progress::Ready | Progress::Head { .. }) => {}
                    }
                    assert_eq!(session.state(), RequestStage::Ready);
                    let body = String::from_utf8_lossy(request.body()).into_owned();
                    requests.push(format!("{} {} {body}", request.method(), request.path()));
                    assert_eq!(session.requests(), requests.len() as u64);
                    let mut response = Response::new();
                    (self.handler)(&request, &mut response);
                    let stays = response
                        .respond(&mut session, &request, &mut out, &DEFAULTS, self.force_close)
                        .close
                        .is_none();
                    request.finish(&mut session);
                    if !stays {
                        break 'conversation End::Closed;
                    }
                }
                // Only the input may survive a wait.
                let input = std::mem::take(request.input_mut());
                request = Request::empty();
                *request.input_mut() = input;
            }
            match session.input_closed(request.input()) {
                Ok(()) => End::Quiet,
                Err(error) => End::Refused(error),
            }
        };
        if let End::Refused(error) = end {
            request.refuse(&mut session, error, &mut out, &DEFAULTS);
        }
        Outcome { requests, wire: String::from_utf8_lossy(&out.to_vec()).into_owned(), end }
    }

    /// The outcome of `message`, which must not depend on how it is cut.
    fn check(&self, message: impl AsRef<[u8]>) -> Outcome {
        let message = message.as_ref();
        let shown = String::from_utf8_lossy(message);
        let whole = self.converse([message]);
        for cut in 1..message.len() {
            let (first, second) = message.split_at(cut);
            assert_eq!(self.converse([first, second]), whole, "{shown:?} cut at {cut}");
        }
        assert_eq!(self.converse(message.chunks(1)), whole, "{shown:?} byte by byte");
        whole
    }

    /// Requires that `message` is refused for `error` and that no handler sees it.
    fn refuses(&self, message: impl AsRef<[u8]>, error: ProtoError) {
        let shown = String::from_utf8_lossy(message.as_ref()).into_owned();
        let outcome = self.check(message);
        assert_eq!(outcome.end, End::Refused(error), "{shown:?}");
        assert_eq!(outcome.requests, [""; 0], "{shown:?}");
        assert_eq!(outcome.wire.matches("HTTP/1.1 ").count(), 1, "exactly one response to {shown:?}");
        assert!(outcome.wire.contains("Connection: close\r\n"), "{shown:?}");
    }

    /// Requires that `message` reaches the handler as exactly `requests` and is not refused.
    fn serves(&self, message: impl AsRef<[u8]>, requests: &[&str]) -> Outcome {
        let shown = String::from_utf8_lossy(message.as_ref()).into_owned();
        let outcome = self.check(message);
        assert_eq!(outcome.requests, requests, "{shown:?}");
        assert!(!matches!(outcome.end, End::Refused(_)), "{shown:?}: {:?}", outcome.end);
        outcome
    }
}

fn check(message: impl AsRef<[u8]>) -> Outcome {
    ServerSide::default().check(message)
}

fn refuses(message: impl AsRef<[u8]>, error: ProtoError) {
    ServerSide::default().refuses(message, error);
}

fn serves(message: impl AsRef<[u8]>, requests: &[&str]) -> Outcome {
    ServerSide::default().serves(message, requests)
}

/// A GET with the given field lines, each ended by CRLF.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

/// A POST with the given field lines and body.
fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}")
}

mod parsing {
    use super::*;

    #[test]
    fn a_refusal_is_a_400_with_fasthttps_text() {
        let outcome = check("x\r\n\r\n");
        assert_eq!(
            outcome.wire,
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 26\r\n\
             Connection: close\r\n\r\nError when parsing request"
        );
    }

    #[test]
    fn request_lines() {
        use ProtoError::{BadMethod, BadSpacing, BadVersion, MissingMethod, MissingTarget};
        for (line, error) in [
            ("GET  / HTTP/1.1", BadSpacing),
            ("GET /  HTTP/1.1", BadSpacing),
            ("GET / HTTP/1.1 ", BadSpacing),
            (" GET / HTTP/1.1", MissingMethod),
            ("GET /a b HTTP/1.1", BadSpacing),
            ("GET\t/ HTTP/1.1", BadSpacing),
            ("G(ET / HTTP/1.1", BadMethod),
            ("/ HTTP/1.1", BadMethod),
            (" / HTTP/1.1", MissingMethod),
            ("GET / HTTP/1.1x", BadVersion),
            ("GET / http/1.1", BadVersion),
            ("GET / HTTP/11", BadVersion),
            ("GET / HTTP/1.", BadVersion),
            ("GET / XHTTP/1.1", BadVersion),
            ("GET / HTTP/1.x", BadVersion),
            ("GET /", BadVersion),
            ("GET HTTP/1.1", MissingTarget),
            ("GET  HTTP/1.1", MissingTarget),
            ("GET", MissingTarget),
        ] {
            refuses(format!("{line}\r\nHost: h\r\n\r\n"), error);
        }
        refuses("GET x HTTP/1.1\r\nHost: h\r\n\r\n", ProtoError::BadTarget);
        refuses("\u{16}\u{3}\u{1}\r\nHost: h\r\n\r\n", ProtoError::TlsHandshake);
        for line in ["GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/3.1"] {
            refuses(format!("{line}\r\nHost: h\r\n\r\n"), ProtoError::UnsupportedVersion);
        }
        serves("foobar / HTTP/1.1\r\nHost: h\r\n\r\n", &["foobar / "]);
    }

    #[test]
    fn other_minor_versions_are_not_1_1() {
        let outcome = serves("GET /a%20b HTTP/1.2\r\nHost: h\r\n\r\n", &["GET /a b "]);
        assert_eq!(outcome.end, End::Closed);
        let outcome = serves("GET / HTTP/1.9\r\nConnection: keep-alive\r\n\r\n", &["GET / "]);
        assert_eq!(outcome.end, End::Quiet);
        refuses("GET / HTTP/1.2\r\nA : b\r\n\r\n", ProtoError::BadFieldName);
    }

    #[test]
    fn garbage_is_refused_at_its_first_byte() {
        let mut request = Request::empty();
        request.input_mut().receive(b"\x16");
        let advanced =
            request.advance(&mut ServerSession::new(1), &mut Output::default(), &Limits::default());
        assert_eq!(advanced, Err(ProtoError::TlsHandshake));
    }

    #[test]
    fn line_endings() {
        serves(format!("\r\n\n\r\n{}", get("")), &["GET / "]);
        refuses("\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", ProtoError::MissingMethod);
        refuses("GET / HTTP/1.1\rHost: h\r\n\r\n", ProtoError::BadSpacing);
        refuses("GET / HTTP/1.1\r\nHost: h\r\n\rA: b\r\n\r\n", ProtoError::Syntax);
        for message in [
            "GET / HTTP/1.1\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n\n",
            "GET / HTTP/1.1\nHost: h\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        ] {
            refuses(message, ProtoError::BareLineFeed);
        }
    }

    #[test]
    fn a_bare_line_feed_is_refused_without_waiting() {
        let mut request = Request::empty();
        request.input_mut().receive(b"GET / HTTP/1.1\n");
        let advanced =
            request.advance(&mut ServerSession::new(1), &mut Output::default(), &Limits::default());
        assert_eq!(advanced, Err(ProtoError::BareLineFeed));
    }

    #[test]
    fn hosts() {
        refuses("GET / HTTP/1.1\r\n\r\n", ProtoError::MissingHost);
        refuses("GET / HTTP/1.1\r\nHost: \r\n\r\n", ProtoError::MissingHost);
        refuses("GET http://h/ HTTP/1.1\r\n\r\n", ProtoError::MissingHost);
        refuses(get("hOST: h\r\n"), ProtoError::DuplicateHost);
        refuses("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", ProtoError::DuplicateHost);
        serves("GET / HTTP/1.0\r\n\r\n", &["GET / "]);
        for host in ["a:b", "a:1:2", "[::1", "a[::1]", "a\\b", "a b", "u@a"] {
            refuses(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), ProtoError::BadHost);
        }
        for host in ["a:80", "[::1]:80"] {
            serves(format!("GET / HTTP/1.1\r\nhoST: {host}\r\n\r\n"), &["GET / "]);
        }
    }

    #[test]
    fn field_names_and_values() {
        for field in [
            ": v",
            "a\tb: v",
            "a\u{1}: v",
            "\u{e4}: v",
            "a : v",
            "a\t: v",
            "a b: v",
            "no colon",
            " folded: v",
        ] {
            refuses(get(&format!("{field}\r\n")), ProtoError::BadFieldName);
        }
        for field in ["a: \0", "a: \u{1}", "a: \u{7f}", "a: x\ry"] {
            refuses(get(&format!("{field}\r\n")), ProtoError::BadFieldValue);
        }
        refuses(get("a: x\r\n\ty\r\n"), ProtoError::BadFieldName);
        refuses("GET / HTTP/1.1\r\n Host: h\r\n\r\n", ProtoError::BadFieldName);

        let echo: &dyn Fn(&Request, &mut Response) = &|request, response| {
            for (name, value) in request.headers().iter() {
                response.append_body(format!("{name}=[{}];", String::from_utf8_lossy(value)));
            }
        };
        let server = ServerSide { handler: echo, ..ServerSide::default() };
        let outcome = server.serves(get("X-y: \t a\tb\u{e4} \t\r\nempty:\r\nempty: \r\n"), &["GET / "]);
        assert!(outcome.wire.ends_with("Host=[h];X-y=[a\tb\u{e4}];empty=[];empty=[];"), "{}", outcome.wire);
    }

    #[test]
    fn content_lengths() {
        for length in ["+5", "-1", "5,5", "5 5", "0x5", "", "9223372036854775808", "25000000000000000000"] {
            refuses(post(&format!("Content-Length: {length}\r\n"), "12345"), ProtoError::BadContentLength);
        }
        let twice = "Content-Length: 5\r\ncONTENT-lENGTH: 5\r\n";
        refuses(post(twice, "12345"), ProtoError::DuplicateContentLength);
    }

    #[test]
    fn transfer_encodings() {
        let chunks = "3\r\nabc\r\n0\r\n\r\n";
        serves(post("transfer-ENCODING: Chunked\r\n", chunks), &["POST / abc"]);
        for encoding in ["gzip", "chunked, gzip", "gzip, chunked", "", "identity", "chunked,"] {
            let message = post(&format!("Transfer-Encoding: {encoding}\r\n"), chunks);
            refuses(message, ProtoError::BadTransferEncoding);
        }
        let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
        refuses(post(twice, chunks), ProtoError::BadTransferEncoding);
        for length in ["", "Content-Length: 13\r\n"] {
            let message = format!("POST / HTTP/1.0\r\n{length}Transfer-Encoding: chunked\r\n\r\n{chunks}");
            refuses(message, ProtoError::TransferEncodingOnHttp10);
        }
    }

    #[test]
    fn chunked_wins_over_a_length_and_the_connection_ends() {
        let chunks = "3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        for fields in [
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        ] {
            let outcome = serves(post(fields, chunks), &["POST / abc"]);
            assert_eq!(outcome.end, End::Closed);
            assert!(outcome.wire.contains("Connection: close\r\n"));
        }
        for fields in [
            "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
            "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
        ] {
            refuses(post(fields, chunks), ProtoError::BadContentLength);
        }
    }

    #[test]
    fn target_forms() {
        serves("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", &["OPTIONS /* "]);
        serves("GET http://other/x HTTP/1.1\r\nHost: h\r\n\r\n", &["GET /x "]);
        serves("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", &["CONNECT / "]);
        refuses("GET http://a\\b/ HTTP/1.1\r\nHost: h\r\n\r\n", ProtoError::BadHost);
    }
}

mod bodies {
    use super::*;

    #[test]
    fn a_fixed_length_leaves_the_next_request_intact() {
        let message = format!("{}{}", post("Content-Length: 5\r\n", "hello"), get(""));
        serves(message, &["POST / hello", "GET / "]);
    }

    #[test]
    fn a_request_without_a_length_has_no_body() {
        serves(format!("{}{}", post("", ""), get("")), &["POST / ", "GET / "]);
        let with_body = "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
        serves(with_body, &["GET / abc"]);
        serves(with_body.replace("GET", "HEAD"), &["HEAD / abc"]);
    }

    #[test]
    fn chunked_bodies_keep_the_next_request_intact() {
        let chunked = |chunks: &str| post("Transfer-Encoding: chunked\r\n", chunks);
        serves(chunked("3\r\nabc\r\n5\r\n12345\r\n0\r\n\r\n"), &["POST / abc12345"]);
        let two = format!("{}{}", chunked("0\r\n\r\n"), chunked("1;x\r\na\r\n2\r\nbc\r\n0\r\nA: b\r\n\r\n"));
        serves(format!("{two}{}", get("")), &["POST / ", "POST / abc", "GET / "]);
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for chunks in ["x\r\n", "1\r\nab\r\n", "1 ;x\r\n", "0000000000000001\r\n", "-1\r\n"] {
            refuses(post("Transfer-Encoding: chunked\r\n", chunks), ProtoError::BadChunk);
        }
    }

    #[test]
    fn truncated_bodies_are_refused() {
        refuses(post("Content-Length: 5\r\n", "123"), ProtoError::UnexpectedEnd);
        for chunks in ["", "3", "3\r\n", "3\r\nabc", "0\r\n", "0\r\nA: b\r\n"] {
            refuses(post("Transfer-Encoding: chunked\r\n", chunks), ProtoError::UnexpectedEnd);
        }
        refuses("GET / HTTP/1.1\r\nHost: h\r\n", ProtoError::UnexpectedEnd);
    }

    #[test]
    fn trailers_are_readable() {
        let echo: &dyn Fn(&Request, &mut Response) = &|request, response| {
            for (name, value) in request.trailers().iter() {
                response.append_body(format!("{name}=[{}];", String::from_utf8_lossy(value)));
            }
            assert_eq!(request.header("x-sum"), None, "trailers are not header fields");
        };
        let server = ServerSide { handler: echo, ..ServerSide::default() };
        let fields = "Trailer: X-Sum, , x-other\r\nTransfer-Encoding: chunked\r\n";
        let message = post(fields, "3\r\nabc\r\n0\r\nX-Sum:  1 \r\nundeclared: 2\r\n\r\n");
        let outcome = server.serves(format!("{message}{}", get("")), &["POST / abc", "GET / "]);
        assert!(outcome.wire.contains("X-Sum=[1];undeclared=[2];HTTP/1.1 200"), "{}", outcome.wire);
    }

    #[test]
    fn some_names_cannot_be_trailers() {
        for name in ["Content-Length", "host", "X-Forwarded-For", "a b", "Trailer"] {
            let declared =
                post(&format!("Trailer: ok, {name}\r\nTransfer-Encoding: chunked\r\n"), "0\r\n\r\n");
            refuses(declared, ProtoError::BadTrailer);
            let sent = post("Transfer-Encoding: chunked\r\n", &format!("0\r\n{name}: 1\r\n\r\n"));
            refuses(sent, ProtoError::BadTrailer);
        }
        refuses(post("Transfer-Encoding: chunked\r\n", "0\r\na: \u{1}\r\n\r\n"), ProtoError::BadTrailer);
    }
}

mod bounds {
    use super::*;

    fn limited(body_bytes_max: u64) -> ServerSide<'static> {
        let limits = Limits { body_bytes_max: Some(body_bytes_max), ..Limits::default() };
        ServerSide { limits, ..ServerSide::default() }
    }

    #[test]
    fn a_head_that_just_fits_is_served() {
        let message = get("");
        let limits = Limits { head_bytes_max: message.len(), ..Limits::default() };
        let server = ServerSide { limits, ..ServerSide::default() };
        server.serves(&message, &["GET / "]);
        server.serves(format!("{message}{message}"), &["GET / ", "GET / "]);
        server.refuses(get("a:\r\n"), ProtoError::HeadTooLarge);
        server.refuses(format!("\r\n{message}"), ProtoError::HeadTooLarge);
        server.refuses("G".repeat(message.len()), ProtoError::MethodTooLong);
        server.refuses(format!("GET /{}", "a".repeat(message.len())), ProtoError::TargetTooLong);
        server.refuses("\r\n".repeat(message.len()), ProtoError::HeadTooLarge);
        let outcome = server.check(get("a: bc\r\n"));
        assert!(outcome.wire.starts_with("HTTP/1.1 431 "));
        assert!(outcome.wire.ends_with("Too big request header"));
    }

    #[test]
    fn the_number_of_fields_is_bounded() {
        let limits = Limits { fields_max: 3, ..Limits::default() };
        let server = ServerSide { limits, ..ServerSide::default() };
        server.serves(get("a: 1\r\nb: 2\r\n"), &["GET / "]);
        server.refuses(get("a: 1\r\nb: 2\r\nc: 3\r\n"), ProtoError::TooManyFields);
        server.refuses(get("a: 1\r\nb: 2\r\nc: 3\r\n").replace("1.1", "1.2"), ProtoError::TooManyFields);

        // The default, a limit for which the stack has no room, and none but that of the head.
        for fields_max in [FIELDS_DEFAULT, FIELDS_ON_STACK + 72, usize::MAX] {
            let limits = Limits { fields_max, ..Limits::default() };
            let server = ServerSide { limits, ..ServerSide::default() };
            let end = |count: usize| {
                let message = get(&"a: 1\r\n".repeat(count - 1));
                let whole = server.converse([message.as_bytes()]);
                assert_eq!(whole, server.converse([&message.as_bytes()[..100], &message.as_bytes()[100..]]));
                whole.end
            };
            let most = fields_max.min(2000);
            assert_eq!(end(most), End::Quiet, "{fields_max}");
            if most == fields_max {
                assert_eq!(end(most + 1), End::Refused(ProtoError::TooManyFields), "{fields_max}");
            }
        }
    }

    #[test]
    fn a_declared_length_above_the_limit_is_refused_at_the_head() {
        limited(10).serves(post("Content-Length: 10\r\n", "0123456789"), &["POST / 0123456789"]);
        limited(10).refuses(post("Content-Length: 11\r\n", ""), ProtoError::BodyTooLarge);
        assert!(limited(10).check(post("Content-Length: 11\r\n", "")).wire.starts_with("HTTP/1.1 413 "));
        limited(0).serves(post("Content-Length: 0\r\n", ""), &["POST / "]);
    }

    #[test]
    fn the_default_limit_and_none() {
        let promise = |length: u64| post(&format!("Content-Length: {length}\r\n"), "");
        let default = ServerSide::default();
        let end = |server: &ServerSide<'_>, length| server.converse([promise(length).as_bytes()]).end;
        assert_eq!(end(&default, 4_194_304), End::Refused(ProtoError::UnexpectedEnd));
        assert_eq!(end(&default, 4_194_305), End::Refused(ProtoError::BodyTooLarge));
        let limits = Limits { body_bytes_max: None, ..Limits::default() };
        let unlimited = ServerSide { limits, ..ServerSide::default() };
        assert_eq!(end(&unlimited, i64::MAX as u64), End::Refused(ProtoError::UnexpectedEnd));
    }

    #[test]
    fn chunks_above_the_limit_are_refused_at_their_size() {
        let chunked = |chunks| post("Transfer-Encoding: chunked\r\n", chunks);
        limited(8).refuses(chunked("6\r\nabcdef\r\n3\r\n"), ProtoError::BodyTooLarge);
        limited(9).serves(chunked("6\r\nabcdef\r\n3\r\nghi\r\n0\r\n\r\n"), &["POST / abcdefghi"]);
    }

    #[test]
    fn promised_bytes_cost_nothing() {
        let mut session = ServerSession::new(1);
        let mut request = Request::empty();
        request.input_mut().receive(post("Content-Length: 4194304\r\n", "1").as_bytes());
        let progress = request.advance(&mut session, &mut Output::default(), &Limits::default());
        assert_eq!(progress, Ok(Progress::NeedInput));
        request.input_mut().space(1024);
        assert!(request.input().capacity() < 4096, "{}", request.input().capacity());
    }

    #[test]
    fn chunk_framing_is_not_stored() {
        let mut session = ServerSession::new(1);
        let mut request = Request::empty();
        let mut out = Output::default();
        let limits = Limits::default();
        request.input_mut().receive(post("Transfer-Encoding: chunked\r\n", "").as_bytes());
        let extension = "e".repeat(usize::from(CHUNK_EXTENSION_BYTES_MAX) / 1000 - 1);
        for _ in 0..1000 {
            let chunk = format!("1;{extension}\r\nx\r\n");
            for piece in chunk.as_bytes().chunks(3) {
                assert_eq!(request.advance(&mut session, &mut out, &limits), Ok(Progress::NeedInput));
                request.input_mut().receive(piece);
            }
        }
        request.input_mut().receive(b"0\r\n\r\n");
        assert_eq!(request.advance(&mut session, &mut out, &limits), Ok(Progress::Ready));
        assert_eq!(request.body(), "x".repeat(1000).as_bytes());
        assert!(request.input().capacity() <= 4096, "{}", request.input().capacity());
    }
}

mod connections {
    use super::*;

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const OK_CLOSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const OK_KEEP: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n";

    #[test]
    fn http_1_1_stays_open() {
        let outcome = serves(format!("{}{}", get(""), get("")), &["GET / ", "GET / "]);
        assert_eq!((outcome.wire, outcome.end), (OK.repeat(2), End::Quiet));
    }

    #[test]
    fn the_client_closes() {
        for value in ["close", "Close", "close, TE", "TE ,\tCLOSE", "keep-alive, close"] {
            let message = format!("{}{}", get(&format!("connection: {value}\r\n")), get(""));
            let outcome = serves(message, &["GET / "]);
            assert_eq!((outcome.wire.as_str(), outcome.end), (OK_CLOSE, End::Closed), "{value}");
        }
        let lines = get("Connection: close\r\nConnection: TE\r\n");
        assert_eq!(serves(lines, &["GET / "]).end, End::Closed);
        let other = get("Connection: closed\r\nX-Connection: close\r\n");
        assert_eq!(serves(other, &["GET / "]).end, End::Quiet);
    }

    #[test]
    fn http_1_0_closes_unless_asked() {
        let plain = "GET / HTTP/1.0\r\n\r\n";
        let kept = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
        let outcome = serves(format!("{kept}{plain}{kept}"), &["GET / ", "GET / "]);
        assert_eq!((outcome.wire, outcome.end), (format!("{OK_KEEP}{OK_CLOSE}"), End::Closed));
        let both = "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n";
        assert_eq!(serves(both, &["GET / "]).end, End::Closed);
    }

    #[test]
    fn handler_and_server_close() {
        let polite: &dyn Fn(&Request, &mut Response) = &|_, response| response.set_connection_close();
        let header: &dyn Fn(&Request, &mut Response) =
            &|_, response| response.set_header("Connection", "close");
        let message = format!("{}{}", get(""), get(""));
        for handler in [polite, header] {
            let outcome = ServerSide { handler, ..ServerSide::default() }.serves(&message, &["GET / "]);
            assert_eq!((outcome.wire.as_str(), outcome.end), (OK_CLOSE, End::Closed));
        }
        let outcome = ServerSide { force_close: true, ..ServerSide::default() }.serves(&message, &["GET / "]);
        assert_eq!((outcome.wire.as_str(), outcome.end), (OK_CLOSE, End::Closed));
    }

    #[test]
    fn a_handler_cannot_undo_the_clients_wish() {
        let stubborn: &dyn Fn(&Request, &mut Response) =
            &|_, response| response.set_header("Connection", "keep-alive");
        let server = ServerSide { handler: stubborn, ..ServerSide::default() };
        let outcome = server.serves(get("Connection: close\r\n"), &["GET / "]);
        assert_eq!((outcome.wire.as_str(), outcome.end), (OK_CLOSE, End::Closed));
    }

    #[test]
    fn pipelined_requests_are_answered_in_order() {
        let path: &dyn Fn(&Request, &mut Response) = &|request, response| response.set_body(request.path());
        let server = ServerSide { handler: path, ..ServerSide::default() };
        let message: String =
            (0..20).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
        let outcome = server.converse([message.as_bytes()]);
        let bodies: Vec<&str> = outcome
            .wire
            .split("HTTP/1.1 200 OK")
            .skip(1)
            .filter_map(|response| response.split("\r\n\r\n/").nth(1))
            .collect();
        let expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        assert_eq!(bodies, expected);
        assert_eq!(server.converse(message.as_bytes().chunks(7)), outcome);
    }

    #[test]
    fn a_partial_request_does_not_hold_back_a_response() {
        let mut session = ServerSession::new(1);
        let mut request = Request::empty();
        let mut out = Output::default();
        let limits = Limits::default();
        request.input_mut().receive(format!("{}GET /half", get("")).as_bytes());
        assert_eq!(request.advance(&mut session, &mut out, &limits), Ok(Progress::Ready));
        let reply = Response::new().respond(&mut session, &request, &mut out, &DEFAULTS, false);
        assert_eq!(reply.close, None);
        request.finish(&mut session);
        assert_eq!(request.advance(&mut session, &mut out, &limits), Ok(Progress::NeedInput));
        assert_eq!(String::from_utf8_lossy(&out.to_vec()), OK);
        assert_eq!(session.state(), RequestStage::Head);
    }

    #[test]
    fn stray_line_ends_and_empty_connections_are_quiet() {
        let upload = post("Content-Length: 1\r\n", "x");
        serves(format!("{upload}\r\n\r\n{}", get("")), &["POST / x", "GET / "]);
        let outcome = serves(format!("{upload}\r\n\r\n"), &["POST / x"]);
        assert_eq!((outcome.wire.as_str(), outcome.end), (OK, End::Quiet));
        for nothing in ["", "\r\n", "\n\r\n", "\r"] {
            let outcome = serves(nothing, &[]);
            assert_eq!((outcome.wire.as_str(), outcome.end), ("", End::Quiet), "{nothing:?}");
        }
    }

    #[test]
    fn the_stage_follows_the_bytes() {
        let mut session = ServerSession::new(1);
        let mut request = Request::empty();
        let mut out = Output::default();
        for (piece, stage) in [
            ("", RequestStage::Idle),
            ("\r\n\r", RequestStage::Idle),
            ("\n", RequestStage::Idle),
            ("P", RequestStage::Head),
            ("OST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r", RequestStage::Head),
            ("\n", RequestStage::Body),
            ("1", RequestStage::Body),
            ("2", RequestStage::Ready),
        ] {
            request.input_mut().receive(piece.as_bytes());
            request.advance(&mut session, &mut out, &Limits::default()).expect("a good request");
            assert_eq!(session.state(), stage, "{piece:?}");
            assert_eq!(
                (session.is_idle(), session.state() == RequestStage::Head),
                (stage == RequestStage::Idle, stage == RequestStage::Head)
            );
        }
        request.finish(&mut session);
        assert_eq!(session.state(), RequestStage::Idle);
    }

    #[test]
    fn an_exchanged_request_object_ends_the_connection() {
        let mut session = ServerSession::new(1);
        let mut request = Request::empty();
        let mut out = Output::default();
        request.input_mut().receive(get("").as_bytes());
        assert_eq!(request.advance(&mut session, &mut out, &Limits::default()), Ok(Progress::Ready));
        let mut other = Request::empty();
        other.input_mut().receive(b"something else altogether");
        let reply = Response::new().respond(&mut session, &other, &mut out, &DEFAULTS, false);
        assert_eq!(reply.close, Some(CloseReason::Failed));
        other.finish(&mut session);
        assert!(other.input().is_empty());
        assert_eq!(String::from_utf8_lossy(&out.to_vec()), OK_CLOSE);
    }

    #[test]
    fn a_request_exchanged_while_its_head_is_decided_on_is_not_accepted() {
        let limits = Limits { head_decision: HeadDecision::Always, ..Limits::DEFAULT };
        let decided_on = |connection, message: &str| {
            let (mut session, mut request) = (ServerSession::new(connection), Request::empty());
            request.input_mut().receive(message.as_bytes());
            let found = request.advance(&mut session, &mut Output::default(), &limits);
            assert_eq!(found, Ok(Progress::Head { awaits_continue: false }));
            (session, request)
        };
        let mut out = Output::default();
        let (mut session, mut own) = decided_on(1, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
        let (_, mut other) = decided_on(
            2,
            "GET /b HTTP/1.1\r\nHost: h\r\n\r\nGET /of-another-client HTTP/1.1\r\nHost: h\r\n\r\n",
        );
        assert_eq!(other.accept_body(&mut session, &mut out, &limits), Err(ProtoError::Syntax));
        assert_eq!(own.accept_body(&mut session, &mut out, &limits), Ok(Progress::Ready));
        assert_eq!((own.path(), session.requests()), ("/a", 1));
    }
}

mod responses {
    use super::*;

    #[test]
    fn the_length_is_that_of_the_body() {
        let handler: &dyn Fn(&Request, &mut Response) = &|_, response| response.set_body("hello");
        let outcome = ServerSide { handler, ..ServerSide::default() }.serves(get(""), &["GET / "]);
        assert!(outcome.wire.ends_with("Content-Length: 5\r\n\r\nhello"), "{}", outcome.wire);
    }

    #[test]
    fn responses_without_a_body_leave_the_connection_usable() {
        let handler: &dyn Fn(&Request, &mut Response) = &|request, response| {
            response.set_status_code(if request.path() == "/none" { 204 } else { 200 });
            response.set_body("body");
        };
        let server = ServerSide { handler, ..ServerSide::default() };
        let none = "GET /none HTTP/1.1\r\nHost: h\r\n\r\n";
        let head = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
        let outcome = server.serves(format!("{none}{head}{}", get("")), &["GET /none ", "HEAD / ", "GET / "]);
        let ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\n";
        assert_eq!(outcome.wire, format!("HTTP/1.1 204 No Content\r\n\r\n{ok}{ok}body"));
        assert_eq!(outcome.end, End::Quiet);
    }

    #[test]
    fn a_tunnel_has_no_framing_and_ends_http() {
        let outcome = serves("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", &["CONNECT / "]);
        assert_eq!(outcome.wire, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    }
}

mod expectations {
    use super::*;

    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n";

    #[test]
    fn the_body_is_asked_for() {
        for value in ["100-continue", "100-Continue"] {
            let message = post(&format!("expect: {value}\r\nContent-Length: 2\r\n"), "ab");
            let outcome = serves(message, &["POST / ab"]);
            assert!(outcome.wire.starts_with(CONTINUE), "{}", outcome.wire);
        }
        let chunked = post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n\r\n");
        let outcome = serves(chunked, &["POST / a"]);
        assert!(outcome.wire.starts_with(CONTINUE), "{}", outcome.wire);
    }

    #[test]
    fn the_body_is_asked_for_before_it_arrives() {
        let mut session = ServerSession::new(1);
        let mut request = Request::empty();
        let mut out = Output::default();
        request.input_mut().receive(post("Expect: 100-continue\r\nContent-Length: 2\r\n", "").as_bytes());
        assert_eq!(request.advance(&mut session, &mut out, &Limits::default()), Ok(Progress::NeedInput));
        assert_eq!(out.to_vec(), b"HTTP/1.1 100 Continue\r\n\r\n");
        request.input_mut().receive(b"a");
        assert_eq!(request.advance(&mut session, &mut out, &Limits::default()), Ok(Progress::NeedInput));
        assert_eq!(out.to_vec(), b"HTTP/1.1 100 Continue\r\n\r\n", "once is enough");
    }

    #[test]
    fn nothing_is_asked_for_where_it_makes_no_sense() {
        for message in [
            "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab".to_owned(),
            post("Expect: 100-continue\r\nContent-Length: 0\r\n", ""),
            post("Expect: 100-continue\r\n", ""),
        ] {
            let outcome = check(&message);
            assert_eq!(outcome.requests.len(), 1, "{message:?}");
            assert!(outcome.wire.starts_with("HTTP/1.1 200 OK"), "{}", outcome.wire);
        }
    }

    #[test]
    fn unknown_expectations_and_bodies_too_large_are_refused_at_once() {
        refuses(post("Expect: 200-ok\r\nContent-Length: 2\r\n", ""), ProtoError::ExpectationFailed);
        let large = post("Expect: 100-continue\r\nContent-Length: 4194305\r\n", "");
        refuses(&large, ProtoError::BodyTooLarge);
        assert!(check(&large).wire.starts_with("HTTP/1.1 413 "));
    }
}
