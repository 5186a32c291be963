//! The client of any host: URLs, fields, bodies, codings.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use anthill_http::body::{CompressionLevel, ContentCoding, ContentEncoder};
use anthill_http::client::{
    Client, ClientBuilder, ClientError, ClientErrorKind, MultipartForm, SendBody, get,
};
use anthill_http::{Request, Server};

use crate::script::{LONG, OK, Peer, Script};

fn client() -> Client {
    Client::builder().timeout(LONG).build().expect("settings with a meaning")
}

#[test]
fn cli_12_what_a_url_says_and_what_is_sent_of_it() {
    let cases = [
        ("http://HOST", "GET / HTTP/1.1", None),
        ("http://HOST?a=b", "GET /?a=b HTTP/1.1", None),
        ("http://HOST/a%2Fb//../c?x#fragment", "GET /a%2Fb//../c?x HTTP/1.1", None),
        ("http://HOST/caf\u{e9} x", "GET /caf%C3%A9%20x HTTP/1.1", None),
        ("http://user:pass@HOST/", "GET / HTTP/1.1", Some("dXNlcjpwYXNz")),
        ("http://user@HOST/", "GET / HTTP/1.1", Some("dXNlcjo=")),
        ("http://:pass@HOST/", "GET / HTTP/1.1", Some("OnBhc3M=")),
        ("http://us%40er:p%3Aass@HOST/", "GET / HTTP/1.1", Some("dXNAZXI6cDphc3M=")),
        ("http://@HOST/", "GET / HTTP/1.1", None),
    ];
    let server = Script::new(1, move |_, mut peer: Peer| {
        for (url, line, credentials) in cases {
            let head = peer.head();
            assert_eq!(head.lines().next(), Some(line), "{url}");
            let authorization = head.lines().find_map(|line| line.strip_prefix("Authorization: Basic "));
            assert_eq!(authorization, credentials, "{url}");
            peer.say(OK);
        }
        let head = peer.head();
        assert!(head.contains("\r\nHost: other:7\r\n") && !head.contains("127.0.0.1"), "{head}");
        assert!(head.contains("\r\nAuthorization: Bearer t\r\n"), "{head}");
        peer.read_until("of a GET");
        peer.say(OK);
    });
    let client = client();
    for (number, (url, ..)) in cases.into_iter().enumerate() {
        let url = url.replace("HOST", &server.addr.to_string());
        let response = client.get(&url).send().unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(response.conn_requests(), number as u64 + 1);
    }
    // The host that is named is not the one that is asked; a field of one's own wins over the URL; and GET may have a
    // body.
    let url = format!("http://user:pass@{}/", server.addr);
    let request = client.get(&url).header("host", "other:7").bearer_auth("t").body("of a GET");
    assert_eq!(request.send().expect("a response").status_code(), 200);
    server.end();
}

#[test]
fn what_cannot_be_sent_is_refused_and_nothing_of_it_sent() {
    let client = client();
    let refused = |outcome: Result<_, anthill_http::client::ClientError>| {
        let error = outcome.map(drop).expect_err("it cannot be sent");
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{error}");
    };
    for url in [
        "",
        "/x",
        "h/x",
        "http://",
        "http://a b/",
        "http://h:99999/",
        "ftp://h/",
        "https://a..b/",
        "http://a,b/",
        "localhost:8080/x",
        "user:secret@localhost:8080/x?key=secret",
    ] {
        let error = client.get(url).send().map(drop).expect_err(url);
        let said = error.to_string();
        assert_eq!(said.contains("write http://localhost:8080/x"), url.contains("localhost"), "{said}");
        assert!(!said.contains("secret"), "{said}");
        refused(Err(error));
        assert!(get(url).is_err(), "{url}");
    }
    let request = |method| client.request(method, "http://127.0.0.1:9/");
    refused(request("GE T").send());
    refused(request("GET").header("a b", "c").send());
    refused(request("GET").header("a", "b\r\nc: d").send());
    refused(request("GET").header("a", "b\0").send());
    refused(request("GET").header("host", "a/b").send());
    refused(request("GET").basic_auth("a:b", "c").send());
    refused(request("GET").bearer_auth("a b").send());
    refused(client.request("CONNECT", "http://127.0.0.1:9/").send());
    assert_eq!(client.stats().hosts, 0, "nobody was looked for");
}

#[test]
fn forms_and_other_bodies() {
    let running = Server::new(|ctx| {
        let kind = ctx.request.header_str("Content-Type").unwrap_or("none").to_owned();
        let kind = kind.split(';').next().unwrap_or_default().to_owned();
        let title = ctx.form_value_str("title").map(|title| title.into_owned());
        let file = ctx.form_file("file").ok().map(|file| (file.file_name().to_owned(), file.len()));
        let length = ctx.request.body().len();
        ctx.set_body(format!("{kind} {title:?} {file:?} {}", length > 0));
    })
    .expect("a server")
    .start("127.0.0.1:0")
    .expect("a free port");
    let (client, url) = (client(), format!("http://{}/", running.local_addr()));
    let text = |request: anthill_http::client::RequestBuilder<'_>| {
        request.send().expect("a response").text().expect("a body")
    };
    assert_eq!(text(client.put(&url)), "none None None false");
    assert_eq!(text(client.put(&url).body("x")), "application/octet-stream None None true");
    let form = [("title", "a&b"), ("x", "y")];
    assert_eq!(
        text(client.post(&url).form(form)),
        "application/x-www-form-urlencoded Some(\"a&b\") None true"
    );
    let content = vec![b'x'; 100_000];
    for length in [None, Some(100_000)] {
        let form = MultipartForm::new()
            .file("file", "a\"b.txt", "text/plain", &content[..], length)
            .text("title", "caf\u{e9}");
        assert_eq!(
            text(client.post(&url).multipart(form)),
            "multipart/form-data Some(\"caf\u{e9}\") Some((\"a\\\"b.txt\", 100000)) true"
        );
    }
    assert_eq!((client.stats().open, client.stats().idle), (1, 1));
    // What was said last is sent, and as what it is.
    let form = || MultipartForm::new().text("title", "t");
    assert_eq!(
        text(client.post(&url).send_body(SendBody::new(&b"lost"[..])).body("x")),
        "application/octet-stream None None true"
    );
    assert_eq!(
        text(client.post(&url).multipart(form()).form([("title", "x")])),
        "application/x-www-form-urlencoded Some(\"x\") None true"
    );
    assert_eq!(
        text(client.post(&url).body("a").multipart(form())),
        "multipart/form-data Some(\"t\") None true"
    );
    assert_eq!(
        text(client.post(&url).form([("a", "b")]).send_body(SendBody::new(&b"x"[..]))),
        "none None None true"
    );
    assert_eq!(
        text(client.post(&url).form([("a", "b")]).header("content-type", "own/type").body("x")),
        "own/type None None true"
    );
    // One that has less than it says.
    let form = MultipartForm::new().file("file", "f", "text/plain", &b"four"[..], Some(5));
    let error = client.post(&url).multipart(form).send().expect_err("one is missing");
    assert_eq!((error.kind(), client.stats().open), (ClientErrorKind::RequestBody, 0));
    drop(client);
    running.shutdown(LONG).expect("nothing is under way");
}

fn encoded(coding: ContentCoding, content: &[u8]) -> Vec<u8> {
    let mut encoder = ContentEncoder::new(Vec::new(), coding, CompressionLevel::default()).expect("memory");
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

fn say_encoded(peer: &mut Peer, coding: &str, body: &[u8]) {
    peer.say(&format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    peer.stream.write_all(body).expect("the client is there");
}

#[test]
fn compressed_responses_are_as_they_were_before() {
    let content: Vec<u8> = (0..5_000).flat_map(|line: u32| format!("{line}\n").into_bytes()).collect();
    let codings = [ContentCoding::Gzip, ContentCoding::Deflate, ContentCoding::Brotli, ContentCoding::Zstd];
    let sent = content.clone();
    let server = Script::new(1, move |_, mut peer: Peer| {
        for coding in codings {
            // What servers call deflate has two forms, so that is not asked for.
            assert!(peer.head().contains("\r\nAccept-Encoding: gzip, br, zstd\r\n"));
            say_encoded(&mut peer, coding.name(), &encoded(coding, &sent));
        }
        // Two, one on top of the other, in chunks and with a trailer.
        peer.head();
        let twice = encoded(ContentCoding::Deflate, &encoded(ContentCoding::Gzip, b"twice"));
        peer.say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, deflate\r\nTransfer-Encoding: chunked\r\n\r\n");
        for byte in &twice {
            peer.stream.write_all(&[b"1\r\n", &[*byte][..], b"\r\n"].concat()).expect("the client is there");
        }
        peer.say("0\r\nSum: 5\r\n\r\n");
        // Without a body, and with a coding that is not known.
        assert!(peer.head().starts_with("HEAD"));
        peer.say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 77\r\n\r\n");
        peer.head();
        say_encoded(&mut peer, "own", b"as it is");
        // Whoever speaks of codings himself gets what he asked for.
        assert!(peer.head().contains("\r\nAccept-Encoding: gzip\r\n"));
        say_encoded(&mut peer, "gzip", b"raw");
        assert!(!peer.head().contains("Accept-Encoding"));
        say_encoded(&mut peer, "gzip", b"raw");
    });
    let (client, url) = (client(), format!("http://{}/", server.addr));
    for coding in codings {
        let mut response = client.get(&url).send().expect("a response");
        assert_eq!((response.header("Content-Encoding"), response.header("Content-Length")), (None, None));
        assert!(response.read_body().expect("a body") == content, "{coding:?}");
    }
    let mut response = client.get(&url).send().expect("a response");
    assert_eq!((response.text().expect("a body").as_str(), response.conn_requests()), ("twice", 5));
    assert_eq!(response.trailers().get_str("sum"), Some("5"));
    let mut response = client.head(&url).send().expect("a response");
    assert_eq!(response.header_str("content-length"), Some("77"));
    assert_eq!(response.text().expect("there is none"), "");
    let mut response = client.get(&url).send().expect("a response");
    assert_eq!((response.text().expect("a body").as_str(), response.conn_requests()), ("as it is", 7));
    for (name, value) in [("Accept-Encoding", "gzip"), ("Range", "bytes=0-2")] {
        let mut response = client.get(&url).header(name, value).send().expect("a response");
        assert_eq!(
            (response.text().expect("a body").as_str(), response.header_str("content-encoding")),
            ("raw", Some("gzip"))
        );
    }
    server.end();
}

#[test]
fn what_comes_out_of_a_coding_is_bounded_and_what_is_broken_is_told() {
    let bomb = encoded(ContentCoding::Gzip, &vec![0; 8 * 1024 * 1024]);
    let text = encoded(ContentCoding::Gzip, b"0123456789");
    let answers = [bomb, text.clone(), text[..text.len() - 3].to_vec(), b"no gzip at all".to_vec()];
    let server = Script::new(5, move |number, mut peer: Peer| {
        peer.head();
        match number {
            0..=3 => say_encoded(&mut peer, "gzip", &answers[number]),
            _ => {
                peer.say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n");
                peer.stream.write_all(&answers[1]).expect("the client is there");
            }
        }
    });
    let url = format!("http://{}/", server.addr);
    let expected = [
        ClientErrorKind::TooLarge,
        ClientErrorKind::TooLarge,
        ClientErrorKind::Decode,
        ClientErrorKind::Decode,
        ClientErrorKind::ConnectionClosed,
    ];
    for (number, expected) in expected.into_iter().enumerate() {
        let builder = Client::builder().timeout(LONG);
        let client = if number == 1 { builder.max_response_body_size(9) } else { builder }.build();
        let client = client.expect("settings");
        let mut response = client.get(&url).send().expect("the head is fine");
        let error = response.read_body().expect_err("the body is not");
        assert_eq!(error.kind(), expected, "{number}: {error}");
        assert_eq!(response.read_body().expect_err("it stays").kind(), expected);
        // What has come as a whole leaves a connection that is as good as before.
        assert_eq!(client.stats().open, client.stats().idle, "{number}");
    }
    server.end();
}

/// A server may say that there is no coding; then the bound holds for what is streamed, too, and lengths are what they
/// were.
#[test]
fn what_has_no_coding_is_bounded_as_it_is() {
    let codings = ["identity", ",", "Identity, identity"];
    let server = Script::new(2 * codings.len(), move |number, mut peer: Peer| {
        peer.head();
        peer.say(&format!("HTTP/1.1 200 OK\r\nContent-Encoding: {}\r\n", codings[number / 2]));
        match number % 2 {
            0 => peer.say("Transfer-Encoding: chunked\r\n\r\nc\r\n0123456789ab\r\n0\r\n\r\n"),
            _ => peer.say("Content-Length: 2\r\n\r\nok"),
        }
    });
    let url = format!("http://{}/", server.addr);
    for coding in codings {
        let respond = || {
            let client = Client::builder().timeout(LONG).max_response_body_size(9).build().expect("settings");
            client.get(&url).send().expect("the head is fine")
        };
        let (mut long, mut read) = (respond(), Vec::new());
        let error = long.read_to_end(&mut read).expect_err("it is too long");
        assert!(read.len() <= 9, "{coding}: {error}");
        assert_eq!(long.read_body().expect_err("it stays").kind(), ClientErrorKind::TooLarge, "{coding}");
        let mut short = respond();
        assert_eq!(
            (short.remaining(), short.header("Content-Length")),
            (Some(2), Some(&b"2"[..])),
            "{coding}"
        );
        assert_eq!(short.text().expect("a body"), "ok");
    }
    server.end();
}

#[test]
fn each_origin_has_connections_of_its_own() {
    let servers: Vec<Script> = (0..2)
        .map(|_| {
            Script::new(1, |_, mut peer: Peer| {
                while !peer.head().is_empty() {
                    peer.say(OK);
                }
            })
        })
        .collect();
    let client = client();
    for number in 1..=3 {
        for server in &servers {
            let request = Request::new("GET", format!("http://{}/", server.addr)).expect("a request");
            assert_eq!(client.send(&request).expect("a response").conn_requests(), number);
        }
    }
    let stats = client.stats();
    assert_eq!((stats.hosts, stats.open, stats.idle, stats.waiting), (2, 2, 2, 0));
    client.close_idle_conns();
    assert_eq!(client.stats().open, 0);
    let body = SendBody::sized(&b"x"[..], 1);
    let request = Request::new("PUT", "/").expect("a request");
    let error = client.call(&request).body(body).send().expect_err("it names no host");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    for server in servers {
        server.end();
    }
}

/// A server that tells what it has as it comes sends the head first; of that more is known than nothing.
#[test]
fn the_head_of_a_compressed_response_is_there_before_its_body() {
    let (go_on, told) = mpsc::channel::<()>();
    let server = Script::new(1, move |_, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n");
        told.recv().expect("the head is enough");
        let body = encoded(ContentCoding::Gzip, b"late");
        peer.say(&format!("{:x}\r\n", body.len()));
        peer.stream.write_all(&body).expect("the client is there");
        peer.say("\r\n0\r\n\r\n");
    });
    let url = format!("http://{}/", server.addr);
    let (done, sent) = mpsc::channel();
    // Without a limit of its own.
    std::thread::spawn(move || done.send(Box::new(Client::new().get(url).send())));
    let response = sent.recv_timeout(LONG).expect("it waits for the head only");
    let mut response = (*response).expect("a response");
    assert_eq!(response.header_str("x"), Some("y"));
    go_on.send(()).expect("the server waits for it");
    assert_eq!(response.text().expect("a body"), "late");
    server.end();
}

#[test]
fn what_a_coding_was_put_on_though_there_is_nothing_is_nothing() {
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    let server = Script::new(4, move |number, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n");
        match number {
            0 => peer.say(&format!("{chunked}0\r\n\r\n")),
            1 => {
                peer.say(chunked);
                // In a read of its own, as a rule.
                std::thread::sleep(Duration::from_millis(20));
                peer.say("0\r\n\r\n");
            }
            2 => peer.say("\r\n"),
            _ => peer.say("Content-Length: 0\r\n\r\n"),
        }
    });
    let url = format!("http://{}/", server.addr);
    for number in 0..4 {
        let client = client();
        let mut response = client.get(&url).send().expect("a response");
        assert_eq!(response.header("Content-Encoding").is_some(), number == 3, "{number}");
        assert_eq!(response.text().expect("a body"), "", "{number}");
        assert_eq!(response.read_to_end(&mut Vec::new()).expect("it stays so"), 0);
    }
    server.end();
}

#[test]
fn bounds_of_what_comes_out_hold_for_streams_and_can_be_moved() {
    let zeros = encoded(ContentCoding::Gzip, &vec![b'0'; 8 * 1024 * 1024]);
    let answer = zeros.clone();
    let server = Script::new(3, move |_, mut peer: Peer| {
        peer.head();
        say_encoded(&mut peer, "gzip", &answer);
    });
    let url = format!("http://{}/", server.addr);
    let respond = |client: ClientBuilder| {
        let client = client.timeout(LONG).build().expect("settings");
        let mut response = client.get(&url).send().expect("the head is fine");
        std::io::copy(&mut response, &mut std::io::sink())
    };
    assert_eq!(respond(Client::builder().max_response_ratio(None)).expect("all of it"), 8 * 1024 * 1024);
    for client in
        [Client::builder(), Client::builder().max_response_ratio(None).max_response_body_size(100_000)]
    {
        let error = respond(client).expect_err("it is too much");
        let error = error.downcast::<ClientError>().expect("it is inside");
        assert_eq!(error.kind(), ClientErrorKind::TooLarge);
    }
    server.end();
}

/// Of hosts that are too many those go that nobody speaks with.
#[test]
fn a_host_that_is_in_use_is_not_forgotten() {
    let servers: Vec<Script> = (0..3)
        .map(|number| {
            Script::new(1, move |_, mut peer: Peer| {
                peer.head();
                match number {
                    0 => peer.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
                    _ => peer.say(OK),
                }
                while !peer.head().is_empty() {}
            })
        })
        .collect();
    let client = Client::builder().max_hosts(2).max_conns(1).timeout(LONG).build().expect("settings");
    let get = |number: usize| client.get(format!("http://{}/", servers[number].addr)).send();
    let held = get(0).expect("a response");
    for number in [1, 2] {
        assert_eq!(get(number).expect("a response").text().expect("a body"), "ok");
    }
    // The limit holds for it still.
    assert_eq!(get(0).map(drop).expect_err("its connection is in use").kind(), ClientErrorKind::NoFreeConns);
    drop((held, client));
    for server in servers {
        server.end();
    }
}

#[test]
fn what_was_put_together_goes_to_another_thread() {
    let running = Server::new(|ctx| ctx.set_body("here")).expect("a server").start("127.0.0.1:0");
    let running = running.expect("a free port");
    let (client, url) = (client(), format!("http://{}/", running.local_addr()));
    let plain = Request::new("GET", &url).expect("a request");
    std::thread::scope(|scope| {
        let form = MultipartForm::new().file("f", "f", "text/plain", &b"x"[..], None);
        let built = client.post(&url).multipart(form).on_informational(|_, _| {});
        let prepared = client.call(&plain).body(SendBody::new(&b"x"[..]).trailers(Default::default));
        let sent = [scope.spawn(move || built.send()), scope.spawn(move || prepared.send())];
        for sent in sent {
            let response = sent.join().expect("no panic").expect("a response");
            // And so may the response.
            let text = scope
                .spawn(move || {
                    let mut response = response;
                    response.text()
                })
                .join();
            assert_eq!(text.expect("no panic").expect("a body"), "here");
        }
    });
    drop(client);
    running.shutdown(LONG).expect("nothing is under way");
}
