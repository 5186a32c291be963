//! However a request ends, whoever keeps records is told of it once, and nothing is left behind.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use anthill_http::events::EventHub;
use anthill_http::{
    Handler, HijackedConn, RequestConfig, RequestCtx, RequestOutcome, Server, ServerBuilder, ServerStats,
    timeout,
};
use anthill_tests::client::{Client, get};
use anthill_tests::drivers::on_both;
use anthill_tests::notes::Notes;
use anthill_tests::server::Running;
use anthill_tests::{Background, Gate, background, eventually, planned_panic};
use proptest::prelude::*;

const LIMIT: Duration = Duration::from_millis(30);

/// Says of each request its path, its status and how it ended.
fn recorded(notes: &Notes) -> ServerBuilder {
    let notes = notes.clone();
    Server::builder().on_complete(move |completed| {
        notes.add(format!("{} {} {}", completed.path(), completed.status(), completed.outcome()));
    })
}

/// Ends the connection by a reset.
fn reset(client: Client) {
    let stream = client.stream().try_clone().expect("a descriptor");
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option of every socket");
    drop(client);
}

/// A body whose client goes away is an ended request as well, whether anybody has begun to answer it or not.
#[test]
fn a_client_that_goes_in_the_middle_of_its_body_is_told_of() {
    let notes = Notes::default();
    let options = recorded(&notes).header_received(|request| match request.path() {
        "/streamed" => RequestConfig::new().stream_request_body(true),
        _ => RequestConfig::new(),
    });
    let handler = |ctx: &mut RequestCtx| {
        if ctx.read_body().is_err() {
            ctx.set_status_code(400);
        }
    };
    on_both(options, handler, |driven| {
        for path in ["/collected", "/streamed"] {
            let mut client = driven.client();
            client.send(format!(
                "PUT {path} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
            ));
            assert_eq!(client.response_to_head().status, 100);
            reset(client);
            let told = notes.take(1);
            let status = if path == "/collected" { 499 } else { 400 };
            assert_eq!(told, [format!("{path} {status} client gone")]);
        }
        let mut client = driven.client();
        client.send("PUT /half HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
        client.finish_sending();
        assert_eq!(client.response().status, 400);
        assert!(notes.take(1)[0].starts_with("/half 400 refused: "));
    });
}

/// A request that waits for a thread, and whose client gives up, is not run, and told of.
#[test]
fn a_client_that_goes_while_its_request_waits_is_told_of() {
    let (notes, gate) = (Notes::default(), Gate::new());
    let held = gate.clone();
    let options = recorded(&notes).shards(1).max_workers(1);
    let running = Running::with(options, move |_| held.pass());
    let mut clients = running.clients(20);
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(get(&format!("/held/{number}")));
    }
    let run = || running.server().requests_in_flight().len();
    running.reaches("some wait", |stats| stats.waiting_requests > 0 && stats.waiting_requests + run() == 20);
    // Whoever leaves at once has half-closed the connection.
    thread::sleep(Duration::from_millis(200));
    let waiting = running.server().stats().waiting_requests;
    drop(clients);
    running.reaches("they are given up", |stats| stats.waiting_requests == 0);
    let told = notes.take(waiting);
    assert!(told.iter().all(|line| line.ends_with(" 499 client gone")), "{told:?}");
    assert_eq!(told.len(), waiting);
    assert_eq!(running.server().stats().rejections.abandoned, waiting as u64);
    gate.open();
    assert_eq!(notes.take(20 - waiting).len(), 20 - waiting);
    assert_eq!(running.handled(), 20 - waiting);
}

/// Whose answer was sent is not given up by leaving, however long its record waits to be told.
#[test]
fn who_leaves_with_an_answer_is_not_counted_as_abandoned() {
    let (told, gate) = (Arc::new(AtomicUsize::new(0)), Gate::new());
    let (count, held) = (told.clone(), gate.clone());
    let options = Server::builder().shards(1).max_workers(1).on_complete(move |_| {
        held.pass();
        count.fetch_add(1, Ordering::SeqCst);
    });
    let running = Running::with(options, |ctx| ctx.set_body("served"));
    let mut clients = running.clients(30);
    for client in &mut clients {
        assert_eq!(client.get("/").text(), "served");
    }
    running.reaches("records wait to be told", |stats| stats.waiting_requests > 0);
    thread::sleep(Duration::from_millis(200));
    drop(clients);
    running.reaches("their clients have left", |stats| stats.waiting_requests == 0);
    gate.open();
    eventually("all are told", || told.load(Ordering::SeqCst) == 30);
    assert_eq!(running.server().stats().rejections.abandoned, 0);
}

/// Nor is it told as not sent, whoever drives by the time when its client leaves.
#[test]
fn what_was_sent_whole_is_told_as_that_whoever_drives_by_then() {
    let (notes, gate) = (Notes::default(), Gate::new());
    let [records_wait, handlers_wait] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let (told, observed, waits) = (notes.clone(), gate.clone(), records_wait.clone());
    let options = Server::builder().shards(1).max_workers(1).on_complete(move |completed| {
        if waits.load(Ordering::SeqCst) {
            observed.pass();
        }
        told.add(completed.outcome().to_string());
    });
    let (held, waits) = (gate.clone(), handlers_wait.clone());
    let running = Running::with(options, move |ctx| {
        if waits.load(Ordering::SeqCst) {
            held.pass();
        }
        ctx.set_body("served");
    });
    // Both are known to be fast, so that they run on the driver when there is no helper left.
    let routes = ["/one", "/other"];
    let mut first = running.client();
    for request in 0..400 {
        assert_eq!(first.get(routes[request % 2]).text(), "served");
    }
    records_wait.store(true, Ordering::SeqCst);
    let mut clients = running.clients(30);
    for client in &mut clients {
        assert_eq!(client.get("/one").text(), "served");
    }
    running.reaches("records wait to be told", |stats| stats.waiting_requests > 0);
    // Whoever leaves at once has half-closed the connection.
    thread::sleep(Duration::from_millis(200));
    let before = running.server().stats().revoked_leases;
    handlers_wait.store(true, Ordering::SeqCst);
    let mut held = running.clients(2);
    for (client, route) in held.iter_mut().zip(routes) {
        client.send(get(route));
    }
    running.reaches("another thread drives", |stats| stats.revoked_leases > before);
    drop(clients);
    running.reaches("their clients have left", |stats| stats.waiting_requests <= 1);
    gate.open();
    for client in &mut held {
        assert_eq!(client.response().text(), "served");
    }
    let told = notes.take(400 + 30 + 2);
    assert!(told.iter().all(|outcome| *outcome == RequestOutcome::Sent.to_string()), "{told:?}");
}

/// Of a context that is gone nothing is known but that there was one.
#[test]
fn a_request_whose_context_was_kept_is_told_of() {
    let notes = Notes::default();
    let keeps = |ctx: &mut RequestCtx| drop(std::mem::take(ctx));
    let options = recorded(&notes).expect_handler(move |ctx| {
        keeps(ctx);
        100
    });
    let options = options.error_handler(move |ctx, _| keeps(ctx));
    on_both(options, keeps, |driven| {
        for request in [
            &get("/handled"),
            "PUT /expecting HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            "GET /refused HTTP/1.1\r\n\r\n",
        ] {
            let mut client = driven.client();
            client.send(request);
            assert!(client.rest().is_ok_and(|rest| rest.is_empty()));
            assert_eq!(notes.take(1), [" 500 context kept"], "{request}");
        }
        assert_eq!(driven.running().server().stats().requests, 0, "none was answered");
    });
}

/// What was sent is not lost because what is behind it is.
#[test]
fn only_what_was_not_sent_counts_as_not_sent() {
    let notes = Notes::default();
    let running = Running::with(recorded(&notes), |ctx| {
        // Not streamed, and more than all buffers hold.
        ctx.set_body(vec![b'x'; if ctx.path() == "/large" { 64 << 20 } else { 10 }]);
    });
    let mut client = running.client();
    client.send([get("/small"), get("/large")].concat());
    assert_eq!(client.response().body.len(), 10);
    running.reaches("both were answered", |stats| stats.requests == 2);
    thread::sleep(Duration::from_millis(50));
    reset(client);
    let mut told = Vec::new();
    while told.len() < 2 {
        told.extend(notes.take(1));
    }
    assert_eq!(told, ["/small 200 sent", "/large 200 client gone"]);
}

/// The wait of a request begins with its head, so the time that its body took is part of it.
#[test]
fn a_body_that_takes_its_time_is_waited_for() {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let list = waits.clone();
    let options = Server::builder().on_complete(move |completed| {
        list.lock().expect("nobody panics").push((completed.waited(), completed.handled()));
    });
    on_both(
        options,
        |_| (),
        |driven| {
            let mut client = driven.client();
            client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na");
            thread::sleep(Duration::from_millis(100));
            client.send("b");
            assert_eq!(client.response().status, 200);
            eventually("it is told", || !waits.lock().expect("nobody panics").is_empty());
            let (waited, handled) = waits.lock().expect("nobody panics").remove(0);
            assert!(waited >= Duration::from_millis(50) && waited > handled, "{waited:?} {handled:?}");
        },
    );
}

/// A way to end a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Answered,
    Pipelined,
    Panicked,
    Written,
    WriterFailed,
    ReaderShort,
    WriterLeft,
    ReaderLeft,
    Upload,
    UploadLeft,
    Refused,
    TooLate,
    Hijacked,
    HijackedSilently,
    Upgraded,
    Hinted,
    EventsLeft,
    Closed,
    Kept,
    Held,
}

const ENDINGS: [Ending; 20] = [
    Ending::Answered,
    Ending::Pipelined,
    Ending::Panicked,
    Ending::Written,
    Ending::WriterFailed,
    Ending::ReaderShort,
    Ending::WriterLeft,
    Ending::ReaderLeft,
    Ending::Upload,
    Ending::UploadLeft,
    Ending::Refused,
    Ending::TooLate,
    Ending::Hijacked,
    Ending::HijackedSilently,
    Ending::Upgraded,
    Ending::Hinted,
    Ending::EventsLeft,
    Ending::Closed,
    Ending::Kept,
    Ending::Held,
];

/// Writes something now and then, until nobody reads it.
fn write_on(out: &mut dyn Write) -> io::Result<()> {
    loop {
        out.write_all(&[b'x'; 1000])?;
        out.flush()?;
        thread::sleep(Duration::from_millis(1));
    }
}

fn say_hello(mut conn: HijackedConn) {
    let _ = conn.write_all(b"hello");
}

/// Answers each ending as its path says.
fn ended(ctx: &mut RequestCtx, hub: &EventHub) {
    let path = ctx.path().to_owned();
    match path.split('/').nth(1).unwrap_or_default() {
        "Panicked" => planned_panic(),
        "Written" => ctx.response.set_body_writer(|out| out.write_all(&[b'x'; 50_000])),
        "WriterFailed" => ctx.response.set_body_writer(|_| Err(io::Error::other("as planned"))),
        "ReaderShort" => ctx.response.set_body_reader_sized(io::Cursor::new(b"x"), 2),
        "WriterLeft" => ctx.response.set_body_writer(|out| write_on(out)),
        "ReaderLeft" => ctx.response.set_body_reader(io::repeat(b'x')),
        "Upload" | "UploadLeft" => {
            let copied = io::copy(&mut ctx.body_reader(), &mut io::sink());
            ctx.set_status_code(if copied.is_ok() { 200 } else { 400 });
        }
        "Hijacked" => {
            ctx.set_body("it is yours");
            ctx.hijack(say_hello);
        }
        "HijackedSilently" => ctx.hijack_without_response(say_hello),
        "Upgraded" => {
            ctx.upgrade("hello", say_hello);
        }
        "Hinted" => {
            ctx.response.append_header("Link", "</a>; rel=preload");
            let _ = ctx.early_hints();
        }
        "EventsLeft" => ctx.set_event_stream(hub.subscribe()),
        "Closed" => ctx.response.set_connection_close(),
        "Kept" => drop(std::mem::take(ctx)),
        "Held" => thread::sleep(Duration::from_millis(20)),
        _ => ctx.set_body("served"),
    }
}

fn late(ctx: &mut RequestCtx) {
    while !ctx.is_cancelled() {
        thread::sleep(Duration::from_millis(1));
    }
    planned_panic();
}

/// Has a request end so. How many requests there were.
fn end(client: &mut Option<Client>, ending: Ending, number: usize) -> usize {
    let Some(conn) = client.as_mut() else { return 0 };
    let path = format!("/{ending:?}/{number}");
    let head = |method: &str, fields: &str| format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let message = match ending {
        Ending::Pipelined => get(&path).repeat(3),
        Ending::Upload | Ending::UploadLeft => {
            head("PUT", "Expect: 100-continue\r\nContent-Length: 100000\r\n")
        }
        Ending::Refused => format!("GET {path} HTTP/1.1\r\n\r\n"),
        Ending::Upgraded => head("GET", "Connection: upgrade\r\nUpgrade: hello\r\n"),
        _ => get(&path),
    };
    if conn.try_send(message).is_err() {
        *client = None;
        return 0;
    }
    let answered = |conn: &mut Client| conn.try_response().is_ok();
    let (count, stays) = match ending {
        Ending::Answered
        | Ending::Panicked
        | Ending::Written
        | Ending::WriterFailed
        | Ending::Held
        | Ending::TooLate => (1, answered(conn)),
        Ending::Hinted => (1, conn.try_response_to_head().is_ok() && answered(conn)),
        Ending::Pipelined => (3, (0..3).all(|_| answered(conn))),
        Ending::Upload => {
            let asked = conn.try_response_to_head().is_ok();
            (1, asked && conn.try_send("x".repeat(100_000)).is_ok() && answered(conn))
        }
        Ending::UploadLeft => {
            let _ = conn.try_response_to_head();
            let _ = conn.try_send("x".repeat(70_000));
            (1, false)
        }
        Ending::WriterLeft | Ending::ReaderLeft | Ending::EventsLeft => {
            let _ = conn.try_response_to_head();
            (1, false)
        }
        Ending::HijackedSilently
        | Ending::Hijacked
        | Ending::Upgraded
        | Ending::Refused
        | Ending::Kept
        | Ending::Closed
        | Ending::ReaderShort => {
            let _ = conn.rest();
            (1, false)
        }
    };
    if !stays {
        *client = None;
    }
    count
}

/// Nobody is there any more.
fn is_empty(stats: &ServerStats) -> bool {
    let left = [
        stats.open_connections,
        stats.connections.new,
        stats.connections.active,
        stats.connections.idle,
        stats.hijacked_connections,
        stats.waiting_requests,
    ];
    left == [0; 6]
}

fn adds_up(stats: &ServerStats) -> bool {
    let connections = &stats.connections;
    connections.new + connections.active + connections.idle == stats.open_connections
}

fn settings(told: &Arc<AtomicUsize>, odd: &Notes) -> ServerBuilder {
    let (told, odd) = (told.clone(), odd.clone());
    Server::builder()
        .shards(2)
        .max_workers(4)
        .header_received(|request| {
            RequestConfig::new().stream_request_body(request.path().starts_with("/Upload"))
        })
        .on_complete(move |completed| {
            told.fetch_add(1, Ordering::SeqCst);
            if completed.conn().id() == 0 || completed.conn().request_number() == 0 {
                odd.add(format!("{completed:?}"));
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Any number of requests end in any way at once, and in the middle of that the server is shut down, or not. Those
    /// that were answered and those that were begun have a record each, and no gauge keeps anything.
    #[test]
    fn every_request_is_told_of_once_however_it_ends(
        plans in prop::collection::vec(prop::collection::vec(prop::sample::select(&ENDINGS[..]), 1..6), 1..12),
        stops in any::<bool>(),
    ) {
        let (told, odd) = (Arc::new(AtomicUsize::new(0)), Notes::default());
        let hub = EventHub::new();
        let timed = timeout(late, LIMIT);
        let mut running = Running::with(settings(&told, &odd), move |ctx| {
            if ctx.path().starts_with("/TooLate") {
                timed.handle(ctx);
            } else {
                ended(ctx, &hub);
            }
        });
        let address = running.address();
        let clients: Vec<Background<usize>> = plans.into_iter().enumerate().map(|(who, plan)| {
            background(move || {
                let mut client = None;
                let mut count = 0;
                for (index, ending) in plan.into_iter().enumerate() {
                    if client.is_none() {
                        client = std::net::TcpStream::connect(address).is_ok().then(|| Client::connect(address));
                    }
                    count += end(&mut client, ending, 100 * who + index);
                }
                count
            })
        }).collect();
        if stops {
            thread::sleep(Duration::from_millis(15));
            running.server().shutdown(Duration::from_secs(30)).expect("all come to their end");
        }
        prop_assert!(adds_up(&running.server().stats()));
        let asked: usize = clients.into_iter().map(|client| client.outcome("a client")).sum();
        running.reaches("all have ended", is_empty);
        if stops {
            // Some have sent what nobody has read.
            prop_assert!(told.load(Ordering::SeqCst) <= asked);
        } else {
            eventually("each is told of", || told.load(Ordering::SeqCst) >= asked);
        }
        running.shut_down(Duration::from_secs(30)).expect("nothing is left");
        if !stops {
            prop_assert_eq!(told.load(Ordering::SeqCst), asked);
        }
        odd.add("none");
        prop_assert_eq!(odd.take(1), ["none"]);
        let stats = running.server().stats();
        prop_assert!(is_empty(&stats) && stats.workers.is_none(), "{:?}", stats);
    }
}

/// The text of a refusal is a body, whoever has written it, but for HEAD.
#[test]
fn refusals_have_their_bytes() {
    let notes = Notes::default();
    let told = notes.clone();
    let options = Server::builder().on_complete(move |completed| {
        let (sent, body) = (completed.bytes_sent(), completed.body_bytes_sent());
        told.add(format!("{} {sent} {body}", completed.method()));
    });
    let own = options.clone().error_handler(|ctx, _| ctx.response.set_body("sorry"));
    let panics = options.clone().error_handler(|_, _| planned_panic());
    for (options, text) in [(options, 26), (own, 5), (panics, 26)] {
        on_both(
            options,
            |_| (),
            |driven| {
                for (method, body) in [("GET", text), ("HEAD", 0)] {
                    let mut client = driven.client();
                    client.send(format!("{method} / HTTP/1.1\r\n\r\n"));
                    let received = client.rest().expect("the end").len();
                    assert_eq!(notes.take(1), [format!("{method} {received} {body}")]);
                }
            },
        );
    }
}

/// The bytes of interim responses went to the client as well.
#[test]
fn what_is_sent_ahead_of_responses_counts_as_sent() {
    let options = Server::builder().stream_request_body(true).body_read_ahead(None);
    let handler = |ctx: &mut RequestCtx| {
        ctx.response.append_header("Link", "</a>; rel=preload");
        assert!(ctx.early_hints().is_ok_and(|sent| sent));
        assert!(ctx.read_body().is_ok());
    };
    on_both(options, handler, |driven| {
        let mut client = driven.client();
        client.send(
            "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\nConnection: close\r\n\r\n",
        );
        thread::sleep(Duration::from_millis(20));
        client.send("x");
        let received = client.rest().expect("the end").len() as u64;
        driven.end();
        assert_eq!(driven.running().server().stats().bytes_sent, received);
    });
}

/// Handlers that nobody waits for are handlers that may panic.
#[test]
fn a_panic_behind_the_limit_of_time_is_counted() {
    let options = Server::builder().handler_timeout(LIMIT);
    let running = Running::with(options, late);
    assert_eq!(running.client().get("/").status, 503);
    running.reaches("the panic is counted", |stats| stats.panics == 1);
    let stats = running.server().stats();
    assert_eq!((stats.timed_out_handlers, stats.requests), (1, 1));
}

/// A server whose code calls it at this place: asks for everything, and shuts it down, which cannot wait for who asks.
fn calling(place: &'static str, slot: &Arc<OnceLock<Server>>, notes: &Notes) -> Server {
    let (slot, notes) = (slot.clone(), notes.clone());
    let at = Arc::new(move |here: &str| {
        let Some(server) = slot.get().filter(|_| here == place) else { return };
        let _ = (server.stats().to_prometheus(&[]), server.requests_in_flight(), server.is_ready());
        let _ = (format!("{server:?}"), server.stop_signal().is_stopping());
        let is_late = server.shutdown(Duration::from_millis(10)).is_err();
        notes.add(format!("{here} {is_late}"));
    });
    let [completed, state, expect, error, panic, handler] = [(); 6].map(|()| at.clone());
    let options = Server::builder().shards(1).on_complete(move |_| completed("on_complete"));
    let options = options.conn_state(move |_, told| state(&told.to_string())).expect_handler(move |_| {
        expect("expect_handler");
        100
    });
    let options = options.error_handler(move |_, _| error("error_handler"));
    let options = options.panic_handler(move |_, _| panic("panic_handler"));
    let handle = move |ctx: &mut RequestCtx| {
        handler("handler");
        if ctx.path() == "/panic" {
            planned_panic();
        }
    };
    options.build(handle).expect("options that go together")
}

/// Whoever is called by the server may ask it anything, and end it.
#[test]
fn what_the_server_calls_may_call_the_server() {
    let places = [
        "handler",
        "on_complete",
        "expect_handler",
        "error_handler",
        "panic_handler",
        "active",
        "idle",
        "closed",
    ];
    for place in places {
        let (slot, notes) = (Arc::new(OnceLock::new()), Notes::default());
        let server = calling(place, &slot, &notes);
        let mut running = Running::serving(server.clone());
        let _ = slot.set(server.clone());
        let mut client = running.client();
        let request = match place {
            "expect_handler" => {
                "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"
            }
            "error_handler" => "GET / HTTP/1.1\r\n\r\n",
            "panic_handler" => "GET /panic HTTP/1.1\r\nHost: h\r\n\r\n",
            _ => "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        };
        client.send(request);
        if place == "expect_handler" {
            assert_eq!(client.response_to_head().status, 100);
        }
        let status = match place {
            "error_handler" => 400,
            "panic_handler" => 500,
            _ => 200,
        };
        assert_eq!(client.response().status, status, "{place}");
        drop(client);
        let told = notes.take(1);
        assert!(told.iter().all(|line| *line == format!("{place} true")), "{told:?}");
        running.shut_down(Duration::from_secs(30)).expect("nothing is left");
        assert!(is_empty(&server.stats()), "{place}: {:?}", server.stats());
    }
}
