//! What a proxy passes on, in the forms in which others than our own server say it, and in every cut; and both bodies
//! of an exchange at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anthill_http::client::{Client, proxy};
use anthill_http::{RequestCtx, RunningServer, Server, timeout};
use anthill_tests::Gate;

use crate::reverse_proxy::{client, connect, front, front_with, read_until, url};
use crate::script::{LONG, OK, Peer, Script};

/// Everything up to the end of the connection.
pub(crate) fn read_all(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    // A reset behind an answer is an end as well.
    let _ = stream.read_to_end(&mut read);
    String::from_utf8_lossy(&read).into_owned()
}

fn ask(front: &RunningServer, request: &str) -> String {
    let mut stream = connect(front);
    stream.write_all(request.as_bytes()).expect("the front reads");
    read_all(&mut stream)
}

const GET: &str = "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

#[test]
fn trailers_are_passed_on_however_the_response_is_cut() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Total\r\n\r\n";
    let bodies = ["3\r\none\r\n0\r\nX-Total: 3\r\n\r\n".to_owned(), "0\r\nX-Total: 0\r\n\r\n".to_owned()];
    let size = 0x11000;
    let large = format!("{size:x}\r\n{}\r\n0\r\nX-Total: 9\r\n\r\n", "x".repeat(size));
    let mut answers = Vec::new();
    for body in &bodies {
        let whole = format!("{HEAD}{body}");
        for cut in 0..whole.len() {
            answers.push((whole.clone(), cut, body.clone()));
        }
    }
    answers.push((format!("{HEAD}{large}"), 0, large));
    let (said, count) = (answers.clone(), answers.len());
    let upstream = Script::new(1, move |_, mut peer: Peer| {
        peer.stream.set_nodelay(true).expect("an option of every socket");
        for (whole, cut, _) in &said {
            peer.head();
            let (first, second) = whole.split_at(*cut);
            if !first.is_empty() {
                peer.say(first);
                std::thread::sleep(Duration::from_millis(1));
            }
            peer.say(second);
        }
        // To one that has no place behind a body the length is told.
        peer.head();
        peer.say(&said[0].0);
    });
    let front = front(&upstream, |proxy| proxy);
    let mut stream = connect(&front);
    for (_, cut, body) in answers.iter().take(count) {
        stream.write_all(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n").expect("the front reads");
        let head = read_until(&mut stream, "\r\n\r\n");
        assert!(head.contains("Trailer: X-Total\r\n"), "cut at {cut}: {head}");
        let rest = read_until(&mut stream, "\r\n\r\n");
        // A large one is in chunks of the front's own.
        let end = &body[body.len() - "0\r\nX-Total: 3\r\n\r\n".len()..];
        assert!(rest.ends_with(end), "cut at {cut}: {}", &rest[rest.len().saturating_sub(100)..]);
    }
    let old = ask(&front, "GET /x HTTP/1.0\r\nHost: h\r\n\r\n");
    assert!(old.contains("Content-Length: 3\r\n") && old.ends_with("\r\n\r\none"), "{old}");
    upstream.end();
}

#[test]
fn what_the_handler_has_set_is_passed_on_whatever_the_client_names() {
    let upstream = Script::new(1, |_, mut peer: Peer| {
        for _ in 0..2 {
            let head = peer.head();
            for there in [
                "X-User: 7\r\n",
                "X-Added: 1\r\n",
                "X-Forwarded-Prefix: /app\r\n",
                "X-Real-Ip: 192.0.2.7\r\n",
            ] {
                assert!(head.contains(there), "{there} in {head}");
            }
            assert!(!head.contains("X-Named") && !head.contains("6.6.6.6"), "{head}");
            peer.say(OK);
        }
    });
    let app = proxy(Client::new(), &format!("http://{}", upstream.addr)).expect("an upstream");
    let handler = move |ctx: &mut RequestCtx| {
        // The same as the client has said: it knows its own name.
        ctx.request.set_header("X-User", "7");
        ctx.request.append_header("X-Added", "1");
        ctx.request.set_header("X-Forwarded-Prefix", "/app");
        ctx.request.set_header("X-Real-IP", "192.0.2.7");
        app.forward(ctx)
    };
    let handler = std::sync::Arc::new(handler);
    let again = handler.clone();
    let plain = Server::new(move |ctx: &mut RequestCtx| (*handler)(ctx)).expect("a server");
    let timed = timeout(move |ctx: &mut RequestCtx| (*again)(ctx), LONG);
    let timed = Server::builder().build_handler(timed).expect("a server");
    for server in [plain, timed] {
        let front = server.start("127.0.0.1:0").expect("a free port");
        let answer = ask(
            &front,
            "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close, X-User, x-added, X-Named, X-Forwarded-Prefix\r\n\
             X-User: 7\r\nX-Named: 1\r\nX-Forwarded-Prefix: /6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\r\n",
        );
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    upstream.end();
}

/// The bytes in chunks, which come to their end.
fn unchunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|two| two == b"\r\n").expect("a chunk begins");
        let size = std::str::from_utf8(&chunks[..line]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            assert_eq!(&chunks[line..], b"\r\n\r\n");
            return body;
        }
        body.extend_from_slice(&chunks[line + 2..line + 2 + size]);
        chunks = &chunks[line + 2 + size + 2..];
    }
}

#[test]
fn an_upstream_that_answers_while_it_reads_gets_all_of_the_request() {
    let echo = Server::builder()
        .stream_request_body(true)
        .max_request_body_size(None)
        .build(|ctx| {
            ctx.response.set_body_writer(|out| {
                let mut piece = [0; 16 * 1024];
                loop {
                    let count = out.body_reader().read(&mut piece)?;
                    if count == 0 {
                        return Ok(());
                    }
                    out.write_all(&piece[..count])?;
                    out.flush()?;
                }
            });
        })
        .expect("a server")
        .start("127.0.0.1:0")
        .expect("a free port");
    let url = format!("http://{}", echo.local_addr());
    const SIZE: usize = 2 * 1024 * 1024;
    let body: Vec<u8> = (0..SIZE).map(|at| (at / 7 % 251) as u8).collect();
    for streams in [true, false] {
        let proxy = proxy(Client::new(), &url).expect("an upstream");
        let options = Server::builder().stream_request_body(streams).max_request_body_size(None);
        let front =
            options.build_handler(proxy).expect("a server").start("127.0.0.1:0").expect("a free port");
        for is_chunked in [false, true] {
            let mut stream = connect(&front);
            let mut sending = stream.try_clone().expect("another handle");
            let body = body.clone();
            let whole = body.clone();
            let sender = std::thread::spawn(move || {
                let framing = match is_chunked {
                    true => "Transfer-Encoding: chunked".to_owned(),
                    false => format!("Content-Length: {}", body.len()),
                };
                let head = format!("PUT /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{framing}\r\n\r\n");
                sending.write_all(head.as_bytes()).expect("the front reads");
                for piece in body.chunks(50_000) {
                    if is_chunked {
                        sending
                            .write_all(format!("{:x}\r\n", piece.len()).as_bytes())
                            .expect("the front reads");
                    }
                    sending.write_all(piece).expect("the front reads");
                    if is_chunked {
                        sending.write_all(b"\r\n").expect("the front reads");
                    }
                }
                if is_chunked {
                    sending.write_all(b"0\r\n\r\n").expect("the front reads");
                }
            });
            let head = read_until(&mut stream, "\r\n\r\n");
            assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
            let mut chunks = Vec::new();
            stream.read_to_end(&mut chunks).expect("an end without a reset");
            assert!(
                unchunked(&chunks) == whole,
                "streamed {streams}, chunked {is_chunked}: it is another body"
            );
            sender.join().expect("all was sent");
        }
    }
}

#[test]
fn question_and_answer_pass_within_one_exchange() {
    let upstream = Script::new(1, |_, mut peer: Peer| {
        for _ in 0..2 {
            peer.head();
            assert_eq!(peer.read_until("one\r\n"), "3\r\none\r\n");
            peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nONE\r\n");
            assert_eq!(peer.read_until("two\r\n"), "3\r\ntwo\r\n");
            peer.say("3\r\nTWO\r\n0\r\nX-Sum: 6\r\n\r\n");
            // Its end comes behind that of the response, and the connection serves another request.
            assert_eq!(peer.read_until("\r\n\r\n"), "0\r\nX-Mine: 6\r\n\r\n");
        }
    });
    let front = front(&upstream, |proxy| proxy);
    let mut stream = connect(&front);
    for _ in 0..2 {
        stream
            .write_all(b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Mine\r\n\r\n3\r\none\r\n")
            .expect("the front reads");
        // It sends nothing more before it is answered.
        let head = read_until(&mut stream, "\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Trailer: X-Sum\r\n"), "{head}");
        assert_eq!(read_until(&mut stream, "ONE\r\n"), "3\r\nONE\r\n");
        stream.write_all(b"3\r\ntwo\r\n").expect("the front reads");
        assert_eq!(read_until(&mut stream, "TWO\r\n"), "3\r\nTWO\r\n");
        stream.write_all(b"0\r\nX-Mine: 6\r\n\r\n").expect("the front reads");
        assert_eq!(read_until(&mut stream, "\r\n\r\n"), "0\r\nX-Sum: 6\r\n\r\n");
    }
    upstream.end();
}

#[test]
fn a_part_of_a_request_makes_no_whole_response() {
    let answered = Gate::new();
    let answers = answered.clone();
    let upstream = Script::new(3, move |number, mut peer: Peer| {
        peer.head();
        peer.read_until("one");
        match number {
            // Only the end of the connection says that this is all.
            0 => peer.say("HTTP/1.1 200 OK\r\n\r\npart"),
            // The client breaks off, and the upstream makes an answer of what it has.
            1 => {
                peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
                answers.open();
                peer.expect_end();
            }
            // Without a body there is nothing to be told before the request was sent.
            _ => {
                peer.say("HTTP/1.1 204 No Content\r\n\r\n");
                assert_eq!(peer.read_until("behind"), "behind");
            }
        }
    });
    let front = front_with(Client::new(), &upstream, |proxy| proxy.ignore_client_abort(true));
    let begin = || {
        let mut stream = connect(&front);
        let head = b"PUT /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 9\r\n\r\none";
        stream.write_all(head).expect("the front reads");
        stream
    };
    let answer = read_all(&mut begin());
    assert!(answer.contains("4\r\npart\r\n") && !answer.contains("\r\n0\r\n"), "{answer}");
    let mut stream = begin();
    answered.pass();
    read_until(&mut stream, "part\r\n");
    stream.shutdown(std::net::Shutdown::Write).expect("it is connected");
    let rest = read_all(&mut stream);
    assert_eq!(rest, "", "there is no last chunk");
    let mut stream = begin();
    stream.write_all(b"behind").expect("the front reads");
    assert!(read_all(&mut stream).starts_with("HTTP/1.1 204 No Content\r\n"));
    upstream.end();
}

#[test]
fn what_the_upstream_does_not_say_is_not_said() {
    let upstream = Script::new(1, |_, mut peer: Peer| {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nno",
        ] {
            peer.head();
            peer.say(answer);
        }
    });
    let front = front(&upstream, |proxy| proxy);
    for expected in ["ok", "ok", "", "no"] {
        let answer = ask(&front, GET);
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{answer}");
        assert!(!answer.contains("Content-Type") && !answer.contains("Server:"), "{answer}");
        assert!(answer.contains("\r\nDate: "), "{answer}");
        let cookies = answer.matches("Set-Cookie: ").count();
        assert_eq!(cookies, if expected == "no" { 2 } else { 0 }, "{answer}");
    }
    upstream.end();
}

#[test]
fn lists_that_were_set_before_stay_beside_those_of_the_upstream() {
    let upstream = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        peer.say(
            "HTTP/1.1 200 OK\r\nLink: </b.css>\r\nSet-Cookie: theirs=1\r\nVary: Accept\r\nX-One: theirs\r\n",
        );
        peer.say("Content-Length: 2\r\n\r\nok");
    });
    let app = proxy(Client::new(), &format!("http://{}", upstream.addr)).expect("an upstream");
    let handler = move |ctx: &mut RequestCtx| {
        for (name, value) in [
            ("Link", "</own.css>"),
            ("Set-Cookie", "own=1"),
            ("Vary", "Cookie"),
            ("X-One", "own"),
            ("X-Two", "own"),
        ] {
            ctx.response.append_header(name, value);
        }
        app.forward(ctx)
    };
    let front = Server::new(handler).expect("a server").start("127.0.0.1:0").expect("a free port");
    let answer = ask(&front, GET);
    let (hints, answer) = answer.split_once("\r\n\r\n").expect("hints before the answer");
    assert_eq!(hints, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>");
    for line in [
        "Link: </own.css>",
        "Link: </b.css>",
        "Set-Cookie: own=1",
        "Set-Cookie: theirs=1",
        "Vary: Cookie",
        "Vary: Accept",
        "X-One: theirs",
        "X-Two: own",
    ] {
        assert!(answer.contains(&format!("{line}\r\n")), "{line} in {answer}");
    }
    assert!(!answer.contains("X-One: own") && !answer.contains("a.css"), "{answer}");
    upstream.end();
}

#[test]
fn a_body_that_is_known_to_be_none_is_not_begun() {
    let upstream = Script::new(2, |number, mut peer: Peer| {
        peer.head();
        match number {
            0 => peer.say("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
            _ => peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
        }
    });
    let bounded = Client::builder().max_response_body_size(1000).build().expect("settings with a meaning");
    let front = front_with(bounded, &upstream, |proxy| proxy);
    for _ in 0..2 {
        let response = client().post(url(&front)).send().expect("a response");
        assert_eq!(response.status_code(), 502);
    }
    upstream.end();
}
