//! Redirects: where they lead, what goes along, and where they end.

use std::io::{Read, Write};
use std::time::Duration;

use anthill_http::client::{Client, ClientError, ClientErrorKind, MultipartForm, RedirectFault, SendBody};

use crate::script::{LONG, OK, Peer, Script};

fn to(status: &str, location: &str) -> String {
    format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\naway")
}

fn client() -> Client {
    Client::builder().timeout(LONG).build().expect("settings with a meaning")
}

fn fault<T>(outcome: Result<T, ClientError>) -> RedirectFault {
    match outcome.map(drop).expect_err("it cannot be followed").kind() {
        ClientErrorKind::Redirect(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn cli_07_a_chain_is_followed_to_its_end_over_one_connection() {
    let server = Script::new(1, |_, mut peer: Peer| {
        for (path, status, location) in [
            ("/a/b", "301 Moved Permanently", "c?x=1"),
            ("/a/c?x=1", "302 Found", "../d"),
            ("/d", "303 See Other", "/e%2Ff"),
            ("/e%2Ff", "307 Temporary Redirect", "?q"),
            ("/e%2Ff?q", "308 Permanent Redirect", "/end#there"),
        ] {
            assert!(peer.head().starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{path}");
            peer.say(&to(status, location));
        }
        assert!(peer.head().starts_with("GET /end HTTP/1.1\r\n"));
        peer.say(OK);
    });
    let mut response =
        client().get(format!("http://{}/a/b#here", server.addr)).send().expect("the end of the chain");
    assert_eq!(response.uri().expect("it is known").to_string(), format!("http://{}/end#there", server.addr));
    assert_eq!((response.text().expect("a body").as_str(), response.conn_requests()), ("ok", 6));
    server.end();
}

#[test]
fn cli_07_there_is_an_end_to_following() {
    let server = Script::new(3, |_, mut peer: Peer| {
        while !peer.head().is_empty() {
            peer.say(&to("302 Found", "/again"));
        }
    });
    let url = format!("http://{}/", server.addr);
    for most in [0, 1, 3] {
        let client = Client::builder().max_redirects(most).timeout(LONG).build().expect("settings");
        match most {
            0 => {
                let mut response = client.get(&url).send().expect("it is handed back");
                assert_eq!(
                    (response.status_code(), response.text().expect("a body").as_str()),
                    (302, "away")
                );
            }
            _ => assert_eq!(fault(client.get(&url).send()), RedirectFault::TooMany),
        }
    }
    server.end();
}

#[test]
fn cli_07_what_cannot_be_followed_is_said() {
    let answers = [
        ("HTTP/1.1 301 Moved Permanently\r\nContent-Length: 0\r\n\r\n".to_owned(), RedirectFault::NoLocation),
        (to("302 Found", "http://[::/"), RedirectFault::BadLocation),
        (to("302 Found", "ftp://h/"), RedirectFault::Scheme),
        // Refused before anybody is looked for, and where it leads is told without what may be secret.
        (to("302 Found", "ftp://user:secret@nobody.invalid/x?key=secret#secret"), RedirectFault::Scheme),
        (to("302 Found", "http://a,b/"), RedirectFault::BadLocation),
        // No certificate can be for that.
        (to("302 Found", "https://a..b/"), RedirectFault::BadLocation),
    ];
    let said = answers.clone();
    let server = Script::new(1, move |_, mut peer: Peer| {
        for (answer, _) in said.clone() {
            peer.head();
            peer.say(&answer);
        }
        peer.read_until("once");
        peer.say(&to("307 Temporary Redirect", "/there"));
    });
    let (client, url) = (client(), format!("http://{}/", server.addr));
    for (answer, expected) in answers {
        let error = client.get(&url).send().expect_err("it cannot be followed");
        assert_eq!(error.kind(), ClientErrorKind::Redirect(expected), "{answer}");
        let said = error.to_string();
        assert_eq!(said.contains("ftp://nobody.invalid/x"), answer.contains("nobody"), "{said}");
        assert!(!said.contains("secret") && said.contains("127.0.0.1"), "{said}");
    }
    let spent = client.post(&url).send_body(SendBody::new(&b"once"[..])).send();
    assert_eq!(fault(spent), RedirectFault::BodySpent);
    drop(client);
    server.end();
}

#[test]
fn cli_07_bodies_go_along_or_stay_behind() {
    let server = Script::new(1, |_, mut peer: Peer| {
        for (status, follows) in
            [("307 Temporary Redirect", true), ("301 Moved Permanently", false), ("303 See Other", false)]
        {
            assert!(peer.head().contains("\r\nContent-Type: text/x\r\n"));
            assert_eq!(peer.read_until("body"), "body");
            peer.say(&to(status, "/next"));
            let head = peer.head();
            assert_eq!(head.starts_with("POST /next"), follows, "{head}");
            assert_eq!(head.contains("Content-Type: text/x\r\n"), follows, "{head}");
            assert_eq!(head.contains("\r\nContent-Length: 4\r\n"), follows, "{head}");
            if follows {
                assert_eq!(peer.read_until("body"), "body");
                // And once more, of what was sent twice already.
                peer.say(&to("308 Permanent Redirect", "/last"));
                assert!(peer.head().starts_with("POST /last"));
                assert_eq!(peer.read_until("body"), "body");
            } else {
                assert!(head.starts_with("GET /next"), "{head}");
            }
            peer.say(OK);
        }
        peer.read_until("\r\nagain\r\n0\r\n\r\n");
        peer.say(&to("307 Temporary Redirect", "/next"));
        peer.read_until("\r\nagain\r\n0\r\n\r\n");
        peer.say(OK);
    });
    let (client, url) = (client(), format!("http://{}/", server.addr));
    for _ in 0..3 {
        let sent = client.post(&url).header("Content-Type", "text/x").body("body").send();
        assert_eq!(sent.expect("a response").text().expect("a body"), "ok");
    }
    let again = SendBody::repeatable(None, || Ok(&b"again"[..]));
    assert_eq!(client.put(&url).send_body(again).send().expect("a response").status_code(), 200);
    drop(client);
    server.end();
}

#[test]
fn cli_07_what_is_meant_for_one_origin_is_not_told_to_another() {
    let back = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let other_back = back.clone();
    let other = Script::new(1, move |_, mut peer: Peer| {
        let head = peer.head();
        for secret in ["Authorization", "Cookie", "Referer", "secret"] {
            assert!(!head.contains(secret), "{head}");
        }
        assert!(head.contains("\r\nX-Own: kept\r\n"), "{head}");
        peer.say(&to("302 Found", other_back.get().expect("it is set before")));
    });
    let there = format!("http://{}/there", other.addr);
    let server = Script::new(1, move |_, mut peer: Peer| {
        let head = peer.head();
        assert!(head.contains("\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n"), "{head}");
        peer.say(&to("302 Found", "/same"));
        assert!(peer.head().contains("\r\nAuthorization: Basic"), "the same origin is told");
        peer.say(&to("302 Found", &there));
        let head = peer.head();
        assert!(head.starts_with("GET /back") && !head.contains("Authorization"), "{head}");
        peer.say(OK);
    });
    back.set(format!("http://{}/back", server.addr)).expect("it is set once");
    let request = format!("http://user:secret@{}/", server.addr);
    let client = client();
    let request =
        client.get(&request).header("Cookie", "a=b").header("Referer", "/x").header("X-Own", "kept");
    assert!(!format!("{request:?}").contains("secret"));
    assert_eq!(request.send().expect("a response").text().expect("a body"), "ok");
    server.end();
    other.end();
}

#[test]
fn cli_07_one_limit_spans_all_redirects() {
    let server = Script::new(1, |_, mut peer: Peer| {
        let mut room = [0; 4096];
        for _ in 0..50 {
            // The client may be gone at any point, and in any way.
            let Ok(1..) = peer.stream.read(&mut room) else { return };
            std::thread::sleep(Duration::from_millis(20));
            if peer.stream.write_all(to("302 Found", "/on").as_bytes()).is_err() {
                return;
            }
        }
        panic!("each of them had a limit of its own");
    });
    let client = Client::builder().max_redirects(1000).build().expect("settings");
    let sent = client.get(format!("http://{}/", server.addr)).timeout(Duration::from_millis(200)).send();
    assert!(sent.expect_err("there is no time for fifty").is_timeout());
    server.end();
}

/// Nobody wants its body, so nobody waits for it, or for what would decode it.
#[test]
fn cli_07_a_body_that_does_not_come_holds_nothing_up() {
    for coding in ["gzip", "identity"] {
        let server = Script::side_by_side(2, move |number, mut peer: Peer| {
            peer.head();
            if number == 0 {
                peer.say(&format!(
                    "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Encoding: {coding}\r\n"
                ));
                peer.say("Transfer-Encoding: chunked\r\n\r\n");
                peer.expect_end();
            } else {
                peer.say(OK);
            }
        });
        let client = Client::builder().build().expect("settings");
        let (done, told) = std::sync::mpsc::channel();
        let url = format!("http://{}/", server.addr);
        std::thread::spawn(move || done.send(client.get(url).send().map(|response| response.status_code())));
        let status = told.recv_timeout(LONG).expect("it does not wait for the body");
        assert_eq!(status.expect("a response"), 200, "{coding}");
        server.end();
    }
}

/// A server may write head and body apart, and a network may cut them.
#[test]
fn cli_07_a_little_body_of_its_own_costs_no_connection() {
    const CALLS: usize = 20;
    let server = Script::side_by_side(4 * CALLS, |_, mut peer: Peer| {
        peer.stream.set_nodelay(true).expect("an option of every socket");
        let mut room = [0; 4096];
        // The client may have seen enough, and be gone in any way.
        while let Ok(count @ 1..) = peer.stream.read(&mut room) {
            let asked = String::from_utf8_lossy(&room[..count]).into_owned();
            let (status, rest) = match asked.split(' ').nth(1) {
                Some("/end") => ("200 OK", "done"),
                Some("/busy") => ("503 Busy", "busy"),
                _ => ("302 Found", "away"),
            };
            let head = format!("HTTP/1.1 {status}\r\nLocation: /end\r\nContent-Length: 4\r\n\r\n");
            let said = peer.stream.write_all(head.as_bytes());
            // By then the head has been read, as a rule.
            std::thread::sleep(Duration::from_millis(1));
            if said.and_then(|()| peer.stream.write_all(rest.as_bytes())).is_err() {
                return;
            }
        }
    });
    let mut serial = 0;
    for _ in 0..CALLS {
        let client = Client::builder().timeout(LONG).max_conns(1).build().expect("settings");
        let response = client.get(format!("http://{}/", server.addr)).send().expect("a response");
        serial += response.conn_requests() - 1;
    }
    assert!(serial > 0, "each hop took a connection of its own");
    let mut serial = 0;
    for _ in 0..CALLS {
        let client = Client::builder().timeout(LONG).max_conns(1).retry_statuses([503]).max_attempts(2);
        let client = client.build().expect("settings");
        let response = client.get(format!("http://{}/busy", server.addr)).send().expect("a response");
        assert_eq!(response.status_code(), 503);
        serial += response.conn_requests() - 1;
    }
    assert!(serial > 0, "each attempt took a connection of its own");
}

#[test]
fn cli_07_what_all_requests_of_a_client_have_is_told_to_those_it_is_meant_for() {
    let other = Script::new(1, |_, mut peer: Peer| {
        let head = peer.head();
        assert!(head.contains("\r\nX-All: kept\r\n") && !head.contains("secret"), "{head}");
        peer.say(&to("302 Found", "/again"));
        let head = peer.head();
        assert!(head.contains("\r\nX-All: kept\r\n") && !head.contains("secret"), "{head}");
        peer.say(OK);
        // Whoever is asked for himself is told.
        let head = peer.head();
        assert!(head.contains("\r\nAuthorization: secret\r\n"), "{head}");
        peer.say(OK);
    });
    let there = format!("http://{}/there", other.addr);
    let server = Script::new(1, move |_, mut peer: Peer| {
        let head = peer.head();
        assert!(head.contains("\r\nX-All: kept\r\nAuthorization: secret\r\n"), "{head}");
        assert!(head.contains("\r\nUser-Agent: own\r\n") && !head.contains("anthill/"), "{head}");
        peer.say(&to("302 Found", &there));
    });
    let client = Client::builder()
        .timeout(LONG)
        .default_header("X-All", "kept")
        .default_header("Authorization", "secret")
        .default_header("User-Agent", "own")
        .build()
        .expect("settings");
    assert!(!format!("{client:?}").contains("secret"));
    assert_eq!(client.get(format!("http://{}/", server.addr)).send().expect("a response").status_code(), 200);
    assert_eq!(client.get(format!("http://{}/", other.addr)).send().expect("a response").status_code(), 200);
    for (name, value) in
        [("a b", "c"), ("a", "b\r\nc"), ("Host", "h"), ("Content-Length", "1"), ("connection", "x")]
    {
        let error = Client::builder().default_header(name, value).build().expect_err(name);
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{name}");
    }
    server.end();
    other.end();
}

#[test]
fn cli_07_what_was_said_of_a_call_holds_for_all_its_hops_and_the_host_of_the_first_only_there() {
    let server = Script::new(1, |_, mut peer: Peer| {
        for (hop, host) in [(0, "own.test"), (1, "127.0.0.1")] {
            let head = peer.head();
            assert!(head.contains(&format!("\r\nHost: {host}")), "{head}");
            assert!(head.contains("\r\nExpect: 100-continue\r\n"), "{head}");
            peer.say("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
            assert_eq!(peer.read_until("body"), "body");
            if hop == 0 {
                peer.say(&to("307 Temporary Redirect", "/next"));
            } else {
                peer.say(OK);
            }
        }
    });
    let mut told = Vec::new();
    let client = client();
    let request = client.post(format!("http://{}/", server.addr)).header("Host", "own.test").body("body");
    let request = request.expect_continue(LONG).on_informational(|status, _| told.push(status));
    assert_eq!(request.send().expect("a response").text().expect("a body"), "ok");
    assert_eq!(told, [103, 100, 103, 100]);
    server.end();
}

/// Texts and files of a form are there to be had again; the content of a reader is not.
#[test]
fn cli_07_a_form_goes_along_if_it_can_be_had_again() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "six legs").expect("room");
    let server = Script::new(1, |_, mut peer: Peer| {
        for answer in [to("307 Temporary Redirect", "/next"), OK.to_owned()] {
            assert!(peer.head().contains("\r\nContent-Type: multipart/form-data"));
            let body = peer.read_until("--\r\n");
            assert!(body.contains("\r\n\r\nAnts\r\n") && body.contains("\r\n\r\nsix legs\r\n"), "{body}");
            peer.say(&answer);
        }
        peer.head();
        peer.read_until("--\r\n");
        peer.say(&to("307 Temporary Redirect", "/next"));
    });
    let (client, url) = (client(), format!("http://{}/", server.addr));
    let form = MultipartForm::new().text("title", "Ants").file_at("f", "text/plain", file.path());
    let sent = client.post(&url).multipart(form.expect("it is there")).send();
    assert_eq!(sent.expect("a response").text().expect("a body"), "ok");
    let form = MultipartForm::new().text("a", "b").file("f", "f", "text/plain", &b"once"[..], Some(4));
    assert_eq!(fault(client.post(&url).multipart(form).send()), RedirectFault::BodySpent);
    drop(client);
    server.end();
}
