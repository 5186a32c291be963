//! Redirects: where they lead, what goes along, and where they end.

use std::io::{Read, Write};
use std::time::Duration;

use anthill_http::client::{Client, ClientError, ClientErrorKind, RedirectFault, SendBody};

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
        client().get(&format!("http://{}/a/b#here", server.addr)).send().expect("the end of the chain");
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
    ];
    let said = answers.clone();
    let server = Script::new(1, move |_, mut peer: Peer| {
        for (answer, _) in said.clone() {
            peer.head();
            peer.say(&answer);
        }
        peer.head();
        // It is refused before anybody is looked for.
        peer.say(&to("302 Found", "https://a..b/"));
        peer.read_until("once");
        peer.say(&to("307 Temporary Redirect", "/there"));
    });
    let (client, url) = (client(), format!("http://{}/", server.addr));
    for (answer, expected) in answers {
        assert_eq!(fault(client.get(&url).send()), expected, "{answer}");
    }
    let error = client.get(&url).send().expect_err("no certificate can be for that");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    assert!(error.to_string().contains("a..b"), "{error}");
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
    let sent = client.get(&format!("http://{}/", server.addr)).timeout(Duration::from_millis(200)).send();
    assert!(sent.expect_err("there is no time for fifty").is_timeout());
    server.end();
}
