//! What is a request and what is not: rows `PAR-01` to `PAR-16`, over sockets.
//!
//! The idea: one corpus of inputs and verdicts, by row. Each row's test takes its part of it; `PAR-16` takes all of it,
//! and sends every input once in one piece and once byte by byte.

use anthill_http::Request;
use anthill_tests::client::get;
use anthill_tests::server::Running;
use anthill_tests::verdicts::{Case, assert_pieces_do_not_matter, check, echoing, refused, served};

/// The inputs of this file's rows.
fn corpus() -> Vec<Case> {
    let mut corpus = Vec::new();
    malformed(&mut corpus);
    request_lines(&mut corpus);
    targets(&mut corpus);
    line_ends(&mut corpus);
    hosts(&mut corpus);
    fields(&mut corpus);
    framing(&mut corpus);
    corpus
}

fn malformed(corpus: &mut Vec<Case>) {
    for input in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost h\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
    ] {
        corpus.push(refused("PAR-01", input));
    }
}

fn request_lines(corpus: &mut Vec<Case>) {
    let with_line = |line: &str| format!("{line}\r\nHost: h\r\n\r\n");
    for line in [
        // Spaces too many.
        " GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / x HTTP/1.1",
        "GET  /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        // Methods.
        "G(ET / HTTP/1.1",
        "GE\u{e9}T / HTTP/1.1",
        "G\u{1}T / HTTP/1.1",
        " / HTTP/1.1",
        "/ HTTP/1.1",
        // Versions.
        "GET / HTTP/1.1x",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "GET / HTTP/11",
        "GET / HTTP/1,1",
        "GET / HTTP/x.1",
        "GET / HTTP1.1",
        "GET / HTTP/",
        "GET / ",
        "GET /",
        "GET",
        "GET HTTP/1.1",
    ] {
        corpus.push(refused("PAR-02", with_line(line)));
    }
    corpus.push(served("PAR-02", with_line("GET / HTTP/1.2"), "GET / / h "));
    corpus.push(served("PAR-02", with_line("GET / HTTP/1.1"), "GET / / h "));
}

fn targets(corpus: &mut Vec<Case>) {
    let with_target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
    for (target, path, host) in [
        ("*", "/*", "h"),
        ("/x", "/x", "h"),
        ("/", "/", "h"),
        ("//x//y", "/x/y", "h"),
        ("/x?y#z", "/x", "h"),
        ("http://h/x", "/x", "h"),
        ("http://other:8080/x", "/x", "other:8080"),
        ("HTTPS://other", "/", "other"),
        ("http://[::1]:80/x", "/x", "[::1]:80"),
    ] {
        corpus.push(served("PAR-03", with_target(target), &format!("GET {target} {path} {host} ")));
    }
    for target in [
        "x",
        "x/y",
        "?x",
        "**",
        "/a\u{1}b",
        "/a\u{7f}b",
        "/a\0b",
        "http://a\\b/x",
        "http://u@h/x",
        "http://h:port/x",
        "http:///x",
        "1http://h/x",
        "ht_tp://h/x",
        "://h/x",
        "http:/h/x",
    ] {
        corpus.push(refused("PAR-03", with_target(target)));
    }
    // Only CONNECT names an authority, and nothing else.
    for line in ["GET h:443", "CONNECT /x", "CONNECT h", "CONNECT h:", "CONNECT http://h:1/", "CONNECT h:1/x"]
    {
        corpus.push(refused("PAR-03", format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n")));
    }
}

fn line_ends(corpus: &mut Vec<Case>) {
    for before in ["\r\n", "\n", "\r\n\n\r\n", "\n\n\n"] {
        corpus.push(served("PAR-04", before.to_owned() + &get("/x"), "GET /x /x h "));
    }
    // Strict: a line feed alone ends no line of a head.
    for input in [
        "GET / HTTP/1.1\nHost: h\n\n",
        "GET / HTTP/1.1\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "\r\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n",
    ] {
        corpus.push(refused("PAR-04", input));
    }
}

fn hosts(corpus: &mut Vec<Case>) {
    let with_host = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for input in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nA: b\r\n\r\n".to_owned(),
        with_host(""),
        with_host("  "),
        with_host("h\r\nHost: h"),
        with_host("h\r\nHost: other"),
        with_host("h\r\nA: b\r\nhost: h"),
        with_host("h\r\nHost:"),
        // RFC 9112 section 3.2.2 asks for a host beside an absolute target as well.
        "GET http://h/ HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        corpus.push(refused("PAR-05", input));
    }
    corpus.push(served("PAR-05", "GET / HTTP/1.0\r\n\r\n", "GET / /  []"));
    corpus.push(served("PAR-05", "GET / HTTP/1.0\r\nHost: h\r\n\r\n", "GET / / h "));

    for host in ["a", "a:80", "a:", "[::1]", "[::1]:80", "1.2.3.4:5", "a-b.c_d"] {
        corpus.push(served("PAR-06", with_host(host), &format!("GET / / {host} ")));
    }
    for host in [
        "a:b", "a:1:2", "[::1", "::1", "a[::1]", "[::1]a", "[g]", "a\\b", "a b", "u@a", "u:p@a", ":80",
        "a/b", "a?b",
    ] {
        corpus.push(refused("PAR-06", with_host(host)));
    }
    let both = "GET http://other/x HTTP/1.1\r\nHost: h\r\n\r\n";
    corpus.push(served("PAR-06", both, "GET http://other/x /x other "));
}

fn fields(corpus: &mut Vec<Case>) {
    let with_field = |field: &[u8]| [b"POST / HTTP/1.1\r\nHost: h\r\n", field, b"\r\n\r\n"].concat();
    for field in [
        &b": x"[..],
        b"A\tB: x",
        b"A\x01: x",
        b"A\0: x",
        b"A\x7f: x",
        b"\xc3\xa4: x",
        b"A(: x",
        b"\"A\": x",
        b"A : x",
        b"A\t: x",
        b"Content-Length : 0",
        b"Transfer-Encoding : chunked",
    ] {
        corpus.push(refused("PAR-07", with_field(field)));
    }
    corpus.push(refused("PAR-07", "GET / HTTP/1.1\r\nHost : h\r\n\r\n"));
    corpus.push(refused("PAR-07", "GET / HTTP/1.1\r\n Host: h\r\n\r\n"));
    corpus.push(served("PAR-07", with_field(b"a!#$%&'*+-.^_`|~9: x"), ";a!#$%&'*+-.^_`|~9=x;"));

    corpus.push(refused("PAR-08", with_field(b"A B: x")));
    corpus.push(refused("PAR-08", with_field(b"A B : x")));
    corpus.push(refused("PAR-08", with_field(b"Content Length: 5")));

    for value in [&b"x\0y"[..], b"\0", b"x\x01y", b"x\x1fy", b"x\x7fy", b"x\ry", b"x\r", b"\rx", b"x\x0by"] {
        corpus.push(refused("PAR-09", with_field(&[b"A: ", value].concat())));
    }
    for (value, seen) in [
        (&b"x\ty"[..], "x\\ty"),
        (b"\x80\xe4\xff", "\\x80\\xe4\\xff"),
        (b" \t x \t ", "x"),
        (b"", ""),
        (b" ", ""),
        (b"a:b", "a:b"),
    ] {
        corpus.push(served("PAR-09", with_field(&[b"A:", value].concat()), &format!("[Host=h;A={seen};]")));
    }

    for input in [
        // Strict: a line that begins with white space continues nothing.
        &b"GET / HTTP/1.1\r\nHost: h\r\nA: x\r\n\ty\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: h\r\nA: x\r\n y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nA:\r\n y\r\n\r\n",
        b"GET / HTTP/1.1\r\n\tHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nA\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nA x\r\n\r\n",
    ] {
        corpus.push(refused("PAR-10", input));
    }
}

fn framing(corpus: &mut Vec<Case>) {
    let with = |version: &str, fields: &str, body: &str| {
        format!("POST / HTTP/{version}\r\nHost: h\r\n{fields}\r\n\r\n{body}")
    };
    const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";
    for value in [
        "+5",
        "-1",
        "-0",
        "5,5",
        "5, 5",
        "5 5",
        "0x5",
        "5x",
        "5.0",
        "",
        "9223372036854775808",
        "25000000000000000000",
        "18446744073709551621",
        "\u{665}",
    ] {
        corpus.push(refused("PAR-11", with("1.1", &format!("Content-Length: {value}"), "hello")));
    }
    for value in ["5", "05", "0000000000000000000000005", " 5 "] {
        let input = with("1.1", &format!("Content-Length:{value}"), "hello");
        corpus.push(served("PAR-11", input, "] hello {"));
    }

    for (first, second) in [("5", "6"), ("6", "5"), ("5", "5"), ("0", "5"), ("5", "x")] {
        let fields = format!("Content-Length: {first}\r\nContent-Length: {second}");
        corpus.push(refused("PAR-12", with("1.1", &fields, "hello")));
    }
    corpus.push(refused("PAR-12", with("1.1", "Content-Length: 5\r\nA: b\r\ncontent-length: 5", "hello")));

    for value in ["chunked", "Chunked", "CHUNKED", " chunked ", "cHuNkEd\t"] {
        let input = with("1.1", &format!("Transfer-Encoding:{value}"), CHUNKS);
        corpus.push(served("PAR-13", input, "] hello {"));
    }
    for value in [
        "gzip",
        "identity",
        "chunked, gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked,",
        "",
        "chunked;q=1",
        "\"chunked\"",
        "xchunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "gzip\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "\u{b}chunked",
    ] {
        corpus.push(refused("PAR-13", with("1.1", &format!("Transfer-Encoding: {value}"), CHUNKS)));
    }

    for fields in [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Connection: keep-alive\r\nTransfer-Encoding: chunked",
    ] {
        corpus.push(refused("PAR-14", with("1.0", fields, CHUNKS)));
    }
    corpus.push(refused("PAR-14", with("1.2", "Transfer-Encoding: chunked", CHUNKS)));

    for fields in
        ["Transfer-Encoding: chunked\r\nContent-Length: 3", "Content-Length: 3\r\nTransfer-Encoding: chunked"]
    {
        corpus.push(served("PAR-15", with("1.1", fields, CHUNKS), "] hello {"));
    }
    for fields in [
        "Transfer-Encoding: chunked\r\nContent-Length: x",
        "Content-Length: -1\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\nContent-Length: 3",
    ] {
        corpus.push(refused("PAR-15", with("1.1", fields, CHUNKS)));
    }
}

#[test]
fn par_01_what_is_malformed_is_refused_once_and_for_good() {
    check(corpus(), "PAR-01");
}

#[test]
fn par_02_request_lines_are_exact() {
    check(corpus(), "PAR-02");
    // Not 1.1, so it closes as 1.0 does.
    let running = echoing();
    let mut client = running.client();
    assert!(client.exchange("GET / HTTP/1.2\r\nHost: h\r\n\r\n").closes());
    client.expect_end();
}

#[test]
fn par_03_targets_have_the_form_that_their_method_allows() {
    check(corpus(), "PAR-03");
    // After a success the connection would be a tunnel, so this handler declines.
    let running = Running::new(|ctx| {
        let seen = format!("{} {}", ctx.method(), String::from_utf8_lossy(ctx.request.host()));
        ctx.error(seen, 501);
    });
    let reply = running.client().exchange("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
    assert_eq!((reply.status, reply.text()), (501, "CONNECT h:443"));
}

#[test]
fn par_04_only_crlf_ends_a_line() {
    check(corpus(), "PAR-04");
    // The verdict needs neither what follows nor the end of the connection.
    let running = echoing();
    for input in ["GET / HTTP/1.1\nHost: h\n\n", "GET / HTTP/1.1\n", "\r\nGET / HTTP/1.1\r\nHost: h\n"] {
        let mut client = running.client();
        assert_eq!(client.exchange(input).status, 400, "{input:?}");
        client.expect_end();
    }
    assert_eq!(running.handled(), 0);
}

#[test]
fn par_05_there_is_one_host() {
    check(corpus(), "PAR-05");
}

#[test]
fn par_06_the_host_is_one() {
    check(corpus(), "PAR-06");
}

#[test]
fn par_07_bytes_of_field_names() {
    check(corpus(), "PAR-07");
}

#[test]
fn par_08_spaces_in_field_names() {
    check(corpus(), "PAR-08");
}

#[test]
fn par_09_bytes_of_field_values() {
    check(corpus(), "PAR-09");
}

#[test]
fn par_10_folded_lines_and_missing_colons() {
    check(corpus(), "PAR-10");
}

#[test]
fn par_11_content_length_syntax() {
    check(corpus(), "PAR-11");
}

#[test]
fn par_12_more_than_one_content_length() {
    check(corpus(), "PAR-12");
}

#[test]
fn par_13_chunked_is_the_only_transfer_encoding() {
    check(corpus(), "PAR-13");
}

#[test]
fn par_14_transfer_encoding_needs_http_1_1() {
    check(corpus(), "PAR-14");
}

#[test]
fn par_15_chunked_beside_a_length() {
    check(corpus(), "PAR-15");
    let running = echoing();
    let mut client = running.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            .to_owned()
            + &get("/smuggled"),
    );
    let reply = client.response();
    assert_eq!((reply.status, reply.closes()), (200, true));
    client.expect_end();
    assert_eq!(running.handled(), 1);
}

#[test]
fn par_16_pieces_do_not_matter() {
    assert_pieces_do_not_matter(corpus());
}

#[test]
fn other_protocols_are_told_which_one_is_spoken() {
    let running = echoing();
    for input in
        ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "GET / HTTP/0.9\r\n\r\n"]
    {
        let mut client = running.client();
        let reply = client.exchange(input);
        assert_eq!((reply.status, reply.closes()), (505, true), "{input:?}");
        client.expect_end();
    }
    assert_eq!(running.handled(), 0);
}

#[test]
fn ctx_01_each_method_is_told_from_all_others() {
    type Test = fn(&Request) -> bool;
    const TESTS: [(&str, Test); 9] = [
        ("GET", Request::is_get),
        ("HEAD", Request::is_head),
        ("POST", Request::is_post),
        ("PUT", Request::is_put),
        ("DELETE", Request::is_delete),
        ("PATCH", Request::is_patch),
        ("OPTIONS", Request::is_options),
        ("CONNECT", Request::is_connect),
        ("TRACE", Request::is_trace),
    ];
    let running = Running::new(|ctx| {
        let mut seen = ctx.method().to_owned();
        for (name, is) in TESTS {
            if is(&ctx.request) {
                seen = format!("{seen} {name}");
            }
        }
        // In a field, because a response to HEAD shows no body; and no success, because CONNECT would become a tunnel.
        ctx.set_status_code(404);
        ctx.response.set_header("Seen", seen);
    });
    let mut client = running.client();
    for (method, _) in TESTS {
        let target = if method == "CONNECT" { "h:1" } else { "/" };
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let reply = if method == "HEAD" { client.response_to_head() } else { client.response() };
        assert_eq!(reply.field("Seen"), Some(format!("{method} {method}").as_str()));
    }
    for method in ["foobar", "get", "GETS", "!#$%&'*+-.^_`|~09az"] {
        let reply = client.exchange(format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(reply.field("Seen"), Some(method));
    }
}

#[test]
fn ctx_02_the_parts_of_a_target() {
    let running = Running::new(|ctx| {
        let arg = |name: &str| ctx.query_arg(name).map(|value| String::from_utf8_lossy(&value).into_owned());
        let parts = format!(
            "{} {} {} {} x={:?} y={:?} z={:?}",
            String::from_utf8_lossy(ctx.request.request_uri()),
            ctx.path(),
            String::from_utf8_lossy(ctx.request.query()),
            String::from_utf8_lossy(ctx.request.host()),
            arg("x"),
            arg("y"),
            arg("z"),
        );
        ctx.set_body(parts);
    });
    let mut client = running.client();
    let some = r#"x=Some("1") y=Some("") z=None"#;
    let none = "x=None y=None z=None";
    for (target, parts) in [
        ("/a%20b/../c?x=1&y", format!("/c x=1&y h {some}")),
        ("/%41/./b//c?x=%31&y=&x=2", format!("/A/b/c x=%31&y=&x=2 h {some}")),
        ("/../../etc/passwd", format!("/etc/passwd  h {none}")),
        ("/%2e%2e/%2E./x", format!("/x  h {none}")),
        ("/a?z=a+b%26&x=1&y", format!("/a z=a+b%26&x=1&y h {}", r#"x=Some("1") y=Some("") z=Some("a b&")"#)),
        ("/%", format!("/%  h {none}")),
        ("/a?", format!("/a  h {none}")),
    ] {
        assert_eq!(client.get(target).text(), format!("{target} {parts}"));
    }
}
