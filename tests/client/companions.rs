//! What goes along with requests because of where they go: cookies from a jar, credentials from a `.netrc`.

use anthill_http::client::{Client, CookieJar, Netrc, RequestBuilder};
use anthill_http::{Request, Uri};

use crate::script::{LONG, OK, Peer, Script};

/// What a request says in a field.
fn said(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
}

fn redirect(to: &str, more: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n{more}Content-Length: 0\r\n\r\n")
}

/// A client that finds all names at the script's address.
fn client(jar: &CookieJar) -> Client {
    let here = |_: &str| Ok(vec![std::net::Ipv4Addr::LOCALHOST.into()]);
    let builder = Client::builder().timeout(LONG).resolver(here).cookie_jar(jar.clone());
    builder
        .netrc(Netrc::parse("machine b.test login ann password secret"))
        .build()
        .expect("settings with a meaning")
}

fn send(request: RequestBuilder<'_>) {
    assert_eq!(request.send().expect("a response").text().expect("a body"), "ok");
}

#[test]
fn each_hop_of_a_redirect_sets_and_gets_what_is_its_own() {
    let there = redirect("/next", "");
    let server = Script::side_by_side(2, move |host, mut peer: Peer| {
        let port = peer.stream.local_addr().expect("it is connected").port();
        let mut head = peer.head();
        if host == 0 {
            assert_eq!(said(&head, "Cookie"), None);
            let cookies = "Set-Cookie: at=a; Path=/\r\nSet-Cookie: all=1; Domain=a.test; Path=/\r\n\
                           Set-Cookie: evil=1; Domain=b.test\r\nSet-Cookie: ; Path=/\r\n";
            peer.say(&redirect("/next", cookies));
            head = peer.head();
            assert_eq!(said(&head, "Cookie").as_deref(), Some("at=a; all=1"));
            peer.say(&redirect(&format!("http://b.test:{port}/"), "Set-Cookie: at=; Path=/; Max-Age=0\r\n"));
            // And once more, from the beginning.
            head = peer.head();
            assert_eq!(said(&head, "Cookie").as_deref(), Some("own=1; all=1"));
            assert_eq!(said(&head, "Authorization"), None);
            peer.say(OK);
        } else {
            assert_eq!(said(&head, "Cookie"), None, "{head}");
            // Another host has led here, which is not to choose who is told a password.
            assert_eq!(said(&head, "Authorization"), None);
            peer.say("HTTP/1.1 200 OK\r\nSet-Cookie: b=1\r\nContent-Length: 2\r\n\r\nok");
            for path in ["GET / ", "GET /next "] {
                head = peer.head();
                assert!(head.starts_with(path), "{head}");
                assert_eq!(said(&head, "Authorization").as_deref(), Some("Basic YW5uOnNlY3JldA=="));
                peer.say(if path == "GET / " { &there } else { OK });
            }
            head = peer.head();
            // What the user says himself counts.
            assert_eq!(said(&head, "Cookie").as_deref(), Some("b=own"));
            assert_eq!(said(&head, "Authorization").as_deref(), Some("Bearer t"));
            peer.say(OK);
        }
    });
    let jar = CookieJar::new();
    let client = client(&jar);
    let url = |host: &str| format!("http://{host}:{}/", server.addr.port());
    send(client.get(url("www.a.test")));
    assert_eq!(jar.len(), 2);
    send(client.clone().get(url("www.a.test")).header("Cookie", "own=1"));
    send(client.get(url("b.test")));
    send(client.get(url("b.test")).header("Cookie", "b=own").bearer_auth("t"));
    let uri = Uri::parse(url("b.test")).expect("a URL");
    assert_eq!((jar.get(&uri, "b"), jar.header(&uri)), (Some(b"1".to_vec()), Some(b"b=1".to_vec())));
    server.end();
}

#[test]
fn a_request_of_ones_own_is_not_changed_and_has_its_body() {
    let server = Script::new(1, |_, mut peer: Peer| {
        for _ in 0..2 {
            let head = peer.head();
            assert_eq!(said(&head, "Cookie").as_deref(), Some("own=1; kept=2"));
            assert_eq!(peer.read_until("body"), "body");
            peer.say(OK);
        }
    });
    let jar = CookieJar::new();
    let url = format!("http://a.test:{}/", server.addr.port());
    let uri = Uri::parse(&url).expect("a URL");
    assert!(jar.set(&uri, &anthill_http::Cookie::new("kept", "2")));
    let client = client(&jar);
    let mut request = Request::new("PUT", &url).expect("a request");
    request.set_header("Cookie", "own=1");
    request.set_body("body");
    for _ in 0..2 {
        assert_eq!(client.send(&request).expect("a response").text().expect("a body"), "ok");
        assert_eq!(request.header("Cookie"), Some(&b"own=1"[..]));
    }
    server.end();
}

#[test]
fn json_is_bound_and_says_what_is_wrong_with_it() {
    use anthill_http::client::ClientErrorKind;
    use std::collections::HashMap;

    let server = Script::new(1, |_, mut peer: Peer| {
        assert!(peer.head().contains("Content-Type: application/json\r\n"));
        assert_eq!(peer.read_until("}"), r#"{"a":1}"#);
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"b\":2}");
        for body in ["{\"b\":", "[1]", "{\"b\":2}"] {
            assert!(peer.head().contains("Content-Type: application/x\r\n"));
            peer.read_until("null");
            peer.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    });
    let client =
        Client::builder().timeout(LONG).max_response_body_size(7).build().expect("settings with a meaning");
    let url = format!("http://{}/", server.addr);
    let sent = HashMap::from([("a", 1)]);
    let received: HashMap<String, u8> =
        client.post(&url).json(&sent).send().expect("a response").json().expect("a map");
    assert_eq!(received.get("b"), Some(&2));
    for expected in [Some(ClientErrorKind::Json), Some(ClientErrorKind::Json), None] {
        let request = client.post(&url).header("Content-Type", "application/x").json(&None::<u8>);
        let mut response = request.send().expect("a response");
        let outcome = response.json::<HashMap<String, u8>>();
        assert_eq!(outcome.as_ref().err().map(|error| error.kind()), expected, "{outcome:?}");
        if let Err(error) = outcome {
            assert!(error.get_ref().is_some_and(|cause| cause.is::<serde_json::Error>()), "{error}");
        }
    }
    // No name of a field is a list.
    let none = HashMap::from([(vec![1], 1)]);
    let error = client.post(&url).json(&none).send().expect_err("it is no JSON");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    server.end();
}
