//! Bodies of services inside of the server: when their frames are sent and read, and how they fail.

use std::future::{poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::thread;

use anthill_http::adapters::RequestBody;
use anthill_tests::client::get;
use anthill_tests::quiet_panics;
use anthill_tests::server::plain;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};

use crate::kit::{Scripted, Step, TaskGate, block_on, collect, data, next_data, serving, streaming};

#[test]
fn utl_04_frames_are_sent_as_they_come_and_the_head_before_them() {
    let gates = [(); 2].map(|()| TaskGate::default());
    let waits = gates.clone();
    let running = serving(plain(), move |_| {
        let [first, second] = waits.clone();
        let steps = [Step::Waits(first), data("first"), Step::Waits(second), data("second")];
        ready(Ok(Response::new(Scripted::new(steps))))
    });
    let mut client = running.client();
    client.send(get("/"));
    let head = String::from_utf8(client.bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".len()));
    assert_eq!(head.expect("text"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    gates[0].open();
    assert_eq!(client.bytes(10), b"5\r\nfirst\r\n");
    gates[1].open();
    assert_eq!(client.bytes(11 + 5), b"6\r\nsecond\r\n0\r\n\r\n");
    assert_eq!(client.get("/").text(), "firstsecond", "the connection has stayed");
}

#[test]
fn utl_04_what_is_there_at_once_is_bytes_and_a_known_length_is_kept() {
    let running = serving(plain(), |request: Request<RequestBody>| {
        let gate = TaskGate::default();
        gate.open();
        let large = vec![b'x'; 200_000];
        let body = match request.uri().path() {
            "/whole" => Scripted::new([data("in "), Step::Waits(gate), data("two frames"), data("")]),
            "/large" => Scripted::new([data(large.clone()), data("end")]).sized(200_003),
            "/unknown" => Scripted::new([data(large.clone()), data("end")]),
            _ => Scripted::new([data(large.clone())]),
        };
        let said = (request.uri().path() == "/said").then_some(("content-length", "200000"));
        let response =
            said.into_iter().fold(Response::builder(), |head, (name, value)| head.header(name, value));
        ready(Ok(response.body(body).expect("a response")))
    });
    let mut client = running.client();
    let whole = client.get("/whole");
    assert_eq!((whole.text(), whole.field("content-length")), ("in two frames", Some("13")));
    for (target, length, size) in
        [("/large", Some("200003"), 200_003), ("/unknown", None, 200_003), ("/said", Some("200000"), 200_000)]
    {
        let reply = client.get(target);
        assert_eq!((reply.field("content-length"), reply.body.len()), (length, size), "{target}");
    }
}

#[test]
fn utl_04_trailers_follow_the_body() {
    let running = serving(plain(), |_| {
        let steps = [data("body"), Step::Trailer("x-sum", "7"), Step::Trailer("content-length", "9")];
        let response = Response::builder().header("trailer", "x-sum").body(Scripted::new(steps).sized(4));
        ready(Ok(response.expect("a response")))
    });
    let mut client = running.client();
    client.send(get("/"));
    let expected = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
                    4\r\nbody\r\n0\r\nX-Sum: 7\r\n\r\n";
    assert_eq!(String::from_utf8(client.bytes(expected.len())).expect("text"), expected);
    // To a client that takes no chunks they have no place, and the body ends with the connection.
    client.send("GET / HTTP/1.0\r\n\r\n");
    let rest = String::from_utf8(client.rest().expect("an end")).expect("text");
    assert!(rest.ends_with("\r\n\r\nbody"), "{rest}");
}

#[test]
fn utl_04_a_body_that_fails_is_a_500_before_and_breaks_off_behind_the_head() {
    quiet_panics();
    let gate = TaskGate::default();
    let wait = gate.clone();
    let running = serving(plain(), move |request: Request<RequestBody>| {
        let wait = Step::Waits(wait.clone());
        let body = match request.uri().path() {
            "/fails" => Scripted::new([data("begun"), Step::Fails]),
            "/panics" => Scripted::new([data("begun"), Step::Panics]),
            "/fails-late" => Scripted::new([data("begun"), wait, Step::Fails]),
            "/panics-late" => Scripted::new([data("begun"), wait, Step::Panics]),
            "/short-late" => Scripted::new([data("begun"), wait]).sized(9),
            "/long-late" => Scripted::new([data("beg"), wait, data("unlike what was said")]).sized(5),
            _ => Scripted::new([data("whole")]),
        };
        ready(Ok(Response::new(body)))
    });
    for target in ["/fails", "/panics"] {
        let mut client = running.client();
        assert_eq!(client.get(target).status, 500, "{target}");
        assert_eq!(client.get("/").text(), "whole", "{target}");
    }
    let mut clients: Vec<_> = ["/fails-late", "/panics-late", "/short-late", "/long-late"]
        .into_iter()
        .map(|target| {
            let mut client = running.client();
            client.send(get(target));
            assert_eq!(client.bytes(12), b"HTTP/1.1 200", "{target}");
            (target, client)
        })
        .collect();
    gate.open();
    let (_, mut long) = clients.pop().expect("the last of them");
    long.send(get("/"));
    let mut both = Vec::new();
    while !both.ends_with(b"\r\n\r\nwhole") {
        both.extend(long.bytes(1));
    }
    let both = String::from_utf8(both).expect("text");
    assert!(both.contains("\r\n\r\nbegunHTTP/1.1 200"), "so long, and no more: {both}");
    for (target, mut client) in clients {
        let rest = String::from_utf8(client.rest().expect("an end")).expect("text");
        let (fields, body) = rest.split_once("\r\n\r\n").expect("the rest of a head");
        let is_cut = if target == "/short-late" { body == "begun" } else { body == "5\r\nbegun\r\n" };
        assert!(is_cut, "{target}: {fields} {body:?}");
    }
}

/// Sends each frame of the request back as it comes.
struct Echo(RequestBody);

impl Body for Echo {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.0).poll_frame(task)
    }
}

#[test]
fn utl_04_a_body_that_trickles_is_read_and_answered_frame_by_frame() {
    let running = serving(streaming(), |request| ready(Ok(Response::new(Echo(request.into_body())))));
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (number, piece) in ["ants", "and ", "more"].into_iter().enumerate() {
        client.send(format!("4\r\n{piece}\r\n"));
        if number == 0 {
            assert_eq!(client.bytes(head.len()), head.as_bytes());
        }
        assert_eq!(client.bytes(9), format!("4\r\n{piece}\r\n").as_bytes(), "before the next is sent");
    }
    client.send("0\r\nX-Sum: 12\r\n\r\n");
    let end = "0\r\nX-Sum: 12\r\n\r\n";
    assert_eq!(String::from_utf8(client.bytes(end.len())).expect("text"), end);
    // A length that is known beforehand, byte by byte; and one that is there with the head.
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
    for byte in ["a", "n", "t"] {
        client.send(byte);
    }
    assert_eq!(client.response().text(), "ant");
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nbee");
    assert_eq!(client.response().text(), "bee");
}

#[test]
fn utl_04_a_large_body_passes_in_both_directions() {
    let running = serving(streaming().max_request_body_size(10), |request| {
        ready(Ok(Response::new(Echo(request.into_body()))))
    });
    let body: Vec<u8> = (0..2_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut client = running.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()));
    let sent = body.clone();
    let mut sender = anthill_tests::client::Client::over(client.stream().try_clone().expect("a descriptor"));
    let sending = anthill_tests::background(move || sender.send(sent));
    let reply = client.response();
    sending.outcome("all of it is sent");
    assert!(reply.body == body, "{} bytes came back", reply.body.len());
}

#[test]
fn utl_04_a_whole_request_body_is_one_frame_with_its_trailers() {
    let running = serving(plain(), |request: Request<RequestBody>| async move {
        let body = request.into_body();
        assert_eq!(body.size_hint().exact(), Some(8));
        let (bytes, trailers) = collect(body).await.expect("a whole body");
        let text = String::from_utf8(bytes).expect("text");
        Ok(Response::new(format!("{text} {:?}", trailers.get("x-sum"))))
    });
    let chunked =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nants\r\n4\r\nbees\r\n";
    let reply = running.client().exchange(format!("{chunked}0\r\nX-Sum: 8\r\n\r\n"));
    assert_eq!(reply.text(), "antsbees Some(\"8\")");
}

#[test]
fn utl_04_a_body_that_arrives_says_how_much_of_it_is_left() {
    let (told, seen) = std::sync::mpsc::channel();
    let running = serving(streaming(), move |request: Request<RequestBody>| {
        let told = told.clone();
        async move {
            let mut body = request.into_body();
            told.send((body.size_hint().exact(), body.is_end_stream())).expect("the test listens");
            while let Some(frame) = next_data(&mut body).await {
                frame.expect("it comes");
                told.send((body.size_hint().exact(), body.is_end_stream())).expect("the test listens");
            }
            Ok(Response::new(String::new()))
        }
    });
    let next = || seen.recv_timeout(anthill_tests::PATIENCE).expect("a look at the body");
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    assert_eq!(next(), (Some(9), false));
    client.send("ants");
    assert_eq!(next(), (Some(5), false));
    client.send(" walk");
    assert_eq!(next(), (Some(0), true));
    assert_eq!(client.response().status, 200);
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(next(), (None, false));
    client.send("4\r\nants\r\n");
    assert_eq!(next(), (None, false));
    client.send("0\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

#[test]
fn utl_04_a_body_may_be_read_by_another_thread() {
    let running = serving(streaming(), |request: Request<RequestBody>| async move {
        let (done, read) = tokio::sync::oneshot::channel();
        thread::spawn(move || done.send(block_on(collect(request.into_body()))));
        let (bytes, trailers): (Vec<u8>, HeaderMap) = read.await.expect("the thread").expect("a whole body");
        assert!(trailers.is_empty());
        Ok(Response::new(format!("{} bytes", bytes.len())))
    });
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    client.send(vec![b'x'; 50_000]);
    client.send(vec![b'x'; 50_000]);
    assert_eq!(client.response().text(), "100000 bytes");
}

#[test]
fn utl_04_a_body_that_is_cut_off_is_an_error_never_a_short_body() {
    let (told, outcome) = std::sync::mpsc::channel();
    let running = serving(streaming(), move |request: Request<RequestBody>| {
        let told = told.clone();
        async move {
            let read = collect(request.into_body()).await.map_err(|error| error.kind());
            told.send(read.map(|(bytes, _)| bytes)).expect("the test listens");
            Ok(Response::new(String::new()))
        }
    });
    for request in [
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nants",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nants\r\n",
    ] {
        let mut client = running.client();
        client.send(request);
        client.finish_sending();
        let read = outcome.recv_timeout(anthill_tests::PATIENCE).expect("the body ends");
        assert_eq!(read, Err(io::ErrorKind::UnexpectedEof), "{request:?}");
    }
}

#[test]
fn utl_04_a_body_ends_with_its_request() {
    let (told, outcome) = std::sync::mpsc::channel();
    let gate = TaskGate::default();
    let wait = gate.clone();
    let running = serving(streaming(), move |request: Request<RequestBody>| {
        let (told, gate) = (told.clone(), wait.clone());
        let mut body = request.into_body();
        async move {
            let first = next_data(&mut body).await.expect("a frame").expect("that can be read");
            assert_eq!(&first[..], b"ants");
            // It is kept behind the response, by somebody who goes on reading.
            thread::spawn(move || {
                let rest = block_on(async move {
                    gate.pass().await;
                    poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await
                });
                told.send(rest.map(|rest| rest.map(drop).map_err(|error| error.kind())))
            });
            Ok(Response::new("early".to_owned()))
        }
    });
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nants");
    assert_eq!(client.response().text(), "early");
    gate.open();
    let rest = outcome.recv_timeout(anthill_tests::PATIENCE).expect("reading ends");
    assert_eq!(rest, Some(Err(io::ErrorKind::ConnectionAborted)));
}

#[test]
fn utl_04_a_client_is_asked_for_its_body_when_the_service_wants_it() {
    let running = serving(streaming(), |request: Request<RequestBody>| async move {
        if request.uri().path() == "/refuses" {
            return Ok(Response::builder().status(403).body("no".to_owned()).expect("a response"));
        }
        let (bytes, _) = collect(request.into_body()).await.expect("a whole body");
        Ok(Response::new(format!("{} bytes", bytes.len())))
    });
    let asking = |target| {
        format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut client = running.client();
    client.send(asking("/"));
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("ants");
    assert_eq!(client.response().text(), "4 bytes");
    client.send(asking("/refuses"));
    assert_eq!(client.response().status, 403, "without having been asked");
}
