//! Examples whose responses last.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anthill_tests::client::{Client, get, post};
use anthill_tests::eventually;
use anthill_tests::examples::Example;

#[test]
fn graceful_ends_when_all_have_their_answers() {
    let graceful = Example::start("graceful", &[]);
    let address = graceful.address();
    let [mut slow, mut ticks, mut ready] = [(); 3].map(|()| Client::connect(address));
    assert_eq!(ready.get("/ready").status, 200);
    slow.send(get("/slow"));
    ticks.send(get("/ticks"));
    thread::sleep(Duration::from_millis(200));
    graceful.signal("TERM");
    // During the delay, on connections that are there and on new ones; unless this thread was too late.
    eventually("it is not ready any more", || {
        let said = ready.try_send(get("/ready")).map(|()| ready.try_response());
        said.is_ok_and(|reply| reply.is_ok_and(|reply| reply.status == 503))
            || TcpStream::connect(address).is_err()
    });
    assert_eq!(slow.response().text(), "not a minute, but the server ends\n");
    assert!(ticks.response().text().ends_with("tick\nthat was the last one\n"));
    let ended = graceful.outcome();
    assert!(ended.code == Some(0) && ended.stdout.ends_with("done\n"), "{ended:?}");
}

/// Subscribes; the head of the stream has been read then, and nothing behind it.
fn listener(address: SocketAddr, last: Option<u64>) -> Client {
    let mut client = Client::connect(address);
    let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    client.send(format!("GET /events HTTP/1.1\r\nHost: h\r\n{last}\r\n"));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.stream().read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nContent-Type: text/event-stream\r\n")
    );
    client
}

/// The next chunk; empty at the end.
fn chunk(client: &Client) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        client.stream().read_exact(&mut byte).expect("the size of a chunk");
        line.extend(byte);
    }
    let size = String::from_utf8_lossy(&line);
    let size = usize::from_str_radix(size.trim_end(), 16).expect("a size");
    let mut chunk = vec![0; size + 2];
    client.stream().read_exact(&mut chunk).expect("a chunk");
    chunk.truncate(size);
    String::from_utf8(chunk).expect("text")
}

/// Events may come in one chunk or in several.
#[track_caller]
fn hears_events(client: &Client, expected: &str) {
    let mut heard = String::new();
    while heard.len() < expected.len() {
        let next = chunk(client);
        assert!(!next.is_empty(), "the stream ends behind {heard:?}");
        heard += &next;
    }
    assert_eq!(heard, expected);
}

#[test]
fn events_reach_who_listens_and_who_comes_back() {
    let events = Example::start("events", &[]);
    let address = events.address();
    let mut speaker = Client::connect(address);
    assert!(speaker.get("/").text().contains("new EventSource('/events')"));
    assert_eq!(speaker.exchange(post("/say", "nobody is here")).text(), "0 heard it\n");
    let listeners = [(); 2].map(|()| listener(address, None));
    assert_eq!(speaker.exchange(post("/say", "hello")).text(), "2 heard it\n");
    for client in &listeners {
        hears_events(client, "data: hello\nid: 2\n\n");
    }
    let returned = listener(address, Some(0));
    hears_events(&returned, "data: nobody is here\nid: 1\n\ndata: hello\nid: 2\n\n");
    let caught_up = listener(address, Some(1));
    hears_events(&caught_up, "data: hello\nid: 2\n\n");
    assert_eq!(
        speaker.exchange(&b"POST /say HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n\xff"[..]).status,
        400
    );
    events.signal("TERM");
    for client in listeners.into_iter().chain([returned, caught_up]) {
        assert_eq!(chunk(&client), "", "the stream ends as a whole response");
    }
    assert_eq!(events.outcome().code, Some(0));
}
