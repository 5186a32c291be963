//! Tags of bodies: the same for the same bytes, for what may be kept, and 304 for who has them.

use anthill_http::events::EventHub;
use anthill_http::middleware::{EtagPolicy, etag};
use anthill_http::{CompressPolicy, Request, RequestCtx, Response, Server, compress};

const TEXT: &str = "The ants go marching one by one, hurrah, hurrah. ";

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/static" => ctx.response.set_body_static(TEXT.as_bytes()),
        "/own" => {
            ctx.response.set_header("ETag", "\"own\"");
            ctx.set_body(TEXT);
        }
        "/reader" => ctx.response.set_body_reader(std::io::Cursor::new(TEXT)),
        "/writer" => ctx.response.set_body_writer(|out| std::io::Write::write_all(out, TEXT.as_bytes())),
        "/events" => {
            let hub = EventHub::new();
            ctx.set_event_stream(hub.subscribe());
            hub.close();
        }
        "/secret" => {
            ctx.response.set_header("Cache-Control", "private, No-Store");
            ctx.set_body(TEXT);
        }
        "/created" => {
            ctx.set_status_code(201);
            ctx.set_body(TEXT);
        }
        "/panics" => std::panic::resume_unwind(Box::new("quietly")),
        "/empty" => {}
        "/large" => ctx.set_body(TEXT.repeat(100)),
        "/other" => ctx.set_body(TEXT.to_uppercase()),
        _ => {
            ctx.response.set_header("Cache-Control", "max-age=60");
            ctx.set_body(TEXT);
        }
    }
}

fn ask(server: &Server, method: &str, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut request = Request::new(method, path).expect("a request");
    for (name, value) in fields {
        request.append_header(name, value);
    }
    server.call(&request).expect("an answer")
}

fn server(policy: EtagPolicy) -> Server {
    Server::builder().build_handler(etag(answer, policy)).expect("valid options")
}

fn tag(response: &Response) -> Option<String> {
    response.header_str("etag").map(str::to_owned)
}

#[test]
fn the_same_bytes_have_the_same_tag() {
    let server = server(EtagPolicy::new());
    let plain = tag(&ask(&server, "GET", "/", &[])).expect("a tag");
    assert!(plain.starts_with(&format!("W/\"{}-", TEXT.len())), "{plain}");
    assert_eq!(tag(&ask(&server, "GET", "/static", &[])).as_ref(), Some(&plain));
    assert_ne!(tag(&ask(&server, "GET", "/other", &[])), Some(plain.clone()));
    let head = ask(&server, "HEAD", "/", &[]);
    assert_eq!((tag(&head), head.body()), (Some(plain), &b""[..]));
}

#[test]
fn who_has_it_is_sent_nothing() {
    for policy in [EtagPolicy::new(), EtagPolicy::new().strong(true)] {
        let server = server(policy);
        let first = ask(&server, "GET", "/", &[]);
        let tag = tag(&first).expect("a tag");
        assert_eq!(tag.starts_with("W/"), policy == EtagPolicy::new());
        for method in ["GET", "HEAD"] {
            let list = format!("\"old\", {tag}");
            let again = ask(&server, method, "/", &[("If-None-Match", &list)]);
            assert_eq!((again.status_code(), again.body()), (304, &b""[..]));
            assert_eq!(again.header_str("etag"), Some(tag.as_str()));
            assert_eq!(again.header_str("cache-control"), Some("max-age=60"));
        }
        let other = ask(&server, "GET", "/", &[("If-None-Match", "\"old\"")]);
        assert_eq!((other.status_code(), other.body()), (200, TEXT.as_bytes()));
    }
    // A weak one is good for nothing that has to be the same byte for byte.
    let weak = server(EtagPolicy::new());
    let tag = tag(&ask(&weak, "GET", "/", &[])).expect("a tag");
    assert_eq!(ask(&weak, "GET", "/", &[("If-Match", &tag)]).status_code(), 412);
}

#[test]
fn what_is_no_whole_body_or_has_a_tag_is_left_alone() {
    let server = server(EtagPolicy::new().max_bytes(TEXT.len()));
    for (method, path) in [
        ("GET", "/reader"),
        ("GET", "/writer"),
        ("GET", "/events"),
        ("GET", "/secret"),
        ("GET", "/created"),
        ("GET", "/panics"),
        ("GET", "/empty"),
        ("GET", "/large"),
        ("POST", "/"),
    ] {
        let response = ask(&server, method, path, &[("If-None-Match", "*")]);
        assert_eq!(tag(&response), None, "{method} {path}");
        assert_ne!(response.status_code(), 304, "{method} {path}");
    }
    let own = ask(&server, "GET", "/own", &[("If-None-Match", "\"own\"")]);
    assert_eq!(
        (own.status_code(), tag(&own).as_deref()),
        (200, Some("\"own\"")),
        "the handler has judged it"
    );
}

#[test]
fn behind_compression_the_tag_is_found_again() {
    let handler = compress(etag(answer, EtagPolicy::new().strong(true)), CompressPolicy::new());
    let server = Server::builder().build_handler(handler).expect("valid options");
    let large = || [("Accept-Encoding", "gzip")];
    let first = ask(&server, "GET", "/large", &large());
    let tag = tag(&first).expect("a tag");
    assert_eq!((first.header_str("content-encoding"), tag.starts_with("W/")), (Some("gzip"), true));
    let again = ask(&server, "GET", "/large", &[("Accept-Encoding", "gzip"), ("If-None-Match", &tag)]);
    assert_eq!((again.status_code(), again.header_str("vary")), (304, Some("Accept-Encoding")));
}
