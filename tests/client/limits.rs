//! How large a response may be, and how long it may take.

use std::io::Read;
use std::time::Duration;

use anthill_http::client::{ClientErrorKind, ClientPhase};

use crate::script::{OK, Peer, Script, get};

#[test]
fn cli_10_heads_and_bodies_that_are_too_large() {
    let long_head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(60));
    let chunks =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", "4\r\nabcd\r\n".repeat(3));
    let to_the_end = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(11));
    // Nothing of it has to come to be refused.
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n".to_owned();
    let answers = [long_head, many, chunks, to_the_end, announced];
    let count = answers.len();
    let server = Script::new(count, move |number, mut peer: Peer| {
        peer.head();
        peer.say(&answers[number]);
        peer.expect_end();
    });
    let client = server
        .builder()
        .max_response_header_size(1000)
        .max_response_headers(50)
        .max_response_body_size(10)
        .build()
        .expect("an address");
    for number in 0..count {
        let error = client
            .send(&get("/"))
            .and_then(|mut response| response.read_body())
            .expect_err("it is too large");
        assert_eq!(error.kind(), ClientErrorKind::TooLarge, "answer {number}: {error}");
        assert_eq!(client.stats().open, 0);
    }
    server.end();
}

#[test]
fn cli_10_a_body_of_just_the_limit_passes() {
    let server = Script::new(1, |_, mut peer: Peer| {
        for answer in
            [OK, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"]
        {
            peer.head();
            peer.say(answer);
        }
    });
    let client = server.builder().max_response_body_size(2).build().expect("an address");
    for number in 1..=2 {
        let mut response = client.send(&get("/")).expect("a response");
        assert_eq!((response.text().expect("a body").as_str(), response.conn_requests()), ("ok", number));
    }
    server.end();
}

#[test]
fn cli_10_a_large_body_is_streamed() {
    const SIZE: usize = 8 * 1024 * 1024;
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
        peer.say(&"x".repeat(SIZE));
        peer.head();
        peer.say(OK);
    });
    let client = server.client();
    let mut response = client.send(&get("/")).expect("the head is there");
    assert_eq!(response.remaining(), Some(SIZE as u64));
    let mut body = Vec::new();
    response.read_to_end(&mut body).expect("all of it");
    assert_eq!((body.len(), response.remaining()), (SIZE, Some(0)));
    assert_eq!(client.send(&get("/")).expect("a response").conn_requests(), 2);
    server.end();
}

#[test]
fn cli_05_the_limit_of_a_call_holds_while_bytes_trickle() {
    let server = Script::new(2, |number, mut peer: Peer| {
        peer.head();
        peer.say(if number == 1 { "HTTP/1.1 200 OK\r\n\r\n" } else { "HTTP/1.1 200 OK\r\nX: " });
        // Each byte comes long before a silence would be too long.
        while std::io::Write::write_all(&mut peer.stream, b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let client = server.builder().read_timeout(Duration::from_secs(10)).build().expect("an address");
    let limit = Duration::from_millis(500);
    let error = client.send_timeout(&get("/"), limit).expect_err("the head does not come");
    assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Head));
    // The head is there long before, or the machine is so busy that the limit was over before it.
    let error = client.send_timeout(&get("/"), limit).and_then(|mut response| response.read_body());
    assert!(error.as_ref().is_err_and(|error| error.is_timeout()), "{error:?}");
    assert_eq!(client.stats().open, 0);
    server.end();
}

#[test]
fn cli_05_a_silence_that_is_too_long() {
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
        peer.expect_end();
    });
    let client = server.builder().read_timeout(Duration::from_millis(50)).build().expect("an address");
    // The head is there at once, or the machine is so busy that the silence was before it.
    let error = client.send(&get("/")).and_then(|mut response| response.read_body()).expect_err("it stops");
    assert!(error.is_timeout(), "{error}");
    server.end();
}

#[test]
fn cli_05_a_server_that_takes_nothing_is_given_up() {
    let (done, test_is_over) = std::sync::mpsc::channel::<()>();
    let server = Script::new(1, move |_, peer: Peer| {
        test_is_over.recv().expect("the test ends");
        drop(peer);
    });
    let client = server.builder().write_timeout(Duration::from_millis(50)).build().expect("an address");
    let mut request = anthill_http::Request::new("POST", "/").expect("a request");
    request.set_body_vec(vec![b'x'; 64 * 1024 * 1024]);
    let error = client.send(&request).expect_err("more than the buffers hold");
    assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Send));
    done.send(()).expect("the server waits for it");
    server.end();
}
