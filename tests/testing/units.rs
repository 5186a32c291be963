//! Handlers that are called without a server.

use crate::failure;
use anthill_http::client::MultipartForm;
use anthill_http::testing::{CtxBuilder, answer, ctx};
use anthill_http::{RequestCtx, Router};
use std::io::Write;

#[test]
fn whatever_a_body_is_made_of_it_is_read() {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"from a file").expect("it is written");
    let file = std::sync::Mutex::new(Some(file));
    let handler = move |ctx: &mut RequestCtx| match ctx.path() {
        "/written" => ctx.response.set_body_writer(|out| out.write_all(b"written")),
        "/read" => ctx.response.set_body_reader(&b"read"[..]),
        "/file" => {
            let file = file.lock().expect("a file").take().expect("one request");
            ctx.response.set_body_file_range(file, 0, 11);
        }
        "/broken" => ctx.response.set_body_writer(|_| Err(std::io::Error::other("no ink left"))),
        _ => ctx.set_body("plain"),
    };
    for (path, text) in [("/written", "written"), ("/read", "read"), ("/file", "from a file"), ("/", "plain")]
    {
        answer(&handler, ctx(&format!("GET {path}"))).assert_status(200).assert_text(text);
    }
    let message = failure(|| answer(&handler, ctx("GET /broken")).text().len());
    crate::assert_in_order(&message, &["no ink left", "> GET /broken HTTP/1.1", "< HTTP/1.1 200 OK"]);
}

#[test]
fn what_is_said_is_in_the_context() {
    let built = CtxBuilder::new("POST /users/7?a=b")
        .query("c", "d e")
        .header("X-Own", "1")
        .host("h.example")
        .bearer_auth("abc")
        .remote_addr(([10, 0, 0, 1], 5))
        .param("id", "7")
        .route("/users/{id}")
        .json(&[1, 2])
        .build();
    assert_eq!((built.method(), built.path(), built.request.host_str()), ("POST", "/users/7", "h.example"));
    assert_eq!(built.query_arg("c").as_deref(), Some(&b"d e"[..]));
    assert_eq!(built.param("id").map(str::to_owned).as_deref(), Some("7"));
    assert_eq!((built.parse_param::<u8>("id").ok(), built.route()), (Some(7), Some("/users/{id}")));
    assert_eq!((built.header("Authorization"), built.body()), (Some(&b"Bearer abc"[..]), &b"[1,2]"[..]));
    assert_eq!(built.remote_addr().to_string(), "10.0.0.1:5");
    let form = MultipartForm::new().text("a", "1").file("f", "x.txt", "text/plain", &b"abc"[..], Some(3));
    let mut built = CtxBuilder::new("POST /").multipart(form).build();
    assert_eq!(built.form_value_str("a").as_deref(), Some("1"));
    assert_eq!(built.form_file("f").expect("a file").len(), 3);
    for (line, wanted) in [("GET", "invalid request target"), ("", "invalid"), ("G/T /", "invalid method")] {
        let message = failure(|| ctx(line));
        assert!(message.contains(wanted), "{line}: {message}");
    }
}

#[test]
fn a_router_finds_its_own_and_a_panic_is_the_tests() {
    let show = |ctx: &mut RequestCtx| {
        let text = format!("{:?}", ctx.params().collect::<Vec<_>>());
        ctx.set_body(text);
    };
    let routes = Router::new().get("/users/{id}", show).build().expect("routes");
    let built = CtxBuilder::new("GET /users/7").param("other", "x").build();
    answer(&routes, built).assert_text(r#"[("id", "7")]"#);
    answer(&routes, ctx("GET /else")).assert_status(404);
    let message = failure(|| answer(&|_: &mut RequestCtx| -> () { panic!("no ink left") }, ctx("GET /")));
    assert_eq!(message, "no ink left");
    let stands_in = |ctx: &mut RequestCtx| {
        ctx.timeout_error("too late");
        ctx.set_body("not this");
    };
    answer(&stands_in, ctx("GET /")).assert_status(503).assert_text("too late");
}
