//! Many requests, many threads, many servers.

use anthill_http::testing::TestServer;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn ten_thousand_requests_of_one_client_take_one_connection() {
    let server = TestServer::new(|ctx| {
        let path = ctx.path().to_owned();
        ctx.set_body(path);
    });
    for number in 0..10_000 {
        let path = format!("/{number}");
        server.get(&path).send().assert_status(200).assert_text(&path);
    }
    let stats = server.server().stats();
    assert_eq!((stats.requests, stats.panics), (10_000, 0));
    assert!(stats.accepted_connections <= 2, "{}", stats.accepted_connections);
}

#[test]
fn thirty_two_threads_with_a_server_each_have_nothing_in_common() {
    let threads: Vec<_> = (0..32)
        .map(|thread| {
            std::thread::spawn(move || {
                let count = Arc::new(AtomicUsize::new(0));
                let counts = count.clone();
                let server = TestServer::new(move |ctx| {
                    let number = counts.fetch_add(1, Ordering::Relaxed);
                    ctx.set_body(format!("{thread}:{number}"));
                });
                for number in 0..50 {
                    server.get("/").send().assert_text(format!("{thread}:{number}"));
                }
                server.clock().advance(std::time::Duration::from_secs(thread));
                assert_eq!(server.clock().ahead().as_secs(), thread);
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no failure"));
}

#[test]
fn thirty_two_threads_share_a_server_and_a_client() {
    let server = TestServer::new(|ctx| {
        let body = ctx.body().to_vec();
        ctx.set_body(body);
    });
    let client = server.client();
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let client = &client;
            scope.spawn(move || {
                for number in 0..50 {
                    let text = format!("{thread}:{number}");
                    client.post("/").body(&*text).send().assert_text(&text);
                }
            });
        }
    });
    assert_eq!(server.server().stats().requests, 1600);
}

/// The panics are told of, with their places, and the server goes on.
#[test]
fn panics_are_told_of_and_bounded() {
    let server = TestServer::new(|ctx| match ctx.path() {
        "/error" => Err(std::io::Error::other("the disk is full")),
        "/late" => {
            ctx.response.set_body_writer(|out| {
                out.write_all(b"begun")?;
                out.flush()?;
                panic!("in the writer");
            });
            Ok(())
        }
        path => panic!("number {path}"),
    });
    for number in 0..100 {
        server.get(&format!("/{number}")).send().assert_status(500).assert_text("Internal Server Error");
    }
    let told = server.failures();
    assert!(told.len() < 20 && told.last().expect("some").contains("number /99"), "{told:?}");
    assert!(told.last().expect("some").contains("many.rs:"), "{told:?}");
    server.get("/error").send().assert_status(500);
    assert!(server.failures().last().expect("some").contains("the disk is full"), "{:?}", server.failures());
    let response = server.get("/late").send();
    response.assert_status(200);
    assert!(response.try_body().is_err());
    assert!(server.failures().last().expect("some").contains("in the writer"), "{:?}", server.failures());
    let message = crate::failure(|| response.text().len());
    crate::assert_in_order(
        &message,
        &["the body cannot be had", "< HTTP/1.1 200", "(the body: ", "in the writer"],
    );
}
