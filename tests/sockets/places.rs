//! Threads of loops: as many sockets are agreed to as can have one, whoever asks at the same moment, and whatever
//! becomes of those that could have had it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use anthill_http::RequestCtx;
use anthill_http::websocket::{WebSocket, WebSocketOptions};
use anthill_tests::client::get;
use anthill_tests::server::{Running, plain};
use anthill_tests::sockets::{SocketClient, handshake};
use anthill_tests::tls::socket;
use anthill_tests::{Gate, eventually};

fn echo(ctx: &mut RequestCtx) {
    ctx.upgrade_websocket(&WebSocketOptions::default(), |mut socket: WebSocket| {
        while let Some(message) = socket.read()? {
            socket.send(message)?;
        }
        Ok(())
    });
}

/// Asks for a socket; `None`: it was told that there is no place.
fn ask(address: SocketAddr, together: &Barrier) -> Option<SocketClient> {
    let mut stream = socket(address);
    together.wait();
    stream.write_all(handshake("/", "").as_bytes()).expect("the server reads");
    let refused = match SocketClient::try_of_answered(stream) {
        Ok(client) => return Some(client),
        Err(refused) => refused,
    };
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("\r\nRetry-After: 2\r\n"), "{refused}");
    None
}

#[test]
fn of_many_handshakes_at_once_as_many_are_agreed_to_as_there_are_places() {
    const PLACES: usize = 3;
    const CLIENTS: usize = 24;
    for round in 0..10 {
        let running = Running::with(plain().shards(2).max_workers(6).max_streaming_workers(PLACES), echo);
        let together = Arc::new(Barrier::new(CLIENTS));
        let address = running.address();
        let ask = || {
            let together = together.clone();
            thread::spawn(move || ask(address, &together))
        };
        let asked: Vec<_> = (0..CLIENTS).map(|_| ask()).collect();
        let mut open: Vec<_> = asked.into_iter().filter_map(|asked| asked.join().unwrap()).collect();
        assert_eq!(open.len(), PLACES, "round {round}");
        for client in &mut open {
            client.say("is anybody there?");
            assert_eq!(client.hear(), "is anybody there?", "round {round}");
        }
    }
}

/// A place that was promised is there again when nobody needs it any more, however that came.
#[test]
fn a_place_is_given_back_whatever_becomes_of_its_loop() {
    const WAYS: [&str; 5] = ["/", "/changed", "/panics", "/returns", "/loop-panics"];
    let handler = |ctx: &mut RequestCtx| {
        let path = ctx.path().to_owned();
        ctx.upgrade_websocket(&WebSocketOptions::default(), move |mut socket: WebSocket| {
            match &*path {
                "/returns" => return Ok(()),
                "/loop-panics" => panic!("a planned panic"),
                _ => {}
            }
            while let Some(message) = socket.read()? {
                socket.send(message)?;
            }
            Ok(())
        });
        match ctx.path() {
            "/changed" => ctx.error("something else", 200),
            "/panics" => panic!("a planned panic"),
            _ => {}
        }
    };
    let running = Running::with(plain().shards(1).max_workers(3).max_streaming_workers(1), handler);
    for way in WAYS {
        for _ in 0..3 {
            // Whoever asks goes at once.
            let mut stream = socket(running.address());
            stream.write_all(handshake(way, "").as_bytes()).expect("the server reads");
        }
        let open = |stream: &mut TcpStream| stream.write_all(handshake("/", "").as_bytes());
        eventually("the place is free", || {
            let mut stream = socket(running.address());
            open(&mut stream).expect("the server reads");
            let Ok(mut client) = SocketClient::try_of_answered(stream) else { return false };
            client.say("hello");
            assert_eq!(client.hear(), "hello", "{way}");
            let mut other = socket(running.address());
            open(&mut other).expect("the server reads");
            assert!(SocketClient::try_of_answered(other).is_err(), "there is one place alone ({way})");
            client.close(1000);
            assert_eq!(client.close_code(), 1000, "{way}");
            true
        });
    }
}

/// All workers are at handlers that block, and the driver is asleep: a loop that had a place, and gets no thread in
/// time, closes its socket by itself.
#[test]
fn a_loop_that_gets_no_thread_in_time_closes_its_socket() {
    let gate = Gate::new();
    let (waits, begun) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let counts = begun.clone();
    let options = plain().shards(1).max_workers(1).max_streaming_workers(1);
    let running = Running::with(options.max_wait(Duration::from_millis(200)), move |ctx| match ctx.path() {
        "/first" | "/second" => {
            counts.fetch_add(1, Ordering::SeqCst);
            waits.pass();
        }
        _ => echo(ctx),
    });
    // Of neither it is known that it blocks, so both begin where they came, and are overtaken: one worker more is there
    // than the loop's and another.
    let mut blocked = running.clients(2);
    for (number, path) in ["/first", "/second"].into_iter().enumerate() {
        blocked[number].send(get(path));
        eventually("it blocks", || begun.load(Ordering::SeqCst) > number);
    }
    for _ in 0..3 {
        let mut client = SocketClient::open(running.address(), "/");
        assert_eq!(client.close_code(), 1013);
    }
    gate.open();
    assert!(blocked.iter_mut().all(|client| client.response().status == 200));
    eventually("there is a thread again", || {
        let mut client = SocketClient::open(running.address(), "/");
        client.say("hello");
        matches!(client.next_message(), Ok(tungstenite::Message::Text(_)))
    });
}
