//! Request bodies that are read while they arrive: rows `STR-01` to `STR-05`.
//!
//! The idea: the client decides how much of a body there is, the handler how much of it is read, and the server has to
//! know at every moment where on the connection it is. So each test looks at what is behind the body as well. The rule:
//! whatever both ways of serving a connection can do is shown for both.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anthill_http::RequestCtx;
use anthill_tests::client::{Client, SOCKET_LIMIT, get, hears};
use anthill_tests::drivers::{on_both, on_both_within};
use anthill_tests::notes::Notes;
use anthill_tests::server::Running;
use anthill_tests::uploads::{
    assert_goes_on, chunked, echo, head, or_next, pattern, read_by, sized, streaming, told, upload,
};
use anthill_tests::wire::{Script, served};
use anthill_tests::{background, eventually, planned_panic};
use proptest::prelude::*;

/// What is thrown away at most of a body that no handler wants.
const THROWN_AWAY: usize = 256 * 1024;

#[test]
fn str_01_the_handler_starts_before_the_body_is_complete() {
    let notes = Notes::default();
    let says = notes.clone();
    let handler = or_next(move |ctx| {
        let mut part = [0; 5];
        let known =
            (ctx.request.is_body_complete(), ctx.request.content_length(), ctx.body_reader().remaining());
        ctx.body_reader().read_exact(&mut part).unwrap();
        says.add(format!("{known:?} {}", String::from_utf8_lossy(&part)));
        let rest = ctx.read_body().unwrap().to_vec();
        assert!(ctx.request.is_body_complete());
        ctx.set_body(rest);
    });
    on_both(streaming(), handler, |driven| {
        let mut client = driven.client();
        client.send(sized("/", 10) + "part1");
        assert_eq!(notes.take(1), ["(false, Some(10), Some(10)) part1"]);
        client.send("part2");
        assert_eq!(client.response().text(), "part2");
        assert_goes_on(&mut client);
        client.send(head("/", "Transfer-Encoding: chunked") + "5\r\npart1\r\n");
        assert_eq!(notes.take(1), ["(false, None, None) part1"]);
        client.send("5\r\npart2\r\n0\r\n\r\n");
        assert_eq!(client.response().text(), "part2");
        assert_goes_on(&mut client);
        // Nothing of the body has come yet.
        client.send(sized("/", 10));
        eventually("the handler waits", || driven.handled() == 5);
        client.send("part1");
        assert_eq!(notes.take(1), ["(false, Some(10), Some(10)) part1"]);
        client.send("part2");
        assert_eq!(client.response().text(), "part2");
        assert_goes_on(&mut client);
    });
}

#[test]
fn str_01_a_sender_that_stops_is_a_read_error_at_the_timeout() {
    let limit = Duration::from_millis(300);
    let handler = |ctx: &mut RequestCtx| {
        let is_collected = ctx.path() == "/collected";
        let first = match ctx.path() {
            "/collected" => ctx.read_body().map(<[u8]>::len).unwrap_err(),
            _ => read_by(ctx, 8 * 1024).unwrap_err(),
        };
        let again = match is_collected {
            true => ctx.read_body().map(<[u8]>::len).unwrap_err(),
            false => ctx.body_reader().read(&mut [0; 10]).unwrap_err(),
        };
        ctx.set_body(format!("{}, {}", told(&first), told(&again)));
    };
    on_both_within(limit, streaming(), handler, |driven| {
        for request in [
            sized("/", 10) + "part1",
            sized("/", 10),
            sized("/collected", 10) + "part1",
            head("/", "Transfer-Encoding: chunked") + "5\r\npart1\r\n",
            head("/", "Transfer-Encoding: chunked") + "5\r\npart1\r\n5",
        ] {
            let begun = Instant::now();
            let mut client = driven.client();
            client.send(&request);
            let reply = client.response();
            assert!(begun.elapsed() >= limit, "after {:?}", begun.elapsed());
            assert_eq!(reply.text(), "TimedOut Some(Timeout), TimedOut Some(Timeout)", "{request:?}");
            assert!(reply.closes(), "{request:?}");
            client.expect_end();
        }
    });
}

#[test]
fn str_02_a_reader_is_not_bound_by_the_limit() {
    let handler = or_next(|ctx| {
        let length = ctx.request.content_length();
        if ctx.path() == "/refuse" && length.is_some_and(|length| length > 1000) {
            ctx.error("too large for us", 413);
            return;
        }
        if ctx.path() == "/collect" {
            let found = match ctx.read_body() {
                Ok(body) => body.len().to_string(),
                Err(error) => told(&error),
            };
            ctx.set_body(found);
            return;
        }
        let body = read_by(ctx, 10_000).unwrap();
        assert!(body == pattern(body.len()));
        ctx.set_body(format!("{length:?} {}", body.len()));
    });
    on_both(streaming().max_request_body_size(1000), handler, |driven| {
        let mut client = driven.client();
        let body = pattern(1 << 20);
        client.send(upload("/", &body));
        assert_eq!(client.response().text(), "Some(1048576) 1048576");
        client.send(chunked("/", &body, 5000));
        assert_eq!(client.response().text(), "None 1048576");
        assert_goes_on(&mut client);
        for (length, found) in [(999, "999"), (1000, "1000"), (1001, "InvalidData Some(BodyTooLarge)")] {
            for request in [upload("/collect", &body[..length]), chunked("/collect", &body[..length], 300)] {
                client.send(request);
                let reply = client.response();
                assert_eq!((reply.text(), reply.closes()), (found, false));
                // What it was too large for is thrown away.
                assert_goes_on(&mut client);
            }
        }
        // Refused at its head, before any of it was sent.
        client.send(sized("/refuse", 1 << 40));
        let reply = client.response();
        assert_eq!((reply.status, reply.text(), reply.closes()), (413, "too large for us", true));
        client.expect_end();
    });
}

#[test]
fn str_03_chunks_of_all_sizes_and_trailers() {
    on_both(streaming(), echo, |driven| {
        let mut client = driven.client();
        let body = pattern(128 * 1024);
        let mut request = head("/before", "Transfer-Encoding: chunked").into_bytes();
        let (mut rest, mut size) = (&body[..], 1);
        while !rest.is_empty() {
            let (chunk, behind) = rest.split_at(size.min(rest.len()));
            request.extend(format!("{:x};x=y\r\n", chunk.len()).into_bytes());
            request.extend(chunk);
            request.extend(b"\r\n");
            (rest, size) = (behind, size * 3 / 2 + 1);
        }
        request.extend(b"0\r\nX-Sum: 7\r\n\r\n");
        // Sent while the response is read, since an echo may begin before the end.
        for _ in 0..3 {
            client.send(&request);
            let reply = client.response();
            assert!(reply.body == body);
            assert_eq!(reply.field("X-Trailers"), Some("0 then Some([55])"), "only behind the body");
            assert_eq!(reply.field("X-Left"), Some("Some(0)"));
        }
        assert_goes_on(&mut client);
    });
}

#[test]
fn str_03_pipelined_uploads_do_not_mix() {
    on_both(streaming(), echo, |driven| {
        let mut client = driven.client();
        for room in [1000, 4096, 100_000] {
            for length in [1, 4095, 4096, 4097, 16 * 1024, 70_000] {
                let (first, second) = (vec![b'1'; length], vec![b'2'; length]);
                let target = format!("/?{room}");
                for requests in [
                    [upload(&target, &first), upload(&target, &second)],
                    [chunked(&target, &first, 1000), chunked(&target, &second, 1000)],
                    [chunked(&target, &first, 70_000), upload(&target, &second)],
                    [upload(&target, &first), chunked(&target, &second, 7000)],
                ] {
                    client.send(requests.concat());
                    assert!(client.response().body == first, "{length} bytes by {room}");
                    assert!(client.response().body == second, "{length} bytes by {room}");
                }
            }
        }
        assert_goes_on(&mut client);
    });
}

#[test]
fn str_03_a_body_that_came_with_its_head() {
    let server = streaming()
        .build(|ctx| {
            let known = (ctx.request.is_body_complete(), ctx.body_reader().remaining(), ctx.body().len());
            let trailer = ctx.request.trailers().contains("X-Sum");
            let read = read_by(ctx, 3).unwrap();
            ctx.set_body(format!("{known:?} {trailer} {} {}", read.len(), ctx.body().len()));
        })
        .unwrap();
    let requests = [upload("/", b"hello"), chunked("/", b"hello", 2), get("/").into_bytes()].concat();
    let written = served(&server, Script::new(requests));
    let bodies: Vec<&str> =
        written.split("\r\n\r\n").skip(1).map(|text| text.split("HTTP").next().unwrap()).collect();
    assert_eq!(
        bodies,
        ["(true, Some(5), 5) false 5 0", "(true, Some(5), 5) true 5 0", "(true, Some(0), 0) false 0 0"]
    );
}

#[test]
fn str_03_however_the_bytes_are_cut() {
    let server = streaming().build(echo).unwrap();
    for room in [1, 4, 4096] {
        let target = format!("/?{room}");
        let extended = head(&target, "Transfer-Encoding: chunked")
            + "3;a=\"b\"\r\nabc\r\n10 \r\n0123456789abcdef\r\n000\r\nX-Sum: 7\r\nB: c\r\n\r\n";
        let requests = [
            chunked(&target, b"hello, world", 5),
            upload(&target, b"GET /never HTTP/1.1\r\n\r\n"),
            extended.into_bytes(),
            get("/behind").into_bytes(),
            upload(&target, b"last"),
        ]
        .concat();
        let whole = served(&server, Script::new(&requests));
        assert_eq!(whole.matches("HTTP/1.1 200 OK").count(), 5, "{whole}");
        assert!(whole.contains("\r\n\r\nabc0123456789abcdefHTTP/1.1 "), "{whole}");
        assert!(whole.ends_with("\r\n\r\nlast"), "{whole}");
        for cut in 1..requests.len() {
            let pieces = served(&server, Script::new(&requests).cut_at([cut]));
            assert_eq!(pieces, whole, "cut at {cut}, read by {room}");
        }
        let bytes = served(&server, Script::new(&requests).cut_at(1..requests.len()));
        assert_eq!(bytes, whole, "byte by byte, read by {room}");
    }
}

/// Ways in which a handler leaves a body behind, by path.
fn leave(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/half" => {
            let half = ctx.request.content_length().unwrap_or(1000) / 2;
            let mut half = vec![0; usize::try_from(half).unwrap()];
            ctx.body_reader().read_exact(&mut half).unwrap();
            assert!(half == pattern(half.len()));
        }
        "/panic" => {
            ctx.body_reader().read_exact(&mut [0; 10]).unwrap();
            planned_panic();
        }
        "/replace" => {
            ctx.request.set_body("new");
            assert!(ctx.request.is_body_complete());
            assert_eq!(ctx.body_reader().remaining(), Some(3));
            for room in [1, 2, 8 * 1024] {
                ctx.request.set_body("new");
                assert_eq!(read_by(ctx, room).unwrap(), b"new", "and nothing that was received");
            }
        }
        "/copy" => {
            let copy = ctx.request.clone();
            assert!(copy.is_body_complete());
            let mut other = RequestCtx::for_request(copy, None);
            let arrived = read_by(&mut other, 100).unwrap();
            assert!(arrived == pattern(arrived.len()), "what has arrived, and then the end");
            ctx.body_reader().read_exact(&mut [0; 10]).unwrap();
        }
        "/take" => {
            let request =
                std::mem::replace(&mut ctx.request, anthill_http::Request::new("GET", "/").unwrap());
            assert_eq!(ctx.body_reader().read(&mut [0; 10]).unwrap(), 0);
            ctx.request = request;
            ctx.body_reader().read_exact(&mut [0; 10]).unwrap();
        }
        _ => {}
    }
    if ctx.path() == "/never" {
        ctx.set_status_code(599);
    }
}

const WAYS_TO_LEAVE: &[&str] = &["/ignore", "/half", "/panic", "/replace", "/copy", "/take"];

#[test]
fn str_04_what_is_left_of_a_small_body_is_thrown_away() {
    on_both(streaming(), or_next(leave), |driven| {
        let mut client = driven.client();
        for way in WAYS_TO_LEAVE {
            for request in [
                upload(way, &pattern(1000)),
                upload(way, &pattern(20_000)),
                upload(way, &pattern(THROWN_AWAY)),
                chunked(way, &pattern(1000), 999),
                chunked(way, &pattern(100_000), 40_000),
            ] {
                client.send([&request, get("/next").as_bytes()].concat());
                let reply = client.response();
                let status = if *way == "/panic" { 500 } else { 200 };
                assert_eq!((reply.status, reply.closes()), (status, false), "{way} {}", request.len());
                assert_eq!(client.response().status, 200, "{way} {}", request.len());
            }
        }
        // A body that comes only when it was answered.
        client.send(sized("/ignore", 1000));
        assert_eq!(client.response().status, 200);
        client.send(pattern(1000));
        assert_goes_on(&mut client);
        if driven.is_engine() {
            assert_eq!(driven.running().server().stats().panics, 5, "one for each request, and no other");
        }
    });
}

#[test]
fn str_04_nothing_in_an_unread_body_is_taken_for_a_request() {
    let never = get("/never").repeat((1 << 20) / get("/never").len());
    let notes = Notes::default();
    let says = notes.clone();
    let handler = move |ctx: &mut RequestCtx| {
        says.add(ctx.path());
        if ctx.path() == "/half" {
            ctx.body_reader().read_exact(&mut [0; 300]).unwrap();
        }
    };
    on_both(streaming(), handler, |driven| {
        for way in ["/ignore", "/half"] {
            for (request, announced) in
                [(upload(way, never.as_bytes()), true), (chunked(way, never.as_bytes(), 1000), false)]
            {
                let mut client = driven.client();
                // The engine lets even a client that sends all of it before it reads have its response.
                let sent = client.try_send([&request, get("/next").as_bytes()].concat());
                if driven.is_engine() {
                    sent.expect("everything is taken");
                }
                if let Ok(reply) = client.try_response() {
                    assert_eq!((reply.status, reply.closes()), (200, announced), "{way}");
                } else {
                    assert!(!driven.is_engine(), "{way}: no response");
                }
                assert!(client.is_ended_within(SOCKET_LIMIT));
                assert_eq!(notes.take(1), [way]);
            }
        }
    });
}

#[test]
fn str_04_a_byte_above_the_bound_ends_the_connection() {
    let handler = |ctx: &mut RequestCtx| ctx.response.set_body_writer(|out| out.write_all(b"body"));
    on_both(streaming(), handler, |driven| {
        let large = sized("/", THROWN_AWAY + 1);
        let mut client = driven.client();
        client.send(&large);
        // What writes a response might go on reading, so it cannot be announced.
        assert_eq!(client.response().text(), "body");
        client.expect_end();
        let mut client = driven.client();
        client.send(large.replace("POST", "HEAD"));
        assert!(client.response_to_head().closes());
        client.expect_end();
    });
    on_both(
        streaming(),
        |_| {},
        |driven| {
            let mut client = driven.client();
            client.send(sized("/", THROWN_AWAY + 1));
            assert!(client.response().closes());
            client.expect_end();
        },
    );
}

#[test]
fn an_early_answer_reaches_a_client_that_goes_on_sending() {
    let running = Running::with(streaming(), |ctx| ctx.response.set_body_vec(vec![b'x'; 1 << 20]));
    let close = "Content-Length: 200000\r\nConnection: close";
    for (framing, length, handled) in [("Content-Length: 900000", 900_000, 1), (close, 200_000, 2)] {
        let mut client = running.client();
        client.send(head("/", framing));
        eventually("it is answered", || running.handled() == handled);
        for piece in pattern(length).chunks(50_000) {
            if client.try_send(piece).is_err() {
                break;
            }
        }
        let reply = client.response();
        assert_eq!((reply.body.len(), reply.closes()), (1 << 20, true), "{framing}");
    }
    running.reaches("all are gone", |stats| stats.open_connections == 0);
}

#[test]
fn what_is_missing_of_an_unread_body_is_waited_for_silently() {
    let limit = Duration::from_millis(300);
    on_both_within(
        limit,
        streaming(),
        |_| {},
        |driven| {
            let mut client = driven.client();
            client.send(sized("/", 1000) + "abc");
            assert!(!client.response().closes());
            // No response to a request that there never was.
            client.expect_end();
            if let Some(ended) = driven.end() {
                assert!(ended.unwrap_err().is_timeout());
            }
            assert_eq!(driven.running().server().stats().rejections.timed_out, 0);
            let mut client = driven.client();
            client.send(sized("/", 1000) + "abc");
            assert!(!client.response().closes());
            client.finish_sending();
            client.expect_end();
            let mut client = driven.client();
            client.send(head("/", "Transfer-Encoding: chunked") + "5\r\n");
            assert!(!client.response().closes());
            client.send("helloworld");
            client.expect_end();
            assert_eq!(driven.running().server().stats().rejections.malformed, 0);
        },
    );
}

#[test]
fn str_05_a_truncated_body_is_an_error_and_no_end() {
    on_both(streaming(), echo, |driven| {
        for request in [
            sized("/?3", 10) + "part1",
            sized("/?8000", 10) + "part1",
            sized("/", 10),
            sized("/", 1_000_000) + &"x".repeat(999_999),
            head("/", "Transfer-Encoding: chunked"),
            head("/", "Transfer-Encoding: chunked") + "5\r\nhel",
            head("/", "Transfer-Encoding: chunked") + "5\r\nhello\r\n",
            head("/", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n",
            head("/", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\nX-Sum: 7\r\n",
        ] {
            let mut client = driven.client();
            client.send(&request);
            client.finish_sending();
            let reply = client.response();
            assert_eq!(reply.text(), "UnexpectedEof Some(UnexpectedEnd)");
            assert_eq!(reply.field("X-Trailers"), Some("None"));
            assert!(reply.closes());
            client.expect_end();
        }
    });
}

#[test]
fn str_05_wherever_it_is_truncated() {
    let notes = Notes::default();
    let says = notes.clone();
    let server = streaming()
        .build(move |ctx| {
            let read = read_by(ctx, 4096);
            let again = read_by(ctx, 4096);
            assert_eq!(read.is_ok(), again.is_ok(), "an error stays");
            says.add(read.map_or_else(|error| told(&error), |body| format!("{} bytes", body.len())));
        })
        .unwrap();
    for (request, head_length) in [
        (upload("/", b"hello"), sized("/", 5).len()),
        (chunked("/", b"hello", 2), head("/", "Transfer-Encoding: chunked").len()),
    ] {
        for end in 0..=request.len() {
            for script in [
                Script::new(&request[..end]),
                Script::new(&request[..end]).cut_at([head_length]),
                Script::new(&request[..end]).cut_at(1..end),
            ] {
                served(&server, script);
                let found = notes.take(0);
                if end < head_length {
                    assert!(found.is_empty(), "{end}: {found:?}");
                } else if end < request.len() {
                    assert_eq!(found, ["UnexpectedEof Some(UnexpectedEnd)"], "{end}");
                } else {
                    assert_eq!(found, ["5 bytes"]);
                }
            }
        }
    }
}

#[test]
fn a_malformed_body_is_an_error_with_its_reason() {
    on_both(streaming(), echo, |driven| {
        for (body, reason, handled) in [
            ("x\r\n", "BadChunk", 1),
            ("5\r\nhelloworld", "BadChunk", 2),
            ("0\r\nHost: h\r\n\r\n", "BadTrailer", 3),
        ] {
            let mut client = driven.client();
            client.send(head("/", "Transfer-Encoding: chunked") + "2\r\nok\r\n");
            // What is malformed from the start need not reach a handler.
            eventually("the handler waits", || driven.handled() == handled);
            client.send(body.to_owned() + &get("/never"));
            let reply = client.response();
            assert_eq!(reply.text(), format!("InvalidData Some({reason})"), "{body:?}");
            assert!(reply.closes());
            assert!(client.is_ended_within(SOCKET_LIMIT));
        }
        assert_eq!(driven.handled(), 3);
    });
}

#[test]
fn a_client_that_goes_away_in_the_middle() {
    let notes = Notes::default();
    let says = notes.clone();
    let handler = move |ctx: &mut RequestCtx| {
        says.add("begun");
        says.add(told(&ctx.read_body().unwrap_err()));
    };
    on_both(streaming(), handler, |driven| {
        for request in [sized("/", 10) + "part1", head("/", "Transfer-Encoding: chunked") + "5\r\npart1\r\n"]
        {
            let mut client = driven.client();
            client.send(request);
            assert_eq!(notes.take(1), ["begun"]);
            drop(client);
            assert_eq!(notes.take(1), ["UnexpectedEof Some(UnexpectedEnd)"]);
            driven.end();
        }
    });
}

#[test]
fn a_body_can_be_read_and_a_response_be_written_at_the_same_time() {
    let handler = or_next(|ctx| {
        ctx.response.set_body_writer(|out| {
            let mut piece = [0; 4096];
            loop {
                let count = out.body_reader().read(&mut piece)?;
                if count == 0 {
                    let sum = out.request().trailers().get("X-Sum").map(<[u8]>::to_vec);
                    return out.write_all(format!("{sum:?}").as_bytes());
                }
                out.write_all(&piece[..count])?;
                out.flush()?;
            }
        });
    });
    on_both(streaming(), handler, |driven| {
        let mut client = driven.client();
        for _ in 0..2 {
            client.send(head("/", "Transfer-Encoding: chunked"));
            for round in 0..5 {
                client.send(format!("6\r\npart {round}\r\n"));
                if round == 0 {
                    hears(
                        &client,
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n",
                    );
                }
                hears(&client, &format!("6\r\npart {round}\r\n"));
            }
            client.send("0\r\nX-Sum: 7\r\n\r\n");
            hears(&client, "a\r\nSome([55])\r\n0\r\n\r\n");
            assert_goes_on(&mut client);
        }
        // More than all buffers hold, so that both have to go on together.
        let sending = client.stream().try_clone().unwrap();
        let sender = background(move || Client::over(sending).send(upload("/", &pattern(8 << 20))));
        let reply = client.response();
        sender.outcome("sending");
        assert!(reply.body.starts_with(&pattern(8 << 20)) && reply.body.ends_with(b"None"));
        assert_goes_on(&mut client);
        // The client does not keep its word.
        client.send(sized("/", 10) + "part1");
        client.finish_sending();
        assert!(client.try_response().is_err(), "the response breaks off");
        assert!(client.is_ended_within(SOCKET_LIMIT));
        if let Some(ended) = driven.end() {
            assert!(ended.unwrap_err().is_body());
        }
    });
}

/// One request of a property test.
#[derive(Clone, Debug)]
struct Upload {
    body: Vec<u8>,
    chunk: Option<usize>,
    room: usize,
}

fn uploads() -> impl Strategy<Value = Vec<Upload>> {
    let body = prop_oneof![prop::collection::vec(any::<u8>(), 0..40), (0usize..20_000).prop_map(pattern),];
    let room = prop_oneof![1usize..10, Just(4095), Just(4096), Just(70_000)];
    let upload = (body, prop::option::of(1usize..6000), room).prop_map(|(body, chunk, room)| Upload {
        body,
        chunk,
        room,
    });
    prop::collection::vec(upload, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// What was sent is what is read, whatever the framing, the cuts and the reads.
    #[test]
    fn what_was_sent_is_read(uploads in uploads(), cuts in prop::collection::vec(0.0..1.0f64, 0..12)) {
        let found = Arc::new(Mutex::new(Vec::new()));
        let place = found.clone();
        let server = streaming().build(move |ctx| {
            let room = String::from_utf8_lossy(ctx.request.query()).parse().unwrap();
            place.lock().unwrap().push(read_by(ctx, room).unwrap());
        }).unwrap();
        let requests: Vec<u8> = uploads.iter().flat_map(|Upload { body, chunk, room }| {
            let target = format!("/?{room}");
            chunk.map_or_else(|| upload(&target, body), |size| chunked(&target, body, size))
        }).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|place| (place * requests.len() as f64) as usize).collect();
        cuts.sort_unstable();
        cuts.retain(|cut| *cut > 0);
        served(&server, Script::new(&requests).cut_at(cuts));
        let sent: Vec<Vec<u8>> = uploads.into_iter().map(|upload| upload.body).collect();
        prop_assert!(*found.lock().unwrap() == sent);
    }
}
