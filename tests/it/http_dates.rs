//! What the clock said is not used behind code that may have taken long: `Date`, and the time of a request.
//!
//! These tests sleep for longer than a second, because that is what a `Date` can tell.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use anthill_http::{RequestCtx, Server, ServerBuilder, header};
use anthill_tests::client::{Client, Reply, get};
use anthill_tests::drivers::{Driven, on_both};
use anthill_tests::uploads::head;

/// Longer than a second, so that a `Date` from before is an earlier one.
const LONG: Duration = Duration::from_millis(1200);

/// When the handler of each request was called, and what its context said of that.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<(SystemTime, SystemTime)>>>);

impl Times {
    fn note(&self, ctx: &RequestCtx) {
        self.0.lock().expect("no panic").push((SystemTime::now(), ctx.time()));
    }

    /// Asserts that requests began when their contexts say, but for what a few ticks of the clock and a busy machine
    /// are.
    #[track_caller]
    fn assert_right(&self, count: usize) {
        let times = std::mem::take(&mut *self.0.lock().expect("no panic"));
        assert_eq!(times.len(), count);
        for (called, said) in times {
            let late = called.duration_since(said).unwrap_or_default();
            assert!(late < LONG / 2, "called {late:?} after what its context says");
        }
    }
}

/// Sets the time of now, as a page that is made anew each time does.
fn modified_now(ctx: &mut RequestCtx) {
    let now = header::format_http_date(SystemTime::now());
    ctx.response.set_header("Last-Modified", now);
    ctx.set_body("new");
}

fn date(reply: &Reply, name: &str) -> SystemTime {
    let text = reply.field(name).unwrap_or_else(|| panic!("no {name} in {reply:?}"));
    header::parse_http_date(text.as_bytes()).unwrap_or_else(|| panic!("no date: {text}"))
}

/// Asserts that `count` responses are of the moment that their handlers ended at, or later.
#[track_caller]
fn assert_dated(client: &mut Client, count: usize) {
    for _ in 0..count {
        let reply = client.response();
        assert!(date(&reply, "Date") >= date(&reply, "Last-Modified"), "{reply:?}");
    }
}

/// Runs `check` on both, with few workers so that handlers can take nobody's place, and with many.
fn on_all<H>(options: ServerBuilder, handler: H, check: impl Fn(&Driven))
where
    H: Fn(&mut RequestCtx) + Clone + Send + Sync + 'static,
{
    on_both(options.clone().shards(1), handler.clone(), &check);
    on_both(options.shards(1).max_workers(1), handler, &check);
}

#[test]
fn engine_date_is_not_before_what_a_handler_says_that_took_long() {
    let times = Times::default();
    let noting = times.clone();
    let handler = move |ctx: &mut RequestCtx| {
        noting.note(ctx);
        thread::sleep(LONG);
        modified_now(ctx);
    };
    on_all(Server::builder(), handler, |driven| {
        let mut client = driven.client();
        for pipelined in [1, 3] {
            client.send(get("/").repeat(pipelined));
            assert_dated(&mut client, pipelined);
            times.assert_right(pipelined);
        }
    });
}

#[test]
fn engine_date_is_right_behind_whatever_takes_long() {
    let times = Times::default();
    let noting = times.clone();
    struct SlowToDrop;
    impl Drop for SlowToDrop {
        fn drop(&mut self) {
            thread::sleep(LONG);
        }
    }
    let handler = move |ctx: &mut RequestCtx| {
        noting.note(ctx);
        match ctx.path() {
            "/writer" => ctx.response.set_body_writer(|out| {
                thread::sleep(LONG);
                std::io::Write::write_all(out, b"written")
            }),
            "/reader" => {
                ctx.response.set_body_reader(Slowly(1));
            }
            "/value" => ctx.set_user_value("slow", SlowToDrop),
            _ => modified_now(ctx),
        }
    };
    on_all(Server::builder(), handler, |driven| {
        for target in ["/writer", "/reader", "/value"] {
            let mut client = driven.client();
            client.send(get(target) + &get("/"));
            assert_eq!(client.response().status, 200);
            assert_dated(&mut client, 1);
            times.assert_right(2);
        }
    });
}

/// A body of so many bytes, which takes its time for each.
struct Slowly(usize);

impl std::io::Read for Slowly {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let Some(left) = self.0.checked_sub(1) else { return Ok(0) };
        thread::sleep(LONG);
        self.0 = left;
        room[0] = b'x';
        Ok(1)
    }
}

#[test]
fn engine_date_is_right_behind_a_hook_that_took_long() {
    let decided = Arc::new(Mutex::new(SystemTime::UNIX_EPOCH));
    let deciding = decided.clone();
    let options = Server::builder().expect_handler(move |_| {
        thread::sleep(LONG);
        *deciding.lock().expect("no panic") = SystemTime::now();
        403
    });
    on_all(options, modified_now, |driven| {
        let mut client = driven.client();
        let reply = client.exchange(head("/", "Expect: 100-continue\r\nContent-Length: 3"));
        assert_eq!(reply.status, 403);
        let second = header::format_http_date(*decided.lock().expect("no panic"));
        assert!(
            date(&reply, "Date") >= header::parse_http_date(second.as_bytes()).expect("a date"),
            "{reply:?}"
        );
    });
}

#[test]
fn engine_date_is_right_behind_another_connections_handler() {
    let times = Times::default();
    let noting = times.clone();
    let handler = move |ctx: &mut RequestCtx| {
        noting.note(ctx);
        if ctx.path() == "/slow" {
            thread::sleep(LONG);
        }
        modified_now(ctx);
    };
    on_all(Server::builder(), handler, |driven| {
        if !driven.is_engine() {
            return;
        }
        let mut clients: Vec<Client> = (0..6).map(|_| driven.client()).collect();
        for client in &mut clients {
            // In one pass, if the machine lets them.
            client.send(get("/slow"));
        }
        for client in &mut clients {
            assert_dated(client, 1);
        }
        times.assert_right(6);
    });
}
