//! A call of the client over a connection that is there allocates nothing, and no server can make much be allocated by
//! saying so.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::Request;
use anthill_http::client::{HostClient, HostClientBuilder};
use anthill_tests::server::Running;
use anthill_tests::within;

use crate::http::allocations;
use crate::{Meter, bytes_asked_for, enroll};

/// Calls window after window, each with `request`, and fails if all of them allocate. The client's thread counts alone.
fn assert_no_allocations(
    meter: &'static Meter,
    settings: impl FnOnce(HostClientBuilder) -> HostClientBuilder,
    request: Request,
    body: &'static str,
) {
    let running = Running::new(move |ctx| ctx.set_body(body));
    let client = settings(HostClient::builder(running.address().to_string())).build().expect("an address");
    let counts = within("calls window after window", move || {
        enroll(meter);
        let (mut response, mut room) = (client.send(&request).expect("a response"), Vec::new());
        response.read_body_into(&mut room).expect("a body");
        allocations(|calls| {
            for _ in 0..calls {
                client.send_into(&request, &mut response).expect("a response");
                room.clear();
                response.read_body_into(&mut room).expect("a body");
                assert_eq!((response.status_code(), &*room), (200, body.as_bytes()));
            }
            meter.load(Ordering::Relaxed)
        })
    });
    assert!(counts.contains(&0), "allocations in each window: {counts:?}");
}

#[test]
fn prf_01_no_allocation_per_call_over_a_connection_that_is_there() {
    static METER: Meter = AtomicUsize::new(0);
    let mut request = Request::new("GET", "/path?name=value").expect("a request");
    request.set_header("Accept", "text/html");
    assert_no_allocations(&METER, |client| client, request, "a small page");
}

#[test]
fn no_allocation_per_call_with_a_body_limits_and_fields_of_all_requests() {
    static METER: Meter = AtomicUsize::new(0);
    let limit = std::time::Duration::from_secs(60);
    let mut request = Request::new("POST", "http://own.test/path").expect("a request");
    request.set_body("a body of its own");
    let settings = move |client: HostClientBuilder| {
        let client = client.timeout(limit).read_timeout(limit).write_timeout(limit).conn_wait_timeout(limit);
        client.max_response_body_size(1_000_000).default_header("X-Api-Key", "ants").decompress(true)
    };
    assert_no_allocations(&METER, settings, request, "a small page");
}

#[test]
fn a_length_that_a_server_announces_is_not_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it listens");
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let _ = stream.read(&mut [0; 4096]).expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\nfour").expect("a client");
    });
    let settings = HostClient::builder(addr.to_string()).max_response_body_size(u64::MAX);
    let client = settings.build().expect("an address");
    let request = Request::new("GET", "/").expect("a request");
    let asked = bytes_asked_for(|| {
        let mut response = client.send(&request).expect("the head is fine");
        assert!(response.read_body().is_err(), "most of it is missing");
    });
    assert!(asked < 1_000_000, "{asked} bytes");
    serving.join().expect("no panic");
}
