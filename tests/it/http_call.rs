//! Responses without a socket.

use std::io::{Cursor, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::events::{Event, event_channel};
use anthill_http::{ProtoError, Request, RequestConfig, RequestCtx, Response, Server};

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/echo" => ctx.response.set_body(ctx.request.body()),
        "/reader" => ctx.response.set_body_reader(Cursor::new(vec![b'r'; 100_000])),
        "/writer" => ctx.response.set_body_writer(|out| {
            for _ in 0..3 {
                out.write_all(b"part ")?;
                out.flush()?;
            }
            Ok(())
        }),
        "/broken" => ctx.response.set_body_writer(|out| {
            out.write_all(b"part ")?;
            out.flush()?;
            Err(std::io::Error::other("it breaks off"))
        }),
        "/file" => {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(b"from the disk").expect("room");
            ctx.response.set_body_file(file).expect("a size");
        }
        "/hints" => {
            ctx.response.append_header("Link", "</style.css>; rel=preload");
            assert!(ctx.early_hints().expect("the caller takes it"));
            ctx.set_body("behind hints");
        }
        "/panic" => std::panic::resume_unwind(Box::new("quietly")),
        _ => ctx.not_found(),
    }
}

fn request(method: &str, target: &str) -> Request {
    Request::new(method, target).expect("a request")
}

#[test]
fn whatever_brings_a_body_it_is_there_as_bytes() {
    let server = Server::new(answer).expect("valid options");
    let body = |target: &str| {
        let response = server.call(&request("GET", target)).expect(target);
        assert_eq!(response.status_code(), 200, "{target}");
        String::from_utf8(response.body().to_vec()).expect("text")
    };
    assert_eq!(body("/reader"), "r".repeat(100_000));
    assert_eq!(body("/writer"), "part part part ");
    assert_eq!(body("/file"), "from the disk");
    assert_eq!(body("/hints"), "behind hints");
    assert!(server.call(&request("GET", "/broken")).expect_err("it breaks off").is_body());
    let head = server.call(&request("HEAD", "/file")).expect("an answer");
    assert_eq!((head.header_str("content-length"), head.body()), (Some("13"), &b""[..]));
    let stats = server.stats();
    assert_eq!((stats.requests, stats.open_connections), (6, 0));
}

#[test]
fn hooks_limits_and_panics_are_as_for_any_client() {
    let completed = Arc::new(AtomicUsize::new(0));
    let count = completed.clone();
    let server = Server::builder()
        .name("shop")
        .max_request_body_size(5)
        .header_received(|request| match request.path() {
            "/large" => RequestConfig::new().max_request_body_size(None),
            _ => RequestConfig::new(),
        })
        .panic_handler(|ctx, _| ctx.error("sorry", 500))
        .on_complete(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build(answer)
        .expect("valid options");
    let with_body = |target: &str, body: &str| {
        let mut request = request("POST", target);
        request.set_body(body);
        let response = server.call(&request).expect("an answer");
        (response.status_code(), String::from_utf8_lossy(response.body()).into_owned())
    };
    assert_eq!(with_body("/echo", "five!"), (200, "five!".to_owned()));
    assert_eq!(with_body("/echo", "sixsix"), (413, "Request body too large".to_owned()));
    assert_eq!(with_body("/large", "sixsix").0, 404);
    assert_eq!(with_body("/panic", ""), (500, "sorry".to_owned()));
    assert_eq!(completed.load(Ordering::SeqCst), 4, "also of what is refused");
    let response = server.call(&request("GET", "/none")).expect("an answer");
    assert_eq!((response.status_code(), response.header_str("server")), (404, Some("shop")));
}

/// Also from several threads, and beside others.
#[test]
fn an_answer_is_that_to_its_request() {
    let server = Server::new(answer).expect("valid options");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for number in 0..50 {
                    let mut request = request("POST", "/echo");
                    request.set_body(format!("{thread} {number}"));
                    let response = server.call(&request).expect("an answer");
                    assert_eq!(response.body(), format!("{thread} {number}").as_bytes());
                }
            });
        }
    });
}

/// Of a response alone, without a server: every kind of body, within a bound that holds to the byte.
#[test]
fn rsp_09_a_streamed_body_is_read_into_bytes_within_a_bound() {
    let long = vec![b'r'; 200_000];
    let fill = |target: &str| {
        let mut ctx = RequestCtx::for_request(request("GET", target), None);
        match target {
            "/bytes" => ctx.set_body("bytes"),
            "/shared" => ctx.response.set_body_static(b"shared"),
            "/sized" => ctx.response.set_body_reader_sized(Cursor::new(long.clone()), 150_000),
            "/part" => {
                let mut file = tempfile::tempfile().expect("a file");
                file.write_all(b"from the disk").expect("room");
                ctx.response.set_body_file_range(file, 5, 3);
            }
            "/long" => {
                let piece = long.clone();
                ctx.response.set_body_writer(move |out| out.write_all(&piece));
            }
            "/nothing" => ctx.response.set_body_writer(|_| Ok(())),
            _ => answer(&mut ctx),
        }
        ctx.response
    };
    for (target, expected) in [
        ("/bytes", &b"bytes"[..]),
        ("/shared", b"shared"),
        ("/reader", &long[..100_000]),
        ("/sized", &long[..150_000]),
        ("/writer", b"part part part "),
        ("/long", &long),
        ("/nothing", b""),
        ("/file", b"from the disk"),
        ("/part", b"the"),
    ] {
        let mut response = fill(target);
        assert_eq!(response.read_body(expected.len()).expect(target), expected, "{target}");
        assert_eq!((response.is_body_stream(), response.body()), (false, expected), "{target}");
        assert_eq!(response.read_body(usize::MAX).expect("it is there"), expected, "again");
        let mut sent = Vec::new();
        response.write_to(&mut sent).expect("bytes can be written");
        assert!(sent.ends_with(expected) && response.content_length() == Some(expected.len() as u64));
        let Some(less) = expected.len().checked_sub(1) else { continue };
        for max in [less, 0] {
            let error = fill(target).read_body(max).expect_err("one byte too many");
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<ProtoError>());
            assert_eq!(
                (error.kind(), cause),
                (ErrorKind::InvalidData, Some(&ProtoError::BodyTooLarge)),
                "{target}"
            );
        }
    }
    let mut broken = fill("/broken");
    assert_eq!(broken.read_body(1000).expect_err("it breaks off").to_string(), "it breaks off");
    assert_eq!((broken.is_body_stream(), broken.body()), (false, &b""[..]), "half a body is none");
    let mut short = fill("/bytes");
    short.set_body_reader_sized(Cursor::new(b"abc"), 4);
    assert_eq!(short.read_body(1000).expect_err("it ends early").kind(), ErrorKind::UnexpectedEof);
}

/// Whoever writes on although nobody keeps it learns so, and what produced a body is dropped once.
#[test]
fn rsp_09_a_body_without_an_end_is_given_up() {
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let counts = Counts(dropped.clone());
    let mut response = Response::new();
    response.set_body_writer(move |out| {
        let _held = &counts;
        loop {
            out.write_all(&[b'x'; 1000])?;
        }
    });
    assert_eq!(response.read_body(100_000).expect_err("it never ends").kind(), ErrorKind::InvalidData);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    response.set_body_reader(std::io::repeat(b'y'));
    assert_eq!(response.read_body(100_000).expect_err("it never ends").kind(), ErrorKind::InvalidData);

    let (sender, events) = event_channel();
    for number in 0..3 {
        sender.send(Event::data(number.to_string())).expect("room");
    }
    response.set_event_stream(events);
    let body = response.read_body(1000).expect("what was sent").to_vec();
    assert_eq!(String::from_utf8(body).expect("text"), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
}
