//! How many requests are served at once: places are held for as long as they are used, and free again whatever happens.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anthill_http::events::EventHub;
use anthill_http::middleware::{ConcurrencyLimit, concurrency_limit};
use anthill_http::{HttpError, RequestCtx, TimeLimit, timeout};
use anthill_tests::client::get;
use anthill_tests::eventually;
use anthill_tests::server::{Running, plain};

/// Gates that handlers wait at.
type Gates = Arc<Mutex<Receiver<()>>>;

fn gate() -> (Sender<()>, Gates) {
    let (open, gate) = channel();
    (open, Arc::new(Mutex::new(gate)))
}

fn wait_at(gate: &Gates) {
    let _ = gate.lock().expect("no panic").recv_timeout(Duration::from_secs(10));
}

fn limit(places: usize) -> ConcurrencyLimit {
    ConcurrencyLimit::builder(places).build().expect("a policy")
}

#[test]
fn who_finds_no_place_is_asked_to_come_again() {
    let (open, gates) = gate();
    let places = ConcurrencyLimit::builder(1).retry_after(Duration::from_secs(7)).build().expect("a policy");
    let handler = concurrency_limit(move |_: &mut RequestCtx| wait_at(&gates), places.clone());
    let running = Running::serving(plain().build_handler(handler).expect("valid options"));
    let mut first = running.client();
    first.send(get("/"));
    eventually("the first is being served", || places.taken() == 1);
    let refused = running.client().get("/");
    assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("7")));
    open.send(()).expect("it waits");
    assert_eq!(first.response().status, 200);
    eventually("its place is free", || places.taken() == 0);
}

#[test]
fn errors_and_panics_give_their_places_back() {
    let places = limit(1);
    let handler = |ctx: &mut RequestCtx| match ctx.path() {
        "/fails" => Err(HttpError::new(500, "out of order")),
        "/panics" => std::panic::resume_unwind(Box::new("quietly")),
        _ => Ok(()),
    };
    let handler = concurrency_limit(handler, places.clone());
    let running = Running::serving(plain().build_handler(handler).expect("valid options"));
    let mut client = running.client();
    for (target, status) in [("/fails", 500), ("/panics", 500), ("/fails", 500), ("/panics", 500), ("/", 200)]
    {
        assert_eq!(client.get(target).status, status);
        assert_eq!(places.taken(), 0);
    }
}

/// A body that waits before each of its pieces, of which there are two.
struct Slow(Gates, usize);

impl Read for Slow {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        if self.1 == 2 {
            return Ok(0);
        }
        self.1 += 1;
        wait_at(&self.0);
        piece[..4].copy_from_slice(b"part");
        Ok(4)
    }
}

#[test]
fn a_place_is_held_until_a_streamed_body_is_over() {
    for kind in ["/reader", "/writer"] {
        let (open, gates) = gate();
        let places = limit(1);
        let handler = move |ctx: &mut RequestCtx| {
            let mut slow = Slow(gates.clone(), 0);
            if ctx.path() == "/reader" {
                ctx.response.set_body_reader(slow);
            } else {
                ctx.response.set_body_writer(move |out| {
                    let mut piece = [0; 4];
                    while slow.read(&mut piece)? > 0 {
                        out.write_all(&piece)?;
                        out.flush()?;
                    }
                    Ok(())
                });
            }
        };
        let handler = concurrency_limit(handler, places.clone());
        let running = Running::serving(plain().build_handler(handler).expect("valid options"));
        let mut first = running.client();
        first.send(get(kind));
        open.send(()).expect("it waits");
        eventually("the first is being served", || places.taken() == 1);
        assert_eq!(running.client().get(kind).status, 503, "{kind}");
        assert_eq!(places.taken(), 1);
        open.send(()).expect("it waits");
        assert_eq!(first.response().text(), "partpart");
        eventually("its place is free", || places.taken() == 0);
    }
}

#[test]
fn a_stream_of_events_holds_its_place_until_its_client_is_gone() {
    let (places, hub) = (limit(1), EventHub::new());
    let subscribe = hub.clone();
    let handler = move |ctx: &mut RequestCtx| ctx.set_event_stream(subscribe.subscribe());
    let handler = concurrency_limit(handler, places.clone());
    let running = Running::serving(plain().build_handler(handler).expect("valid options"));
    let mut listening = running.client();
    listening.send(get("/"));
    eventually("it listens", || hub.subscribers() == 1);
    assert_eq!((places.taken(), running.client().get("/").status), (1, 503));
    drop(listening);
    eventually("its place is free", || places.taken() == 0);
}

#[test]
fn a_connection_that_is_taken_over_holds_its_place() {
    let places = limit(1);
    let handler = |ctx: &mut RequestCtx| {
        ctx.upgrade("echo", |mut conn| {
            let mut byte = [0; 1];
            while conn.read(&mut byte).is_ok_and(|count| count > 0) && conn.write_all(&byte).is_ok() {}
        });
    };
    let handler = concurrency_limit(handler, places.clone());
    let running = Running::serving(plain().build_handler(handler).expect("valid options"));
    let upgrade = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let mut first = running.client();
    first.send(upgrade);
    assert_eq!(first.response().status, 101);
    assert_eq!((places.taken(), running.client().exchange(upgrade).status), (1, 503));
    drop(first);
    eventually("its place is free", || places.taken() == 0);
}

#[test]
fn those_who_wait_are_served_in_turn_and_no_more_than_may_wait() {
    let (open, gates) = gate();
    let places =
        ConcurrencyLimit::builder(1).wait(Duration::from_secs(20)).max_waiting(2).build().expect("a policy");
    let (served, order) = channel();
    let handler = move |ctx: &mut RequestCtx| {
        wait_at(&gates);
        let _ = served.send(ctx.path().to_owned());
    };
    let waiting = places.clone();
    let handler = concurrency_limit(handler, places.clone());
    let running = Running::serving(plain().max_workers(8).build_handler(handler).expect("valid options"));
    let mut clients = running.clients(3);
    for (index, client) in clients.iter_mut().enumerate() {
        client.send(get(&format!("/{index}")));
        eventually("it is served, or waits", || waiting.taken() + waiting.waiting() == index + 1);
    }
    let began = Instant::now();
    assert_eq!(running.client().get("/3").status, 503, "nobody else may wait");
    assert!(began.elapsed() < Duration::from_secs(10));
    for (index, client) in clients.iter_mut().enumerate() {
        open.send(()).expect("somebody waits");
        assert_eq!(client.response().status, 200);
        assert_eq!(order.recv_timeout(Duration::from_secs(10)).as_deref(), Ok(format!("/{index}").as_str()));
    }
    eventually("all places are free", || (places.taken(), places.waiting()) == (0, 0));
}

#[test]
fn who_waits_in_vain_is_answered() {
    let (open, gates) = gate();
    let places = ConcurrencyLimit::builder(1).wait(Duration::from_millis(20)).build().expect("a policy");
    let handler = concurrency_limit(move |_: &mut RequestCtx| wait_at(&gates), places.clone());
    let running = Running::serving(plain().build_handler(handler).expect("valid options"));
    let mut first = running.client();
    first.send(get("/"));
    eventually("the first is being served", || places.taken() == 1);
    assert_eq!(running.client().get("/").status, 503);
    assert_eq!((places.taken(), places.waiting()), (1, 0));
    open.send(()).expect("it waits");
    assert_eq!(first.response().status, 200);
    assert_eq!(running.server().stats().responses.of("GET", 5), 1);
}

#[test]
fn inside_of_a_time_limit_a_place_is_held_until_the_handler_ends() {
    let (open, gates) = gate();
    let places = limit(1);
    let handler = concurrency_limit(move |_: &mut RequestCtx| wait_at(&gates), places.clone());
    let handler = timeout(handler, TimeLimit::new(Duration::from_millis(20)));
    let running = Running::serving(plain().build_handler(handler).expect("valid options"));
    assert_eq!(running.client().get("/").status, 503);
    assert_eq!(places.taken(), 1, "it still runs");
    open.send(()).expect("it waits");
    eventually("its place is free", || places.taken() == 0);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    assert_eq!(ConcurrencyLimit::builder(0).build().expect_err("no places").option(), "places");
    let nobody = ConcurrencyLimit::builder(1).wait(Duration::from_secs(1)).max_waiting(0);
    assert_eq!(nobody.build().expect_err("nobody may wait").option(), "max_waiting");
}
