//! Responses without a socket.

use std::io::{Cursor, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::{Request, RequestConfig, RequestCtx, Server};

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
