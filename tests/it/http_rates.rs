//! Clients that send or take too little to be waited for: rows `TMO-02`, `TMO-04` and `STR-01`.
//!
//! The idea: no other limit is in force, so a connection that ends has been ended by the rate. What is sent in time of
//! nobody's waiting must not be cut off, however long that takes. The rule of the defaults, a minute and a half at
//! most, is shown where time can be moved on, beside the clocks of connections.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anthill_http::{MinRate, RequestConfig, RequestCtx, ServerBuilder};
use anthill_tests::body_sources::Tally;
use anthill_tests::client::{Client, SOCKET_LIMIT, get};
use anthill_tests::drivers::{Driven, on_both, on_both_within};
use anthill_tests::files::{LARGE, sparse};
use anthill_tests::notes::Notes;
use anthill_tests::server::{Running, plain};
use anthill_tests::uploads::{head, pattern, streaming, told, upload};
use anthill_tests::{PATIENCE, background, eventually};

/// What has to come, and how long a client may fall behind.
const RATE: MinRate = MinRate::new(2000, Duration::from_millis(300));

/// A body that begins so, and goes on by the same piece again and again.
struct Trickle {
    framing: &'static str,
    begin: &'static str,
    piece: &'static str,
}

const LENGTH: &str = "Content-Length: 100000";
const CHUNKED: &str = "Transfer-Encoding: chunked";
const TRICKLES: [Trickle; 6] = [
    Trickle { framing: LENGTH, begin: "", piece: "a" },
    Trickle { framing: CHUNKED, begin: "186a0\r\n", piece: "a" },
    Trickle { framing: CHUNKED, begin: "", piece: "1\r\na\r\n" },
    Trickle { framing: CHUNKED, begin: "3;a", piece: "a" },
    Trickle { framing: CHUNKED, begin: "3\r\nabc\r\n0\r\nX-Sum: 7", piece: "7" },
    Trickle { framing: CHUNKED, begin: "", piece: "0" },
];

/// Options with no limit but the rate.
fn only_rate(options: ServerBuilder) -> ServerBuilder {
    let options = options.read_timeout(None).read_header_timeout(None).idle_timeout(None).write_timeout(None);
    options.min_body_rate(RATE).min_response_rate(RATE)
}

impl Trickle {
    /// Sends the body piece by piece until the server says something, or has closed.
    fn send(&self, client: &mut Client) {
        client.send(self.begin);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if client.try_send(self.piece).is_err() || !client.hears_nothing_for(Duration::from_millis(20)) {
                return;
            }
        }
        panic!("{}, {:?}, then {:?} without end", self.framing, self.begin, self.piece);
    }
}

/// Asserts that a request is answered 408, and then the connection ends.
#[track_caller]
fn assert_timed_out(client: &mut Client) {
    let reply = client.response();
    assert_eq!((reply.status, reply.closes()), (408, true), "{reply:?}");
    assert!(client.is_ended_within(PATIENCE), "it stays open");
}

/// Asserts of each way to trickle that the body is given up.
fn assert_each_is_refused(driven: &Driven) {
    for trickle in &TRICKLES {
        let mut client = driven.client();
        client.send(head("/", trickle.framing));
        trickle.send(&mut client);
        assert_timed_out(&mut client);
        driven.end();
    }
}

#[test]
fn engine_f4_a_body_that_trickles_while_it_is_collected() {
    on_both(only_rate(plain()), |_| {}, assert_each_is_refused);
}

/// Reads the body, and answers as its failure is to be answered.
fn read_all(notes: &Notes) -> impl Fn(&mut RequestCtx) + Clone + use<> {
    let notes = notes.clone();
    move |ctx| {
        let mut room = [0; 100];
        loop {
            match ctx.body_reader().read(&mut room) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    notes.add(told(&error));
                    return ctx.error("too slow", 408);
                }
            }
        }
    }
}

#[test]
fn engine_f4_a_body_that_trickles_while_a_handler_reads_it() {
    let notes = Notes::default();
    on_both(only_rate(streaming()), read_all(&notes), |driven| {
        for trickle in &TRICKLES {
            let mut client = driven.client();
            client.send(head("/", trickle.framing));
            trickle.send(&mut client);
            assert_timed_out(&mut client);
            assert_eq!(notes.take(1), ["TimedOut Some(Timeout)"]);
        }
    });
}

#[test]
fn engine_f4_a_body_that_trickles_while_a_handler_waits_for_all_of_it() {
    let notes = Notes::default();
    let noting = notes.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let read = ctx.read_body().map(<[u8]>::len);
        noting.add(read.map_or_else(|error| told(&error), |length| length.to_string()));
        ctx.set_body("whatever");
    };
    on_both(only_rate(streaming()), handler, |driven| {
        for trickle in &TRICKLES {
            let mut client = driven.client();
            client.send(head("/", trickle.framing));
            trickle.send(&mut client);
            assert!(client.is_ended_within(PATIENCE));
            assert_eq!(notes.take(1), ["TimedOut Some(Timeout)"]);
        }
    });
}

#[test]
fn engine_f4_a_body_that_trickles_although_nobody_wants_it() {
    on_both(
        only_rate(streaming()),
        |_| {},
        |driven| {
            for trickle in &TRICKLES {
                let mut client = driven.client();
                client.send(head("/", trickle.framing));
                assert_eq!(client.response().status, 200);
                trickle.send(&mut client);
                assert!(client.is_ended_within(PATIENCE), "{}, {:?}", trickle.framing, trickle.piece);
                driven.end();
            }
        },
    );
}

#[test]
fn engine_f4_a_body_that_was_asked_for_and_trickles() {
    let notes = Notes::default();
    let deciding = |options: ServerBuilder| {
        let deciding = options.clone().header_received(|_| RequestConfig::new());
        [options.clone(), options.clone().expect_handler(|_| 100), deciding]
    };
    for options in [plain(), streaming()].into_iter().flat_map(|options| deciding(only_rate(options))) {
        on_both(options, read_all(&notes), |driven| {
            for trickle in [&TRICKLES[0], &TRICKLES[3]] {
                let mut client = driven.client();
                client.send(head("/", &format!("Expect: 100-continue\r\n{}", trickle.framing)));
                assert_eq!(client.response().status, 100);
                trickle.send(&mut client);
                assert_timed_out(&mut client);
            }
        });
    }
}

#[test]
fn engine_f4_a_body_that_stops() {
    let notes = Notes::default();
    for (options, streams) in [(plain(), false), (streaming(), true)] {
        let running = Running::with(only_rate(options), read_all(&notes));
        for trickle in &TRICKLES {
            for expects in ["", "Expect: 100-continue\r\n"] {
                let mut client = running.client();
                client.send(head("/", &format!("{expects}{}", trickle.framing)));
                if !expects.is_empty() {
                    assert_eq!(client.response().status, 100);
                }
                client.send(trickle.begin);
                assert_timed_out(&mut client);
                if streams {
                    assert_eq!(notes.take(1), ["TimedOut Some(Timeout)"]);
                }
            }
        }
    }
}

#[test]
fn engine_f4_a_body_that_stops_although_nobody_wants_it() {
    let running = Running::with(only_rate(streaming()), |_| {});
    for trickle in &TRICKLES {
        let mut client = running.client();
        client.send(head("/", trickle.framing) + trickle.begin);
        assert_eq!(client.response().status, 200);
        assert!(client.is_ended_within(PATIENCE), "{}, {:?}", trickle.framing, trickle.begin);
    }
}

#[test]
fn engine_f4_a_slow_handler_cuts_no_upload_off() {
    // All of it is in the system's buffers, and the handler takes four times the grace to read it.
    let body = pattern(40_000);
    let expected = body.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let mut read = Vec::new();
        for piece in 0..4 {
            thread::sleep(RATE.grace());
            let most = if piece == 3 { u64::MAX } else { 10_000 };
            if let Err(error) = ctx.body_reader().take(most).read_to_end(&mut read) {
                return ctx.error(told(&error), 400);
            }
        }
        assert!(read == expected, "another body");
        ctx.set_body("all");
    };
    on_both(only_rate(streaming()), handler, |driven| {
        let mut client = driven.client();
        for _ in 0..2 {
            assert_eq!(client.exchange(upload("/", &body)).text(), "all");
        }
    });
}

#[test]
fn engine_f4_one_request_may_have_a_rate_of_its_own() {
    let options = only_rate(streaming()).header_received(|request| match request.path() {
        "/talk" => RequestConfig::new().min_body_rate(None).min_response_rate(None),
        _ => RequestConfig::new(),
    });
    let notes = Notes::default();
    on_both(options, read_all(&notes), |driven| {
        let mut client = driven.client();
        client.send(head("/talk", "Content-Length: 3"));
        for byte in ["a", "b", "c"] {
            assert!(client.hears_nothing_for(RATE.grace() * 2));
            client.send(byte);
        }
        assert_eq!(client.response().status, 200);
        client.send(head("/", LENGTH));
        TRICKLES[0].send(&mut client);
        assert_timed_out(&mut client);
    });
}

/// Takes a little of what `client` is sent now and then, until told to stop or there is no more.
fn sip(client: &Client, stop: &Arc<AtomicBool>) -> anthill_tests::Background<()> {
    let (mut stream, stop) = (client.stream().try_clone().expect("a descriptor"), stop.clone());
    background(move || {
        let mut room = vec![0; 20_000];
        while !stop.load(Ordering::SeqCst) && matches!(stream.read(&mut room), Ok(1..)) {
            thread::sleep(Duration::from_millis(20));
        }
    })
}

#[test]
fn engine_f4_a_client_that_takes_little_is_given_up() {
    let tally = Tally::default();
    let same = tally.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let source = same.source(std::io::repeat(b'x'));
        match ctx.path() {
            "/reader" => ctx.response.set_body_reader(source),
            "/file" => ctx.response.set_body_file(sparse(LARGE)).expect("a file"),
            "/whole" => ctx.response.set_body_vec(vec![b'x'; 64 << 20]),
            _ => ctx.response.set_body_writer(move |out| {
                source.touch();
                loop {
                    out.write_all(&[b'x'; 10_000])?;
                }
            }),
        }
    };
    // Far more than is taken, which is enough for any timeout.
    let options =
        only_rate(plain()).min_response_rate(MinRate::new(1_000_000_000, Duration::from_millis(300)));
    on_both_within(Duration::from_secs(2), options, handler, |driven| {
        for target in ["/reader", "/file", "/writer", "/whole"] {
            let (stop, handled) = (Arc::new(AtomicBool::new(false)), driven.handled());
            let mut client = driven.client();
            client.send(get(target));
            let sipping = sip(&client, &stop);
            eventually("it has come", || driven.handled() > handled);
            if let Some(ended) = driven.end() {
                assert!(ended.expect_err("it is not all taken").is_timeout(), "{target}");
            }
            stop.store(true, Ordering::SeqCst);
            drop(client);
            sipping.outcome("the client");
        }
    });
}

#[test]
fn engine_f4_a_client_that_takes_as_much_as_it_must_gets_all() {
    const SIZE: usize = 8 << 20;
    let handler = |ctx: &mut RequestCtx| match ctx.path() {
        "/reader" => ctx.response.set_body_reader(std::io::repeat(b'x').take(SIZE as u64)),
        _ => ctx.response.set_body_vec(vec![b'x'; SIZE]),
    };
    let options = only_rate(plain()).min_response_rate(MinRate::new(1000, SOCKET_LIMIT));
    on_both(options, handler, |driven| {
        for target in ["/reader", "/whole"] {
            let mut client = driven.client();
            client.send(get(target));
            for _ in 0..10 {
                thread::sleep(Duration::from_millis(50));
                let mut room = vec![0; 100_000];
                client.stream().read_exact(&mut room).expect("the response");
            }
            client.finish_sending();
            let rest = client.rest().expect("the end");
            assert!(rest.len() > SIZE - 1_000_000, "{}", rest.len());
        }
    });
}
