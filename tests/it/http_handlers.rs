//! Handlers of all kinds, over the wire: what fails, what wraps, what is chosen at run time.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::{Handler, HttpError, RequestCtx, Server};
use anthill_tests::client::{get, post};
use anthill_tests::server::Running;

#[test]
fn an_error_is_the_response_and_the_connection_goes_on() {
    let running = Running::serving(
        Server::builder()
            .build(|ctx| {
                ctx.set_body("half done");
                ctx.response.set_header("X-Half-Done", "yes");
                match ctx.path() {
                    "/missing" => Err(HttpError::new(404, "no such thing").into()),
                    "/broken" => Err("the password is 1234".into()),
                    "/io" => Err(io::Error::from(io::ErrorKind::PermissionDenied).into()),
                    _ => Ok::<(), Box<dyn std::error::Error + Send + Sync>>(()),
                }
            })
            .unwrap(),
    );
    let mut client = running.client();
    for (path, status, text) in [
        ("/missing", 404, "no such thing"),
        ("/fine", 200, "half done"),
        ("/broken", 500, "Internal Server Error"),
        ("/io", 500, "Internal Server Error"),
    ] {
        let reply = client.get(path);
        assert_eq!((reply.status, reply.text(), reply.closes()), (status, text, false), "{path}");
        assert_eq!(reply.field("X-Half-Done").is_some(), status == 200, "{path}");
    }
    assert_eq!(running.server().stats().panics, 0);
}

#[test]
fn a_body_that_cannot_be_read_is_answered_for_what_it_is() {
    let read_all = |ctx: &mut RequestCtx| -> io::Result<()> {
        if ctx.path() == "/whole" {
            ctx.read_body()?;
        } else {
            ctx.body_reader().read_to_end(&mut Vec::new())?;
        }
        ctx.set_body("read");
        Ok(())
    };
    let options = Server::builder().stream_request_body(true).max_request_body_size(4);
    let running = Running::serving(options.build(read_all).unwrap());
    let mut client = running.client();
    assert_eq!(client.exchange(post("/whole", "1234")).text(), "read");
    assert_eq!(client.exchange(post("/stream", "12345")).text(), "read");
    let reply = client.exchange(post("/whole", "12345"));
    assert_eq!((reply.status, reply.text()), (413, "Request body too large"));
    let mut client = running.client();
    let reply =
        client.exchange("POST /stream HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n");
    assert_eq!((reply.status, reply.text()), (400, "Error when parsing request"));
}

#[test]
fn wrappers_see_what_is_sent_also_behind_a_panic() {
    anthill_tests::quiet_panics();
    fn wrapped(next: impl Handler, seen: Arc<AtomicUsize>) -> impl Handler {
        move |ctx: &mut RequestCtx| {
            next.handle(ctx);
            seen.store(ctx.response.status_code().into(), Ordering::SeqCst);
            ctx.response.set_header("X-Wrapped", "yes");
        }
    }
    let inner: Box<dyn Handler> = Box::new(|ctx: &mut RequestCtx| match ctx.path() {
        "/panic" => panic!("for the test"),
        "/conflict" => Err(HttpError::new(409, "conflict")),
        _ => Ok(()),
    });
    let seen = Arc::new(AtomicUsize::new(0));
    let server = Server::builder().build_handler(wrapped(inner, seen.clone())).unwrap();
    let running = Running::serving(server);
    let mut client = running.client();
    for (path, status) in [("/", 200), ("/conflict", 409)] {
        let reply = client.exchange(get(path));
        assert_eq!((reply.status, reply.field("X-Wrapped")), (status, Some("yes")));
        assert_eq!(seen.load(Ordering::SeqCst), usize::from(status));
    }
    let reply = client.get("/panic");
    assert_eq!((reply.status, reply.field("X-Wrapped"), reply.closes()), (500, Some("yes"), false));
    assert_eq!(seen.load(Ordering::SeqCst), 500);
    assert_eq!(running.server().stats().panics, 1);
    assert_eq!(client.get("/").status, 200);
}
