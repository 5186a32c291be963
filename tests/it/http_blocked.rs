//! Handlers that block for long are noticed: one word in the log for each, a count, and a list of what runs.

use std::thread;
use std::time::Duration;

use anthill_http::{RequestCtx, Server};
use anthill_tests::client::{Client, get};
use anthill_tests::drivers::on_both;
use anthill_tests::server::Running;
use anthill_tests::{Gate, eventually, logs};
use log::Level;

const LIMIT: Duration = Duration::from_millis(100);

fn told(part: &str) -> Vec<logs::Line> {
    logs::with("anthill_http::blocked", part)
}

/// The first of a kind blocks its driver, the others block workers that they were given to; each is told of once.
#[test]
fn each_handler_that_blocks_is_told_of_once_and_counted() {
    logs::collect();
    let gate = Gate::new();
    let held = gate.clone();
    let options = Server::builder().shards(2).blocked_handler_limit(LIMIT);
    let running = Running::with(options, move |ctx| {
        if ctx.path().starts_with("/held-by-test") {
            held.pass();
        }
    });
    let mut clients: Vec<Client> = running.clients(6);
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(get(&format!("/held-by-test/{number}?token=secret")));
    }
    running.reaches("all are counted", |stats| stats.blocked_handlers == 6);
    thread::sleep(LIMIT * 2);
    assert_eq!(running.server().stats().blocked_handlers, 6, "each once");
    for number in 0..6 {
        let lines = told(&format!("GET /held-by-test/{number} for "));
        assert_eq!((lines.len(), lines[0].level), (1, Level::Warn), "{lines:?}");
        assert!(lines[0].text.contains(" on anthill-"), "{}", lines[0].text);
    }
    assert!(told("secret").is_empty());
    if cfg!(target_os = "linux") && std::fs::read_to_string("/proc/self/syscall").is_ok() {
        assert!(told("/held-by-test/0 for ")[0].text.contains("asleep in "), "{:?}", told("/held-by-test/0"));
    }
    let mut all = running.server().requests_in_flight();
    assert_eq!(all.len(), 6);
    assert!(all.is_sorted_by(|one, next| one.age() >= next.age()) && all[0].age() >= LIMIT * 2, "{all:?}");
    all.sort_by_key(|request| request.path().to_owned());
    assert_eq!((all[3].method(), all[3].path()), ("GET", "/held-by-test/3"));
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    eventually("nothing runs", || running.server().requests_in_flight().is_empty());
    // Another one on the same connection is another one.
    assert_eq!(clients[0].get("/").status, 200);
    assert_eq!(running.server().stats().blocked_handlers, 6);
}

#[test]
fn what_is_quick_is_not_told_of_and_the_detector_can_be_off() {
    logs::collect();
    let running = Running::with(Server::builder().blocked_handler_limit(None), |ctx: &mut RequestCtx| {
        if ctx.path() == "/slow-but-unwatched" {
            thread::sleep(LIMIT);
        }
    });
    let mut client = running.client();
    client.get("/slow-but-unwatched");
    let watched = Running::with(Server::builder().blocked_handler_limit(Duration::from_secs(5)), |_| {
        thread::sleep(Duration::from_millis(20));
    });
    let mut quick = watched.client();
    for _ in 0..20 {
        quick.get("/quick-enough");
    }
    assert!(told("/slow-but-unwatched").is_empty() && told("/quick-enough").is_empty());
    assert_eq!(watched.server().stats().blocked_handlers, 0);
    let error = Server::builder().blocked_handler_limit(Duration::ZERO).build(|_| {}).unwrap_err();
    assert_eq!(error.option(), "blocked_handler_limit");
}

/// A function that writes a body is part of what runs; whoever drives the connection.
#[test]
fn what_runs_is_listed_until_its_body_is_written() {
    let gates = [Gate::new(), Gate::new()];
    let held = gates.clone();
    let handler = move |ctx: &mut RequestCtx| {
        let held = held[usize::from(ctx.path() == "/written/by-engine")].clone();
        ctx.response.set_body_writer(move |_| {
            held.pass();
            Ok(())
        });
    };
    on_both(Server::builder(), handler, |driven| {
        let mut client = driven.client();
        let path = if driven.is_engine() { "/written/by-engine" } else { "/written/alone" };
        client.send(get(path).replace("GET", "DELETE"));
        let server = driven.running().server();
        eventually("it runs", || server.requests_in_flight().len() == 1);
        let request = server.requests_in_flight().remove(0);
        assert_eq!((request.method(), request.path()), ("DELETE", path));
        assert!(request.to_string().starts_with(&format!("DELETE {path} for ")), "{request}");
        gates[usize::from(driven.is_engine())].open();
        assert_eq!(client.response().status, 200);
        eventually("nothing runs", || server.requests_in_flight().is_empty());
    });
}
