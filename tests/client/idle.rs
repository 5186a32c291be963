//! What becomes of connections while nobody uses them.

use std::sync::mpsc;
use std::time::Duration;

use crate::script::{LONG, OK, Peer, Script, get, wait_until};

#[test]
fn cli_15_a_connection_that_the_server_closes_while_idle_is_closed_at_once() {
    for with_words in [false, true] {
        let (go_on, told) = mpsc::channel::<()>();
        let server = Script::new(1, move |_, mut peer: Peer| {
            peer.head();
            peer.say(OK);
            // Before and after the connection has been idle for long.
            told.recv().expect("the test goes on");
            if with_words {
                peer.say("HTTP/1.1 408 Request Timeout\r\n\r\n");
                peer.expect_end();
            }
        });
        let client = server.builder().max_idle_conn_duration(LONG * 100).build().expect("an address");
        client.send(&get("/")).expect("a response").text().expect("a body");
        assert_eq!(client.stats().idle, 1);
        if with_words {
            std::thread::sleep(Duration::from_millis(100));
        }
        go_on.send(()).expect("the server waits for it");
        // Nobody calls, and nothing is old.
        wait_until("the end of the connection", || client.stats().open == 0);
        server.end();
    }
}

#[test]
fn connections_that_were_watched_are_used_again() {
    let server = Script::new(1, |_, mut peer: Peer| {
        while !peer.head().is_empty() {
            peer.say(OK);
        }
    });
    let client = server.client();
    for number in 1..=3 {
        assert_eq!(client.send(&get("/")).expect("a response").conn_requests(), number);
        // Long enough to be watched.
        std::thread::sleep(Duration::from_millis(80));
    }
    drop(client);
    server.end();
}

/// Threads are counted by their names, of which Linux keeps 15 bytes.
#[cfg(target_os = "linux")]
#[test]
fn one_thread_watches_for_all_clients_and_ends_with_them() {
    let watching = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("this is Linux");
        let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim() == "anthill-client-").count()
    };
    let servers: Vec<Script> = (0..3)
        .map(|_| {
            Script::new(1, |_, mut peer: Peer| {
                peer.head();
                peer.say(OK);
                peer.expect_end();
            })
        })
        .collect();
    let clients: Vec<_> = servers.iter().map(Script::client).collect();
    for client in &clients {
        client.send(&get("/")).expect("a response").text().expect("a body");
    }
    // Others of this process may just be beginning or ending.
    wait_until("a single watch", || watching() == 1);
    drop(clients);
    for server in servers {
        server.end();
    }
}

#[test]
fn cli_04_some_are_kept_when_they_are_old_while_the_server_keeps_them() {
    let (go_on, told) = mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let server = Script::side_by_side(3, move |_, mut peer: Peer| {
        peer.head();
        peer.say(OK);
        if !peer.head().is_empty() {
            peer.say(OK);
            told.lock().expect("no panic").recv().expect("the test goes on");
        }
    });
    let age = Duration::from_millis(10);
    let client = server.builder().max_idle_conn_duration(age).min_idle_conns(1).build().expect("an address");
    let responses: Vec<_> = (0..3).map(|_| client.send(&get("/")).expect("a response")).collect();
    for mut response in responses {
        response.text().expect("a body");
    }
    wait_until("the end of the others", || client.stats().open == 1);
    std::thread::sleep(10 * age);
    assert_eq!((client.stats().open, client.stats().idle), (1, 1));
    let mut response = client.send(&get("/")).expect("a response");
    assert_eq!((response.conn_requests(), response.text().expect("a body").as_str()), (2, "ok"));
    go_on.send(()).expect("the server waits for it");
    wait_until("the end that the server makes", || client.stats().open == 0);
    drop(client);
    server.end();
}

#[test]
fn cli_04_a_connection_serves_so_many_requests() {
    let server = Script::new(3, |number, mut peer: Peer| {
        for _ in 0..2 - number / 2 {
            peer.head();
            peer.say(OK);
        }
        peer.expect_end();
    });
    let client = server.builder().max_conn_requests(2).build().expect("an address");
    for number in [1, 2, 1, 2, 1] {
        let mut response = client.send(&get("/")).expect("a response");
        response.text().expect("a body");
        assert_eq!((response.conn_requests(), client.stats().idle), (number, (number % 2) as usize));
    }
    drop(client);
    server.end();
    assert!(anthill_http::client::HostClient::builder("h").max_conn_requests(0).build().is_err());
}
