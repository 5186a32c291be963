//! Bodies in both directions: rows `BDY-01` to `BDY-07` and `RSP-01` to `RSP-03`.
//!
//! The idea: a body is judged by what comes behind it. If its end is missed by a byte, the next message on the
//! connection is not what it should be. The rule: no test of a body ends with the body.

use anthill_http::{ProtoError, Server};
use anthill_tests::client::{Client, get, post};
use anthill_tests::server::Running;
use anthill_tests::verdicts::{Case, assert_pieces_do_not_matter, check, echoing, refused, served};

/// A POST request whose chunked body is exactly these bytes.
fn chunked(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{fields}\r\n{body}")
}

/// Names that must not come behind a body, because something was decided by them before it.
const FORBIDDEN_TRAILERS: &[&str] = &[
    "Authorization",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Content-Range",
    "Connection",
    "Cookie",
    "Expect",
    "Host",
    "Keep-Alive",
    "Location",
    "Max-Forwards",
    "Proxy-Connection",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Range",
    "Set-Cookie",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "WWW-Authenticate",
    "X-Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Real-IP",
    "X-Real-IP-2",
];

/// The inputs of this file's rows.
fn corpus() -> Vec<Case> {
    let mut corpus = vec![
        served("BDY-01", post("/", "exact\r\n\0 bytes"), "] exact\\r\\n\\x00 bytes {"),
        served("BDY-02", chunked("", "3\r\nabc\r\n5\r\n12345\r\n0\r\n\r\n"), "] abc12345 {}"),
        served("BDY-02", chunked("", "0\r\n\r\n"), "]  {}"),
        served("BDY-02", chunked("", "A\r\n0123456789\r\n00\r\n\r\n"), "] 0123456789 {}"),
        served("BDY-02", chunked("", "2\r\n\r\n\r\n0\r\n\r\n"), "] \\r\\n {}"),
        served("BDY-03", "POST / HTTP/1.1\r\nHost: h\r\n\r\n", "]  {}"),
        served("BDY-03", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", "] body {}"),
        served("BDY-03", "DELETE / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", "] body {}"),
        served("BDY-06", chunked("Trailer: A\r\n", "1\r\nx\r\n0\r\nA: b\r\n\r\n"), "] x {A=b;}"),
        served(
            "BDY-06",
            chunked("", "1\r\nx\r\n0\r\nA: b\r\nc-D:  e \r\nA: f\r\n\r\n"),
            "] x {A=b;c-D=e;A=f;}",
        ),
        served("BDY-06", chunked("Trailer: A, B\r\n", "0\r\n\r\n"), "]  {}"),
    ];
    for size in ["5 ", "5\t", "5 \t ", "5;ext", "5;a=b;c=\"d e\"", "05", "000000000000005"] {
        let body = format!("{size}\r\nhello\r\n0\r\n\r\n");
        corpus.push(served("BDY-05", chunked("", &body), "] hello {}"));
    }
    for size in [
        "",
        "x",
        "-1",
        "+1",
        "0x5",
        "0000000000000005",
        "fffffffffffffffff",
        " 5",
        "\t5",
        "5;a\nb",
        "5;a\rb",
        "5;a\0b",
        "5 ;ext",
        "5 5",
        ";ext",
        "5\r",
    ] {
        let body = format!("{size}\r\nhello\r\n0\r\n\r\n");
        corpus.push(refused("BDY-05", chunked("", &body)));
    }
    for body in
        ["5\nhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n"]
    {
        corpus.push(refused("BDY-05", chunked("", body)));
    }
    for name in FORBIDDEN_TRAILERS {
        for name in [(*name).to_owned(), name.to_lowercase()] {
            corpus.push(refused("BDY-07", chunked(&format!("Trailer: {name}\r\n"), "0\r\n\r\n")));
            corpus.push(refused("BDY-07", chunked("", &format!("0\r\n{name}: x\r\n\r\n"))));
        }
    }
    for block in [
        "A: b\0c",
        "A: b\u{1}c",
        "A: b\u{7f}",
        "A: b\rc",
        "A\u{1}: b",
        "A b: c",
        "A : b",
        ": b",
        "A",
        " A: b",
    ] {
        corpus.push(refused("BDY-07", chunked("", &format!("0\r\n{block}\r\n\r\n"))));
    }
    corpus.push(refused("BDY-07", chunked("", "0\r\nA: b\n\r\n")));
    for names in ["A b", "A, Host", "Host,A"] {
        corpus.push(refused("BDY-07", chunked(&format!("Trailer: {names}\r\n"), "0\r\n\r\n")));
    }
    corpus.push(served(
        "BDY-07",
        chunked("Trailer: X-Real, Expires\r\n", "0\r\nExpires: 0\r\n\r\n"),
        "{Expires=0;}",
    ));
    corpus
}

/// Asserts that the next response is to a request behind a body.
#[track_caller]
fn assert_next(client: &mut Client) {
    let reply = client.response();
    assert!(reply.text().starts_with("GET /next "), "{}", reply.text());
}

#[test]
fn bdy_01_a_length_is_kept_to_the_byte() {
    check(corpus(), "BDY-01");
    let running = echoing();
    let mut client = running.client();
    for length in [1, 2, 100, 4095, 4096, 16 * 1024, 50_000] {
        let body = "x".repeat(length);
        client.send(post("/", &body) + &get("/next"));
        assert!(client.response().text().contains(&format!("] {body} {{")), "{length}");
        assert_next(&mut client);
    }
}

#[test]
fn bdy_02_chunks_are_put_together() {
    check(corpus(), "BDY-02");
    let running = echoing();
    let mut client = running.client();
    for size in [1, 7, 1000, 25_000] {
        let chunk = format!("{size:x}\r\n{}\r\n", "y".repeat(size));
        let count = 50_000 / size;
        client.send(chunked("", &(chunk.repeat(count) + "0\r\n\r\n")) + &get("/next"));
        assert!(client.response().text().contains(&format!("] {} {{", "y".repeat(size * count))), "{size}");
        assert_next(&mut client);
    }
}

#[test]
fn bdy_03_no_body_and_bodies_where_none_is_expected() {
    check(corpus(), "BDY-03");
    let running = echoing();
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned() + &get("/next"));
    assert!(client.response().text().ends_with("]  {}"));
    assert_next(&mut client);
    client.send("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody".to_owned() + &get("/next"));
    assert!(client.response().text().ends_with("] body {}"));
    assert_next(&mut client);
    // A response to HEAD has no body to show what was read, but the length of it.
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody".to_owned() + &get("/next"));
    let shown = "HEAD / / h [Host=h;Content-Length=4;] body {}".len().to_string();
    assert_eq!(client.response_to_head().field("Content-Length"), Some(shown.as_str()));
    assert_next(&mut client);
}

#[test]
fn bdy_04_a_body_that_is_cut_off() {
    let running = echoing();
    for cut in [
        post("/", "hello")[..post("/", "hello").len() - 2].to_owned(),
        chunked("", "5\r\nhel"),
        chunked("", "5\r\nhello\r\n"),
        chunked("", "5\r\nhello\r\n0\r\n"),
        chunked("", ""),
    ] {
        let mut client = running.client();
        client.send(&cut);
        client.finish_sending();
        let reply = client.response();
        assert_eq!((reply.status, reply.closes()), (400, true), "{cut:?}");
        client.expect_end();

        // Where the error can be seen as a value.
        let stream = Halves(std::io::Cursor::new(cut.clone().into_bytes()), Vec::new());
        let server = Server::new(|_| -> () { panic!("half a request reached the handler") }).unwrap();
        let error = server.serve_conn(stream).unwrap_err();
        assert_eq!(error.proto(), Some(ProtoError::UnexpectedEnd), "{cut:?}");
        assert!(ProtoError::UnexpectedEnd.to_string().contains("unexpected end"));
    }
    assert_eq!(running.handled(), 0);
}

/// A stream that reads from one place and writes to another.
struct Halves(std::io::Cursor<Vec<u8>>, Vec<u8>);

impl std::io::Read for Halves {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl std::io::Write for Halves {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn bdy_05_chunk_sizes_are_read_strictly() {
    check(corpus(), "BDY-05");
}

#[test]
fn bdy_06_trailers_are_readable_after_the_body() {
    check(corpus(), "BDY-06");
    let running = echoing();
    let mut client = running.client();
    client.send(chunked("", "1\r\nx\r\n0\r\nA: b\r\n\r\n") + &get("/next"));
    assert!(client.response().text().ends_with("] x {A=b;}"));
    assert_next(&mut client);
    for cut in ["0\r\nA: b", "0\r\nA: b\r\n", "0\r\nA: b\r\n\r", "0\r\n"] {
        let mut client = running.client();
        client.send(chunked("", cut));
        client.finish_sending();
        assert_eq!(client.response().status, 400, "{cut:?}");
        client.expect_end();
    }
    assert_eq!(running.handled(), 2);
}

#[test]
fn bdy_07_what_decided_before_the_body_is_no_trailer() {
    check(corpus(), "BDY-07");
}

#[test]
fn par_16_pieces_of_a_body_do_not_matter() {
    assert_pieces_do_not_matter(corpus());
}

#[test]
fn trailers_are_bounded() {
    let running = echoing();
    for block in ["A: b\r\n".repeat(33), format!("A: {}\r\n", "b".repeat(9000))] {
        let mut client = running.client();
        client.send(chunked("", &format!("0\r\n{block}\r\n")));
        let reply = client.response();
        assert_eq!((reply.status, reply.closes()), (431, true));
        client.expect_end();
    }
    // Extensions carry nothing and are bounded as well.
    let mut client = running.client();
    client.send(chunked("", &format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(9000))));
    assert_eq!(client.response().status, 400);
    client.expect_end();
}

#[test]
fn rsp_01_the_length_is_that_of_the_body() {
    let running = Running::new(|ctx| {
        let length: usize = String::from_utf8_lossy(ctx.request.query()).parse().unwrap();
        let body: Vec<u8> = (0..length).map(|position| (position % 251) as u8).collect();
        if ctx.path() == "/vec" { ctx.response.set_body_vec(body) } else { ctx.set_body(body) }
    });
    let mut client = running.client();
    // On both sides of where bodies are moved instead of copied.
    for length in [0, 1, 100, 16 * 1024, 16 * 1024 + 1, 1 << 20] {
        for path in ["copied", "vec"] {
            let reply = client.get(&format!("/{path}?{length}"));
            assert_eq!(reply.field("Content-Length"), Some(length.to_string().as_str()));
            let is_whole =
                reply.body.iter().enumerate().all(|(position, byte)| *byte == (position % 251) as u8);
            assert!(is_whole && reply.body.len() == length);
        }
    }
}

#[test]
fn a_request_behind_a_big_response_is_served() {
    let running = Running::new(|ctx| {
        let length = String::from_utf8_lossy(ctx.request.query()).parse().unwrap();
        ctx.response.set_body_vec(vec![b'x'; length]);
    });
    let mut client = running.client();
    for length in [10_000, 60_000, 70_000, 1 << 20] {
        client.send(get(&format!("/?{length}")).repeat(3) + &get("/?0"));
        for _ in 0..3 {
            assert_eq!(client.response().body.len(), length);
        }
        assert_eq!(client.response().body.len(), 0);
    }
}

#[test]
fn a_response_to_head_is_that_to_get_without_the_body() {
    let running = Running::with(Server::builder().default_date(false), |ctx| {
        ctx.response.set_header("A", "b");
        ctx.set_body("twenty-four bytes long..");
    });
    let mut client = running.client();
    let reply = client.get("/");
    assert_eq!((reply.field("Content-Length"), reply.body.len()), (Some("24"), 24));
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(2) + &get("/"));
    for _ in 0..2 {
        let head = client.response_to_head();
        assert_eq!((head.status, &head.fields), (200, &reply.fields));
    }
    assert_eq!(client.response(), reply, "no stray byte in between");
}

#[test]
fn rsp_03_responses_that_have_no_body() {
    let running = Running::new(|ctx| {
        let status: u16 = String::from_utf8_lossy(ctx.request.query()).parse().unwrap();
        ctx.set_status_code(status);
        ctx.set_body("must not be sent");
    });
    // A 1xx is no answer: the connection cannot go on after it, or the next answer would be taken for this one's.
    for status in [102, 150, 199] {
        let mut client = running.client();
        client.send(get(&format!("/?{status}")) + &get("/?200"));
        let reply = client.response();
        assert_eq!(reply.status, status);
        assert_eq!((reply.field("Content-Length"), reply.field("Content-Type")), (None, None), "{status}");
        assert_eq!(reply.field("Connection"), Some("close"), "{status}");
        client.expect_end();
    }
    let mut client = running.client();
    for status in [204, 304] {
        client.send(get(&format!("/?{status}")) + &get("/?200"));
        let reply = client.response();
        assert_eq!(reply.status, status);
        assert_eq!((reply.field("Content-Length"), reply.field("Content-Type")), (None, None), "{status}");
        assert_eq!(reply.field("Connection"), None, "{status}");
        assert_eq!(
            client.response().text(),
            "must not be sent",
            "the connection stays usable after {status}"
        );
    }
    client.send("HEAD /?204 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned() + &get("/?205") + &get("/?200"));
    assert_eq!(client.response_to_head().status, 204);
    let reset = client.response();
    assert_eq!((reset.status, reset.field("Content-Length"), reset.text()), (205, Some("0"), ""));
    assert_eq!(client.response().text(), "must not be sent");
}

#[test]
fn a_handler_may_take_the_body_of_its_response_elsewhere() {
    let running = Running::new(|ctx| {
        *ctx.response.body_mut() = b"swapped in".to_vec();
        let earlier = std::mem::take(ctx.response.body_mut());
        ctx.response.append_body("and ");
        ctx.response.append_body(earlier);
    });
    let mut client = running.client();
    for _ in 0..2 {
        assert_eq!(client.get("/").text(), "and swapped in");
    }
}

#[test]
fn a_handler_that_exchanges_the_request_harms_only_its_connection() {
    let running = Running::new(|ctx| {
        if ctx.path() == "/exchange" {
            let mut other = anthill_http::RequestCtx::default();
            std::mem::swap(&mut ctx.request, &mut other.request);
        }
        ctx.set_body("fine");
    });
    let mut client = running.client();
    client.send(get("/exchange") + &get("/behind"));
    let reply = client.response();
    assert_eq!((reply.text(), reply.closes()), ("fine", true));
    client.expect_end();
    for _ in 0..3 {
        assert_eq!(running.client().get("/").text(), "fine");
    }
}
