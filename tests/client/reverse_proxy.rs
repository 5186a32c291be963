//! A proxy in front of a server: what the server promises holds through it, and what passes through passes in pieces.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anthill_http::client::{
    Client, ClientErrorKind, ForwardedFields, ReverseProxy, ReverseProxyError, SendBody, proxy,
};
use anthill_http::{Request, RequestCtx, RunningServer, Server, StatusError};
use anthill_tests::upstream::Upstream;
use anthill_tests::{Gate, corpus};

use crate::script::{LONG, OK, Peer, Script};

/// Cases, by file and title, in which whoever stands behind a proxy sees something else than its client has sent, or
/// nothing; and why.
const OTHERWISE: &[(&str, &str, &str)] = &[
    ("connections/close", "a third request of HTTP/1.0 behind one that does not ask to stay", NAMES_A_HOST),
    ("connections/close", "the handler closes", "RFC 9110 7.6.1: that is the connection to the proxy"),
    (
        "encodings/transfer-encoding",
        "a TE field is none",
        "RFC 9110 10.1.4: a proxy says itself what it takes",
    ),
    ("hosts/hosts", "no host in HTTP/1.0", NAMES_A_HOST),
    ("hosts/hosts", "an empty host in HTTP/1.0", NAMES_A_HOST),
    ("hosts/hosts", "an absolute form beside another host", ABSOLUTE_FORM),
    ("hosts/hosts", "an absolute form in HTTP/1.0 without a host", ABSOLUTE_FORM),
    ("lengths/content-length", "a body of HTTP/1.0", NAMES_A_HOST),
    ("lengths/content-length", "a body of CONNECT", NO_TUNNEL),
    ("smuggling/smuggling", "an upgrade that is not answered by one", NO_UPGRADE),
    ("smuggling/smuggling", "the upgrade to HTTP/2 with its settings", NO_UPGRADE),
    ("targets/forms", "absolute form", ABSOLUTE_FORM),
    ("targets/forms", "an asterisk", "RFC 9112 3.2.4: that form is for OPTIONS, and is refused otherwise"),
    ("targets/forms", "authority form", NO_TUNNEL),
];

/// The same, beside those, of one that has bodies whole.
const OTHERWISE_WHOLE: &[(&str, &str, &str)] = &[(
    "fields/names",
    "a colon at the front of a value",
    "RFC 9110 8.6: a POST says that it has no content",
)];

/// And of one that reads bodies as they come, whose framing is nobody's but its own.
const OTHERWISE_STREAMED: &[(&str, &str, &str)] = &[
    ("chunks/sizes", "sizes that are numbers and too large", BOUND_BY_ITS_READER),
    ("connections/responses", "a refusal of HEAD", BOUND_BY_ITS_READER),
    ("lengths/content-length", "lengths that are numbers and too large", BOUND_BY_ITS_READER),
    ("expectations/expect", "a body above the limit that is asked for", BOUND_BY_ITS_READER),
    ("limits/limits", "a body above the limit", BOUND_BY_ITS_READER),
    (
        "pipelines/pipelines",
        "nothing of a request is left for the next",
        "whose body is here is not asked for it",
    ),
];
const BOUND_BY_ITS_READER: &str = "a body that is read as it comes has no limit but its reader's";
const NAMES_A_HOST: &str = "a request of HTTP/1.1 has a host; without one it is the upstream's";
const ABSOLUTE_FORM: &str =
    "RFC 9112 3.2.2: the host of the target is the one that counts, and is sent as Host";
const NO_TUNNEL: &str = "the proxy answers 501 itself";
const NO_UPGRADE: &str = "RFC 9110 7.8: Upgrade is for one connection, and is not passed on";

#[test]
fn the_protocol_corpus_of_the_server_holds_behind_a_proxy() {
    hold_corpus(false, &[OTHERWISE, OTHERWISE_WHOLE].concat());
}

#[test]
fn the_protocol_corpus_of_the_server_holds_behind_a_proxy_that_reads_bodies_as_they_come() {
    hold_corpus(true, &[OTHERWISE, OTHERWISE_STREAMED].concat());
}

/// Tries each case behind a proxy, whose bodies are passed on as they come if it `streams`, and requires that exactly
/// those become something else that are named.
fn hold_corpus(streams: bool, named: &[(&'static str, &'static str, &'static str)]) {
    let upstream = Upstream::new(streams);
    let (mut tried, mut failures, mut otherwise) = (0, Vec::new(), BTreeSet::new());
    for case in corpus::areas().iter().flat_map(|area| corpus::cases(area)) {
        let Some(outcome) = case.check_on(|options| upstream.behind(options)) else { continue };
        tried += 1;
        let known = named.iter().find(|(file, title, _)| {
            case.label.starts_with(&format!("{file}.txt:")) && case.label.contains(&format!("{title:?}"))
        });
        match (outcome, known) {
            (Ok(()), _) => {}
            (Err(_), Some(known)) => drop(otherwise.insert(known)),
            (Err(problem), None) => failures.push(problem),
        }
    }
    assert!(failures.is_empty(), "{} of {tried} failed\n\n{}", failures.len(), failures.join("\n\n"));
    let needless: Vec<_> = named.iter().filter(|known| !otherwise.contains(known)).collect();
    assert!(tried > 1000 && needless.is_empty(), "{tried} were tried; as without a proxy are {needless:?}");
}

/// A server that passes everything on to `upstream`, bodies as they come.
pub(crate) fn front(
    upstream: &Script,
    configure: impl FnOnce(ReverseProxy) -> ReverseProxy,
) -> RunningServer {
    front_with(Client::new(), upstream, configure)
}

pub(crate) fn front_with(
    client: Client,
    upstream: &Script,
    configure: impl FnOnce(ReverseProxy) -> ReverseProxy,
) -> RunningServer {
    let proxy = configure(proxy(client, &format!("http://{}", upstream.addr)).expect("an upstream"));
    let server = Server::builder().stream_request_body(true).build_handler(proxy).expect("a server");
    server.start("127.0.0.1:0").expect("a free port")
}

pub(crate) fn url(front: &RunningServer) -> String {
    format!("http://{}/x", front.local_addr())
}

pub(crate) fn client() -> Client {
    Client::builder()
        .timeout(LONG)
        .max_redirects(0)
        .decompress(false)
        .user_agent("")
        .build()
        .expect("settings with a meaning")
}

/// Reads until `end` is there; all up to there.
pub(crate) fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("the front answers"), 1, "{}", read.escape_ascii());
        read.push(byte[0]);
    }
    String::from_utf8(read).expect("text")
}

pub(crate) fn connect(front: &RunningServer) -> TcpStream {
    let stream = TcpStream::connect(front.local_addr()).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("an option of every socket");
    stream
}

#[test]
fn what_is_for_one_connection_stays_there_and_nothing_is_added_or_undone() {
    let upstream = Script::new(1, |_, mut peer: Peer| {
        let head = peer.head().to_ascii_lowercase();
        for there in ["via: 1.0 a, 1.1 edge\r\n", "x-kept: 1\r\n", "te: trailers\r\nconnection: te\r\n"] {
            assert!(head.contains(there), "{there} in {head}");
        }
        for gone in ["x-named", "upgrade", "keep-alive", "user-agent", "accept-encoding", "6.6.6.6"] {
            assert!(!head.contains(gone), "{gone} in {head}");
        }
        assert!(head.contains(
            "x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: 127.0.0.1:"
        ));
        peer.say("HTTP/1.1 302 Elsewhere\r\nConnection: X-Inner\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\n");
        peer.say("Location: /y\r\nContent-Encoding: gzip\r\nX-Set: theirs\r\nServer: theirs\r\nContent-Length: 2\r\n\r\nok");
        assert!(peer.head().starts_with("HEAD"));
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
        assert!(peer.head().starts_with("HEAD"));
        peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.head();
        peer.say("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 9\r\n\r\n");
    });
    let proxy = ReverseProxy::new(Client::new(), &format!("http://{}", upstream.addr)).expect("an upstream");
    let proxy = proxy.via("edge");
    let handler = move |ctx: &mut RequestCtx| {
        ctx.response.set_header("X-Set", "ours");
        ctx.response.set_header("X-Id", "7");
        proxy.forward(ctx)
    };
    let front = Server::new(handler).expect("a server").start("127.0.0.1:0").expect("a free port");
    let (client, url) = (client(), url(&front));
    let sent =
        client.get(&url).header("Connection", "X-Named, TE").header("X-Named", "1").header("TE", "trailers");
    let sent = sent.header("Upgrade", "websocket").header("Via", "1.0 a").header("X-Kept", "1");
    let sent = sent
        .header("X-Forwarded-For", "6.6.6.6")
        .header("Forwarded", "for=6.6.6.6")
        .header("Keep-Alive", "x");
    let mut response = sent.send().expect("a response");
    assert_eq!((response.status_code(), response.reason()), (302, &b"Elsewhere"[..]));
    let fields: Vec<_> = response.headers().iter().map(|(name, value)| (name, value.to_vec())).collect();
    for field in [
        ("Location", "/y"),
        ("Content-Encoding", "gzip"),
        ("X-Set", "theirs"),
        ("X-Id", "7"),
        ("Server", "theirs"),
    ] {
        assert!(fields.contains(&(field.0, field.1.into())), "{field:?} in {fields:?}");
    }
    assert_eq!([response.header("X-Inner"), response.header("Keep-Alive")], [None, None]);
    assert_eq!(response.text().expect("a body"), "ok");
    let response = client.head(&url).send().expect("a response");
    assert_eq!(response.header_str("Content-Length"), Some("1234"));
    let response = client.head(&url).send().expect("a response");
    assert_eq!(response.header_str("Transfer-Encoding"), Some("chunked"));
    let response = client.get(&url).send().expect("a response");
    assert_eq!((response.status_code(), response.header_str("ETag")), (304, Some("\"a\"")));
    upstream.end();
}

#[test]
fn who_asks_is_said_as_it_is_wanted() {
    let upstream = Script::new(2, |number, mut peer: Peer| {
        let head = peer.head();
        let expected = ["X-Forwarded-For: 6.6.6.6, 127.0.0.1\r\n", "X-Forwarded-For: 6.6.6.6\r\n"][number];
        assert!(head.contains(expected), "{head}");
        assert_eq!(head.contains("Host: kept.test\r\n"), number == 0, "{head}");
        assert_eq!(head.contains("X-Forwarded-Proto: http\r\n"), number == 0, "{head}");
        peer.say(OK);
    });
    for mode in [ForwardedFields::Append, ForwardedFields::Keep] {
        let front =
            front(&upstream, |proxy| proxy.forwarded(mode).preserve_host(mode == ForwardedFields::Append));
        let client = client();
        let request =
            client.get(url(&front)).header("Host", "kept.test").header("X-Forwarded-For", "6.6.6.6");
        assert_eq!(request.send().expect("a response").status_code(), 200);
    }
    upstream.end();
}

#[test]
fn bodies_pass_in_pieces_and_their_trailers_behind_them() {
    let (begun, read) = (Gate::new(), Gate::new());
    let (sent, seen) = (begun.clone(), read.clone());
    let upstream = Script::new(1, move |_, mut peer: Peer| {
        let head = peer.head();
        assert!(head.contains("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"), "{head}");
        assert_eq!(peer.read_until("first\r\n"), "5\r\nfirst\r\n");
        sent.open();
        assert_eq!(peer.read_until("\r\n\r\n"), "6\r\nsecond\r\n0\r\nX-Sum: 11\r\n\r\n");
        peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Total\r\n\r\n3\r\none\r\n");
        seen.pass();
        peer.say("3\r\ntwo\r\n0\r\nX-Total: 6\r\n\r\n");
        // And of a known length.
        assert!(peer.head().contains("Content-Length: 11\r\n"));
        assert_eq!(peer.read_until("second"), "firstsecond");
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
        seen.pass();
        peer.say("onetwo");
    });
    let front = front(&upstream, |proxy| proxy);
    let mut stream = connect(&front);
    stream
        .write_all(b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nfirst\r\n")
        .expect("the front reads");
    begun.pass();
    stream.write_all(b"6\r\nsecond\r\n0\r\nX-Sum: 11\r\n\r\n").expect("the front reads");
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(
        head.contains("Transfer-Encoding: chunked\r\n") && head.contains("Trailer: X-Total\r\n"),
        "{head}"
    );
    assert_eq!(read_until(&mut stream, "one\r\n"), "3\r\none\r\n");
    read.open();
    assert_eq!(read_until(&mut stream, "\r\n\r\n"), "3\r\ntwo\r\n0\r\nX-Total: 6\r\n\r\n");
    stream
        .write_all(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nfirstsecond")
        .expect("the front reads");
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(head.contains("Content-Length: 6\r\n"), "{head}");
    assert_eq!(read_until(&mut stream, "two"), "onetwo");
    upstream.end();
}

#[test]
fn a_body_of_any_size_passes() {
    let upstream = Server::builder()
        .stream_request_body(true)
        .build(|ctx| {
            let count = std::io::copy(&mut ctx.body_reader(), &mut std::io::sink()).unwrap_or_default();
            ctx.response.set_body_reader_sized(std::io::repeat(b'x').take(count), count);
        })
        .expect("a server")
        .start("127.0.0.1:0")
        .expect("a free port");
    let proxy = proxy(Client::new(), &format!("http://{}/", upstream.local_addr())).expect("an upstream");
    let server = Server::builder().stream_request_body(true).build_handler(proxy).expect("a server");
    let front = server.start("127.0.0.1:0").expect("a free port");
    let size = 20 * 1024 * 1024;
    for body in
        [SendBody::sized(std::io::repeat(b'y'), size), SendBody::new(std::io::repeat(b'y').take(size))]
    {
        let mut response = client().put(url(&front)).send_body(body).send().expect("a response");
        assert_eq!(std::io::copy(&mut response, &mut std::io::sink()).expect("a body"), size);
    }
}

#[test]
fn clients_are_asked_for_their_body_when_the_upstream_asks() {
    let answered = Gate::new();
    let answers = answered.clone();
    let upstream = Script::new(3, move |number, mut peer: Peer| {
        assert!(peer.head().contains("Expect: 100-continue\r\n"));
        match number {
            // It is refused, and never read.
            0 => {
                peer.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
                peer.expect_end();
            }
            1 => {
                peer.say("HTTP/1.1 100 Continue\r\n\r\n");
                peer.read_until("body");
                peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            }
            // It comes while the client sends, who is told at once.
            _ => {
                peer.say("HTTP/1.1 100 Continue\r\n\r\n");
                peer.read_until("b");
                peer.say(
                    "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
                );
                answers.open();
            }
        }
    });
    let front = front(&upstream, |proxy| proxy);
    let head = b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let begin = || {
        let mut stream = connect(&front);
        stream.write_all(head).expect("the front reads");
        let line = read_until(&mut stream, "\r\n");
        (stream, line)
    };
    let (_, line) = begin();
    assert_eq!(line, "HTTP/1.1 403 Forbidden\r\n");
    let (mut stream, line) = begin();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream.write_all(b"body").expect("the front reads");
    assert_eq!(read_until(&mut stream, " OK\r\n"), "\r\nHTTP/1.1 200 OK\r\n");
    let (mut stream, line) = begin();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream.write_all(b"b").expect("the front reads");
    answered.pass();
    stream.write_all(b"o").expect("the front reads");
    assert!(read_until(&mut stream, "big").starts_with("\r\nHTTP/1.1 413 Content Too Large\r\n"));
    upstream.end();
}

#[test]
fn what_a_client_has_left_is_ended_for_the_upstream() {
    // Before the response, in the middle of it, and in the middle of the request; the same of a handler that is waited
    // for only so long, which has nothing of its connection.
    for is_timed in [false, true] {
        for (request, answer) in [
            ("GET /silent HTTP/1.1\r\nHost: h\r\n\r\n", ""),
            ("GET /half HTTP/1.1\r\nHost: h\r\n\r\n", "one"),
            ("GET /sized HTTP/1.1\r\nHost: h\r\n\r\n", "one"),
            ("PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\none", ""),
        ] {
            if is_timed && request.contains("/upload") {
                // It is whole before the handler is called.
                continue;
            }
            let begun = Gate::new();
            let told = begun.clone();
            let upstream = Script::new(1, move |_, mut peer: Peer| {
                let head = peer.head();
                if head.contains("/half") {
                    peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
                } else if head.contains("/sized") {
                    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none");
                } else if head.contains("/upload") {
                    peer.read_until("one");
                }
                told.open();
                peer.expect_end();
            });
            let proxy = proxy(Client::new(), &format!("http://{}", upstream.addr)).expect("an upstream");
            let options = Server::builder().stream_request_body(true);
            let options = if is_timed { options.handler_timeout(2 * LONG) } else { options };
            let front =
                options.build_handler(proxy).expect("a server").start("127.0.0.1:0").expect("a free port");
            let mut stream = connect(&front);
            stream.write_all(request.as_bytes()).expect("the front reads");
            begun.pass();
            read_until(&mut stream, answer);
            drop(stream);
            upstream.end();
            front.shutdown(LONG).expect("nothing is under way");
        }
    }
}

#[test]
fn an_upstream_that_must_not_be_interrupted_is_not() {
    let (asked, gone) = (Gate::new(), Gate::new());
    let (told, go_on) = (asked.clone(), gone.clone());
    let upstream = Script::new(1, move |_, mut peer: Peer| {
        peer.head();
        told.open();
        go_on.pass();
        peer.say(OK);
        peer.expect_end();
    });
    let client = Client::builder().max_idle_conns(0).build().expect("settings with a meaning");
    let front = front_with(client, &upstream, |proxy| proxy.ignore_client_abort(true));
    let mut stream = connect(&front);
    stream.write_all(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").expect("the front reads");
    stream.shutdown(Shutdown::Write).expect("it is connected");
    asked.pass();
    // Longer than it takes to be noticed.
    std::thread::sleep(Duration::from_millis(300));
    gone.open();
    assert!(read_until(&mut stream, "ok").starts_with("HTTP/1.1 200 OK\r\n"));
    upstream.end();
}

#[test]
fn what_an_upstream_does_wrong_has_its_status() {
    let short = || Client::builder().read_timeout(Duration::from_millis(50)).build().expect("settings");
    let dead = Script::new(0, |_, _| {});
    let dead_addr = dead.addr;
    dead.end();
    let upstream = Script::new(3, |number, mut peer: Peer| {
        peer.head();
        match number {
            0 => peer.expect_end(),
            1 => peer.say("HTTP/1.1 2x0 OK\r\n\r\n"),
            _ => peer.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
        }
    });
    let status = |front: &RunningServer| {
        let client = client();
        let mut response = client.post(url(front)).send().expect("a response");
        // Where the upstream is, is nobody's affair.
        assert!(!response.text().expect("a body").contains("127.0.0.1"));
        response.status_code()
    };
    let alive = front_with(short(), &upstream, |proxy| proxy);
    assert_eq!([0; 3].map(|_| status(&alive)), [504, 502, 502]);
    upstream.end();
    let proxy = proxy(Client::new(), &format!("http://{dead_addr}")).expect("an upstream");
    let mut ctx = RequestCtx::for_request(Request::new("GET", "http://h/").expect("a request"), None);
    match proxy.forward(&mut ctx) {
        Err(ReverseProxyError::Upstream(error)) => assert_eq!(error.kind(), ClientErrorKind::Connect),
        other => panic!("{other:?}"),
    }
    let mut ctx = RequestCtx::for_request(Request::new("CONNECT", "h:1").expect("a request"), None);
    assert_eq!(proxy.forward(&mut ctx).map_err(|error| error.status()), Err(501));
    for (method, status) in [("OPTIONS", 200), ("TRACE", 501)] {
        let mut request = Request::new(method, "http://h/").expect("a request");
        request.set_header("Max-Forwards", "0");
        let mut ctx = RequestCtx::for_request(request, None);
        proxy.forward(&mut ctx).expect("it goes no further");
        assert_eq!(ctx.response.status_code(), status, "{method}");
    }
}

#[test]
fn what_breaks_off_on_one_side_breaks_off_on_the_other() {
    let upstream = Script::new(3, |number, mut peer: Peer| {
        peer.head();
        match number {
            0 => peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none"),
            1 => peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"),
            // It has a part of the body, and never all of it.
            _ => {
                peer.read_until("one");
                peer.expect_end();
            }
        }
    });
    let front = front(&upstream, |proxy| proxy.ignore_client_abort(true));
    for _ in 0..2 {
        let mut response = client().get(url(&front)).send().expect("a head");
        let error = response.read_body().expect_err("it breaks off");
        assert_eq!((response.status_code(), error.kind()), (200, ClientErrorKind::ConnectionClosed));
    }
    let mut stream = connect(&front);
    stream.write_all(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\none").expect("the front reads");
    stream.shutdown(Shutdown::Write).expect("it is connected");
    assert!(read_until(&mut stream, "\r\n").starts_with("HTTP/1.1 400 "));
    upstream.end();
}

#[test]
fn hints_are_passed_on_as_they_come() {
    let (hinted, go_on) = (Gate::new(), Gate::new());
    let read = go_on.clone();
    let upstream = Script::new(1, move |_, mut peer: Peer| {
        for _ in 0..2 {
            peer.head();
            peer.say("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX: y\r\n\r\n");
            hinted.open();
            read.pass();
            peer.say("HTTP/1.1 200 OK\r\nLink: </b.css>\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let front = front(&upstream, |proxy| proxy);
    let mut stream = connect(&front);
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n").expect("the front reads");
    assert_eq!(read_until(&mut stream, "\r\n\r\n"), "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
    go_on.open();
    let answer = read_until(&mut stream, "ok");
    assert!(answer.contains("Link: </b.css>\r\n") && !answer.contains("a.css"), "{answer}");
    // To a client that would not know what it is nothing of that is said.
    let mut stream = connect(&front);
    stream.write_all(b"GET /x HTTP/1.0\r\nHost: h\r\n\r\n").expect("the front reads");
    assert!(read_until(&mut stream, "ok").starts_with("HTTP/1.1 200 OK\r\n"));
    upstream.end();
}

#[test]
fn trailers_pass_however_a_response_is_cut() {
    let large = "x".repeat(100_000);
    let bodies = [String::new(), "3\r\none\r\n".to_owned(), format!("{:x}\r\n{large}\r\n", large.len())];
    let sent = bodies.clone();
    let upstream = Script::new(1, move |_, mut peer: Peer| {
        for body in &sent {
            peer.head();
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Total\r\n\r\n";
            // In one piece.
            peer.say(&format!("{head}{body}0\r\nX-Total: 3\r\n\r\n"));
        }
    });
    let front = front(&upstream, |proxy| proxy);
    let client = client();
    for body in bodies {
        let mut response = client.get(url(&front)).send().expect("a response");
        assert_eq!(response.read_body().expect("a body").len(), body.matches(['o', 'n', 'e', 'x']).count());
        assert_eq!(response.trailers().get("X-Total"), Some(&b"3"[..]));
    }
    upstream.end();
}

#[test]
fn what_the_handler_says_stands_beside_what_is_passed() {
    let upstream = Script::new(1, |_, mut peer: Peer| {
        let head = peer.head();
        assert!(head.contains("X-User: ann\r\n") && !head.contains("X-Theirs"), "{head}");
        for made_up in ["X_Forwarded_For", "X-Forwarded-Port", "X-Original-Url", "mallory"] {
            assert!(!head.to_ascii_lowercase().contains(&made_up.to_ascii_lowercase()), "{made_up}: {head}");
        }
        peer.say("HTTP/1.1 103 Early Hints\r\nLink: </hint.css>\r\n\r\n");
        peer.say("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok");
    });
    let proxy = proxy(Client::new(), &format!("http://{}", upstream.addr)).expect("an upstream");
    let handler = move |ctx: &mut RequestCtx| {
        ctx.request.set_header("X-User", "ann");
        ctx.response.append_header("Set-Cookie", "own=1");
        ctx.response.append_header("Link", "</own.css>");
        proxy.forward(ctx)
    };
    let front = Server::new(handler).expect("a server").start("127.0.0.1:0").expect("a free port");
    let mut stream = connect(&front);
    stream
        .write_all(
            b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: X-User, X-Theirs\r\nX-User: mallory\r\nX-Theirs: 1\r\n\
              X_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Port: 1\r\nX-Original-URL: /admin\r\n\r\n",
        )
        .expect("the front reads");
    let hints = read_until(&mut stream, "\r\n\r\n");
    assert!(hints.contains("hint.css") && !hints.contains("own.css"), "{hints}");
    let answer = read_until(&mut stream, "\r\n\r\nok");
    for there in
        ["Link: </own.css>\r\n", "Set-Cookie: own=1\r\n", "Set-Cookie: a=1\r\n", "Set-Cookie: b=2\r\n"]
    {
        assert!(answer.contains(there), "{there} in {answer}");
    }
    // Nothing is said of the content that the upstream did not say.
    for added in ["Content-Type", "Server", "hint.css"] {
        assert!(!answer.contains(added), "{added} in {answer}");
    }
    upstream.end();
}
