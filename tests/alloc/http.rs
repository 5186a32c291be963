//! A keep-alive request allocates nothing, over a real socket.
//!
//! The server's threads enrol themselves by running the handler, which all that serve do; the client's thread does not
//! count. As everywhere here a window of many requests must be free of allocations, and all windows together may have
//! but a handful.

use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::RequestCtx;
use anthill_tests::client::Client;
use anthill_tests::server::Running;
use anthill_tests::within;

use crate::{GROWTH, Meter, WINDOWS, enroll};

/// Requests in a window.
const WINDOW: usize = 5_000;

/// Sends `request` window after window and fails if the server allocates for it. Each `request` is answered `replies`
/// times, by `status`.
fn assert_no_allocations(
    meter: &'static Meter,
    request: &'static str,
    replies: usize,
    handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static,
) {
    let running = Running::new(move |ctx| {
        enroll(meter);
        handler(ctx);
    });
    let mut client: Client = running.client();
    let counts: Vec<usize> = within("requests window after window", move || {
        let mut run = |requests: usize| {
            for _ in 0..requests {
                client.send(request);
                for _ in 0..replies {
                    assert_eq!(client.response().status, 200);
                }
            }
            meter.load(Ordering::Relaxed)
        };
        // Until the buffers have their size, and both shards' threads have been seen.
        run(WINDOW / 10);
        (0..WINDOWS).map(|_| run(0).abs_diff(run(WINDOW))).collect()
    });
    assert_eq!(running.handled(), replies * (WINDOWS * WINDOW + WINDOW / 10), "all of them were handled");
    assert!(counts.contains(&0), "allocations in each window: {counts:?}");
    assert!(counts.iter().sum::<usize>() <= GROWTH, "allocations: {counts:?}");
}

#[test]
fn no_allocation_per_keep_alive_request_with_a_cookie() {
    static METER: Meter = AtomicUsize::new(0);
    let request = "GET /path?name=value HTTP/1.1\r\nHost: h\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: a=1; b=2\r\n\r\n";
    assert_no_allocations(&METER, request, 1, |ctx| {
        assert_eq!(
            (ctx.cookie("b"), ctx.query_arg("name").as_deref()),
            (Some(&b"2"[..]), Some(&b"value"[..]))
        );
        assert_eq!(ctx.header("accept"), Some(&b"*/*"[..]));
        ctx.set_content_type("text/html");
        ctx.response.set_header("X-Some", "value");
        ctx.response.append_header("Set-Cookie", "c=3");
        ctx.set_body("<p>a small page</p>");
    });
}

#[test]
fn no_allocation_per_request_with_a_body() {
    static METER: Meter = AtomicUsize::new(0);
    let request = "POST /a%20b/../c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\
                   POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n";
    assert_no_allocations(&METER, request, 2, |ctx| {
        assert_eq!(ctx.body(), b"hello");
        ctx.write("some");
        ctx.write("thing");
    });
}
