//! Handlers that block: they hold up nobody but themselves.
//!
//! The idea: handlers wait at a gate that opens only when everybody else has been answered, so "undelayed" is an order
//! of events and not a time. Where something has to pass by itself, it sleeps, and only the number of answers counts.
//! The rule: fewer shards than blocked connections, so that a shard that stands still would be noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anthill_http::{Server, ServerBuilder};
use anthill_tests::client::{Client, get};
use anthill_tests::server::Running;
use anthill_tests::{Gate, PATIENCE, background, eventually};

const SHARDS: usize = 2;

fn options() -> ServerBuilder {
    Server::builder().shards(SHARDS)
}

/// A server with a gate for `/held`, and sleep for `/sleep?<milliseconds>`. Says how many are inside of either.
fn blocking(options: ServerBuilder) -> (Running, Gate, Arc<AtomicUsize>) {
    let (gate, inside) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (held, count) = (gate.clone(), inside.clone());
    let running = Running::with(options, move |ctx| {
        match ctx.path() {
            "/held" => {
                count.fetch_add(1, Ordering::SeqCst);
                held.pass();
                count.fetch_sub(1, Ordering::SeqCst);
            }
            "/sleep" => {
                count.fetch_add(1, Ordering::SeqCst);
                let millis = String::from_utf8_lossy(ctx.request.query()).parse().unwrap();
                thread::sleep(Duration::from_millis(millis));
                count.fetch_sub(1, Ordering::SeqCst);
            }
            "/panic-held" => {
                count.fetch_add(1, Ordering::SeqCst);
                held.pass();
                count.fetch_sub(1, Ordering::SeqCst);
                panic!("after a while");
            }
            _ => {}
        }
        let target = ctx.request.request_uri().to_vec();
        ctx.set_body(target);
    });
    (running, gate, inside)
}

#[track_caller]
fn send_all(clients: &mut [Client], target: &str) {
    for client in clients {
        client.send(get(target));
    }
}

#[track_caller]
fn answered_all(clients: &mut [Client], target: &str) {
    for client in clients {
        let reply = client.response();
        assert_eq!((reply.status, reply.text()), (200, target));
    }
}

/// So many handlers block at the same time; others, on connections old and new, are answered all the while.
fn others_are_undelayed(blocked: usize) {
    let (running, gate, inside) = blocking(options());
    let mut held = running.clients(blocked);
    let mut others = running.clients(8);
    for client in &mut others {
        assert_eq!(client.get("/warm").status, 200);
    }
    send_all(&mut held, "/held");
    for round in 0..20 {
        for client in &mut others {
            assert_eq!(client.get("/quick").text(), "/quick");
        }
        assert_eq!(running.client().get("/new").text(), "/new", "round {round}");
    }
    eventually("all of them block at the same time", || inside.load(Ordering::SeqCst) == blocked);
    for client in &mut others {
        assert_eq!(client.get("/quick").text(), "/quick");
    }
    assert_eq!(inside.load(Ordering::SeqCst), blocked, "they were answered while all of these were blocked");
    gate.open();
    answered_all(&mut held, "/held");
    // Those that blocked are connections like any others afterwards.
    for client in &mut held {
        assert_eq!(client.get("/after").text(), "/after");
    }
}

#[test]
fn eight_handlers_that_block_delay_nobody() {
    for _ in 0..5 {
        others_are_undelayed(8);
    }
}

#[test]
fn two_hundred_handlers_that_block_delay_nobody() {
    for _ in 0..2 {
        others_are_undelayed(200);
    }
}

/// All of them sleep at the same time, for real; whoever is quick is answered before any of them wakes.
fn sleepers_overlap(sleepers: usize, millis: u64) {
    let (running, _, inside) = blocking(options());
    let mut asleep = running.clients(sleepers);
    let mut others = running.clients(8);
    let target = format!("/sleep?{millis}");
    send_all(&mut asleep, &target);
    eventually("all of them sleep at the same time", || inside.load(Ordering::SeqCst) == sleepers);
    for client in &mut others {
        assert_eq!(client.get("/quick").text(), "/quick");
    }
    assert_eq!(inside.load(Ordering::SeqCst), sleepers, "they were answered while all of these slept");
    answered_all(&mut asleep, &target);
}

#[test]
#[ignore = "takes two minutes; for changes of the engine, on a quiet machine"]
fn eight_and_two_hundred_sleepers_fifty_times() {
    for _ in 0..50 {
        sleepers_overlap(8, 1000);
        sleepers_overlap(200, 1000);
    }
}

#[test]
fn eight_sleepers_delay_nobody() {
    // Long enough for eight threads to start on a busy machine.
    for _ in 0..3 {
        sleepers_overlap(8, 1000);
    }
}

#[test]
fn connections_that_block_again_and_again_lose_nothing() {
    for millis in [0, 1, 3, 20] {
        let (running, _, _) = blocking(options());
        let mut clients = running.clients(40);
        for round in 0..5 {
            // Pipelined: the quick one has to come behind the one that sleeps.
            for (number, client) in clients.iter_mut().enumerate() {
                let nap = if (number + round) % 3 == 0 { "/quick" } else { "/sleep" };
                client.send(get(&format!("{nap}?{millis}")) + &get(&format!("/{round}/{number}")));
            }
            for (number, client) in clients.iter_mut().enumerate() {
                let nap = if (number + round) % 3 == 0 { "/quick" } else { "/sleep" };
                assert_eq!(client.response().text(), format!("{nap}?{millis}"));
                assert_eq!(client.response().text(), format!("/{round}/{number}"));
            }
        }
        assert_eq!(running.handled(), 40 * 5 * 2);
    }
}

#[test]
fn without_a_spare_worker_all_are_answered_in_the_end() {
    let (running, _, inside) = blocking(options().max_workers(SHARDS));
    let mut asleep = running.clients(12);
    let mut others = running.clients(8);
    for _ in 0..3 {
        send_all(&mut asleep, "/sleep?20");
        send_all(&mut others, "/quick");
        answered_all(&mut others, "/quick");
        answered_all(&mut asleep, "/sleep?20");
    }
    assert_eq!(inside.load(Ordering::SeqCst), 0);
    let workers = running.server().stats().workers.map_or(0, |pool| pool.peak_workers);
    // Those of max_workers, three for each shard, and four for handlers that turn out to block.
    assert!(workers <= 4 * SHARDS + 4, "{workers} threads");
}

#[test]
fn with_few_spare_workers_all_are_answered_in_the_end() {
    for workers in [SHARDS + 1, SHARDS + 3] {
        let (running, gate, inside) = blocking(options().max_workers(workers));
        let mut held = running.clients(20);
        send_all(&mut held, "/held");
        // How many more is the engine's choice: a driver may run one itself or keep its shard going.
        eventually("the spare ones block", || inside.load(Ordering::SeqCst) >= workers - SHARDS);
        let mut others = running.clients(5);
        send_all(&mut others, "/quick");
        gate.open();
        answered_all(&mut held, "/held");
        answered_all(&mut others, "/quick");
    }
}

#[test]
fn one_shard_is_enough() {
    let (running, gate, inside) = blocking(Server::builder().shards(1));
    let mut held = running.clients(20);
    send_all(&mut held, "/held");
    eventually("all of them block", || inside.load(Ordering::SeqCst) == 20);
    for _ in 0..20 {
        assert_eq!(running.client().get("/quick").text(), "/quick");
    }
    gate.open();
    answered_all(&mut held, "/held");
}

#[test]
fn a_blocked_handler_that_panics_disturbs_no_other_connection() {
    let (running, gate, inside) = blocking(options());
    let mut panicking = running.clients(10);
    let mut held = running.clients(10);
    let mut others = running.clients(4);
    send_all(&mut panicking, "/panic-held");
    send_all(&mut held, "/held");
    eventually("all of them block", || inside.load(Ordering::SeqCst) == 20);
    gate.open();
    for _ in 0..10 {
        for client in &mut others {
            assert_eq!(client.get("/quick").text(), "/quick");
        }
    }
    answered_all(&mut held, "/held");
    for client in &mut panicking {
        assert_eq!(client.response().status, 500);
    }
    assert_eq!(running.server().stats().panics, 10);
    // No shard and no worker was lost: once more, with everybody.
    for client in panicking.iter_mut().chain(&mut held).chain(&mut others) {
        assert_eq!(client.get("/again").text(), "/again");
    }
}

#[test]
fn a_client_that_leaves_a_blocked_handler_harms_nobody() {
    let (running, gate, inside) = blocking(options());
    let mut leaving = running.clients(10);
    send_all(&mut leaving, "/held");
    eventually("all of them block", || inside.load(Ordering::SeqCst) == 10);
    drop(leaving);
    assert_eq!(running.client().get("/quick").text(), "/quick");
    gate.open();
    running.reaches("they are gone", |stats| stats.open_connections == 0);
    assert_eq!(running.client().get("/quick").text(), "/quick");
}

#[test]
fn a_shutdown_waits_for_handlers_that_block() {
    for workers in [SHARDS, 1024] {
        let (mut running, gate, inside) = blocking(options().max_workers(workers));
        let mut held = running.clients(8);
        send_all(&mut held, "/held");
        let busy = workers.min(8);
        eventually("they block", || inside.load(Ordering::SeqCst) >= busy);
        assert!(running.shut_down(Duration::from_millis(200)).is_err());
        assert!(inside.load(Ordering::SeqCst) >= busy, "none was interrupted");
        let server = running.server().clone();
        let shutdown = background(move || server.shutdown(PATIENCE));
        gate.open();
        if workers > 8 {
            answered_all(&mut held, "/held");
        } else {
            // Those that had no worker may be answered or closed, but not be cut in the middle.
            let replies = held.iter_mut().filter_map(|client| client.try_response().ok());
            assert!(replies.filter(|reply| reply.text() == "/held").count() >= busy);
        }
        for client in &mut held {
            client.expect_end();
        }
        shutdown.outcome("shutting down").unwrap();
    }
}

#[test]
fn a_route_that_blocks_now_and_then_is_served_whichever_way() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let running = Running::with(options(), move |ctx| {
        // The same route each time, so that its history says little.
        if count.fetch_add(1, Ordering::SeqCst).is_multiple_of(50) {
            thread::sleep(Duration::from_millis(5));
        }
        let target = ctx.request.request_uri().to_vec();
        ctx.set_body(target);
    });
    let address = running.address();
    let clients: Vec<_> = (0..8)
        .map(|number| {
            background(move || {
                let mut client = Client::connect(address);
                for round in 0..200 {
                    let target = format!("/some/route/{number}/{round}");
                    assert_eq!(client.get(&target).text(), target);
                }
            })
        })
        .collect();
    for client in clients {
        client.outcome("a client of a route that blocks now and then");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1600);
}
