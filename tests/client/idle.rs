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
