//! Values and structures of requests, over both drivers: what is right is read, what is wrong is answered by itself.

use std::collections::BTreeMap;

use anthill_http::{
    Handler, HttpError, InputError, Problem, Request, RequestCtx, Router, Server, StatusError,
};
use anthill_tests::client::Reply;
use anthill_tests::drivers::on_both;
use anthill_tests::server::{Running, plain};
use serde::Deserialize;
use serde_json::{Value, json};

/// The problem in it.
#[track_caller]
pub(crate) fn problem(reply: &Reply) -> Value {
    assert_eq!(reply.field("Content-Type"), Some("application/problem+json"), "{reply:?}");
    let problem: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(problem["status"], reply.status);
    problem
}

/// A request with a form, in this coding if there is one.
fn with_form(content_type: &str, coding: &str, body: &[u8]) -> Vec<u8> {
    let coding = if coding.is_empty() { String::new() } else { format!("Content-Encoding: {coding}\r\n") };
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\n{coding}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn single_values_of_every_part() {
    fn handle(ctx: &mut RequestCtx) -> Result<(), InputError> {
        let page: u32 = ctx.parse_query_arg("page")?;
        let version: u8 = ctx.parse_header("X-Version")?;
        let user: i64 = ctx.parse_cookie("user")?;
        let size: Option<u16> = ctx.parse_query_arg_opt("size")?;
        let name: String = ctx.parse_form_value("name")?;
        ctx.set_body(format!("{page} {version} {user} {size:?} {name}"));
        Ok(())
    }
    on_both(
        plain(),
        |ctx| handle.handle(ctx),
        |driven| {
            let mut client = driven.client();
            let mut ask = |target: &str, fields: &str, body: &str| {
                let length = body.len();
                client.exchange(format!(
                    "POST {target} HTTP/1.1\r\nHost: h\r\nContent-Type: {FORM}\r\n{fields}Content-Length: \
                     {length}\r\n\r\n{body}"
                ))
            };
            const FIELDS: &str = "x-version: 7\r\nCookie: user=-1\r\n";
            assert_eq!(ask("/?page=2", FIELDS, "name=a+b").text(), "2 7 -1 None a b");
            assert_eq!(ask("/?page=2&size=3&name=q", FIELDS, "name=a").text(), "2 7 -1 Some(3) q");
            for (target, fields, body, status, detail, at) in [
                ("/", FIELDS, "", 400, "the query argument \"page\" is missing", "#/page"),
                (
                    "/?page=2&size=x",
                    FIELDS,
                    "",
                    400,
                    "the query argument \"size\" is not valid: invalid digit found in string",
                    "#/size",
                ),
                ("/?page=2", "", "", 400, "the header field \"X-Version\" is missing", "#/X-Version"),
                (
                    "/?page=2",
                    "X-Version: 256\r\nCookie: user=1\r\n",
                    "",
                    400,
                    "the header field \"X-Version\" is not valid: number too large to fit in target type",
                    "#/X-Version",
                ),
                (
                    "/?page=2",
                    "X-Version: 2\r\nCookie: user=\r\n",
                    "",
                    400,
                    "the cookie \"user\" is not valid: cannot parse integer from empty string",
                    "#/user",
                ),
                ("/?page=2", FIELDS, "nam=a", 422, "the form field \"name\" is missing", "#/name"),
            ] {
                let reply = ask(target, fields, body);
                let problem = problem(&reply);
                assert_eq!((reply.status, problem["detail"].as_str()), (status, Some(detail)));
                assert_eq!(problem["errors"][0]["pointer"], at);
            }
        },
    );
}

#[test]
fn parameters_by_type_and_as_a_structure() {
    #[derive(Deserialize)]
    struct Page {
        book: String,
        number: u32,
    }
    fn page(ctx: &mut RequestCtx) -> Result<(), InputError> {
        let page: Page = ctx.params_as()?;
        let same: u32 = ctx.parse_param("number")?;
        assert_eq!((page.number, ctx.parse_param_opt::<u32>("none")?), (same, None));
        ctx.set_body(format!("{} of {}", page.number, page.book));
        Ok(())
    }
    fn wrong(ctx: &mut RequestCtx) -> Result<(), InputError> {
        ctx.parse_param::<u32>("nobody").map(drop)
    }
    let router = Router::new().get("/{book}/{number}", page).get("/wrong", wrong);
    let running = Running::serving(plain().build_router(router).expect("routes"));
    let mut client = running.client();
    assert_eq!(client.get("/red%20ants%26/7").text(), "7 of red ants&");
    let refused = client.get("/a/x");
    let told = problem(&refused);
    assert_eq!(refused.status, 400);
    assert_eq!(told["detail"], "the parameter \"number\" is not valid: invalid digit found in string");
    assert_eq!(
        told["errors"],
        json!([{"detail": "invalid digit found in string", "pointer": "#/number", "in": "path"}])
    );
    // A mistake of the program's is not told.
    let failed = client.get("/wrong");
    assert_eq!(failed.status, 500);
    assert!(!failed.text().contains("nobody"), "{}", failed.text());
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "it is read by its `Debug`")]
struct Guest {
    name: String,
    #[serde(default)]
    tags: Vec<String>,
    age: Option<u8>,
}

#[test]
fn forms_of_either_kind_and_any_coding() {
    const MULTIPART: &str = "multipart/form-data; boundary=x";
    fn guest(ctx: &mut RequestCtx) -> Result<(), Problem> {
        let guest: Guest = ctx.form()?;
        let again: BTreeMap<String, Value> = ctx.form()?;
        assert_eq!(again["name"], guest.name, "it is kept");
        ctx.set_body(format!("{guest:?}"));
        Ok(())
    }
    let part = |name: &str, value: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let multipart = [
        part("name", "a & b"),
        part("tags", "c"),
        part("tags", "d=e"),
        "--x\r\nContent-Disposition: form-data; name=\"age\"; filename=\"f\"\r\n\r\n1\r\n--x--\r\n"
            .to_owned(),
    ]
    .concat();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, b"name=a&tags=b").expect("memory");
    let packed = packed.finish().expect("memory");
    for streams in [false, true] {
        on_both(
            plain().stream_request_body(streams).max_request_body_size(1000),
            |ctx| guest.handle(ctx),
            |driven| {
                let mut client = driven.client();
                let read = client.exchange(with_form(FORM, "", b"name=a+%26+b&tags=c&tags=d%3De&age="));
                assert_eq!(read.text(), r#"Guest { name: "a & b", tags: ["c", "d=e"], age: None }"#);
                let read = client.exchange(with_form(MULTIPART, "", multipart.as_bytes()));
                assert_eq!(
                    read.text(),
                    r#"Guest { name: "a & b", tags: ["c", "d=e"], age: None }"#,
                    "a file is no value"
                );
                let read = client.exchange(with_form(FORM, "gzip", &packed));
                assert_eq!(read.text(), r#"Guest { name: "a", tags: ["b"], age: None }"#);
                for (content_type, coding, body, status, pointer) in [
                    (FORM, "", &b"tags=a"[..], 422, Some("#/name")),
                    (FORM, "", b"name=a&age=300", 422, Some("#/age")),
                    (FORM, "", b"name=a&name=b", 422, Some("#/name")),
                    (FORM, "", b"name=%ff", 422, Some("#/name")),
                    (MULTIPART, "", b"nothing", 400, None),
                    ("text/plain", "", b"name=a", 415, None),
                    (FORM, "compress", b"name=a", 415, None),
                    (FORM, "gzip", b"name=a", 400, None),
                ] {
                    let reply = client.exchange(with_form(content_type, coding, body));
                    let problem = problem(&reply);
                    assert_eq!(
                        (reply.status, problem["errors"][0]["pointer"].as_str()),
                        (status, pointer),
                        "{content_type} {coding} {problem}"
                    );
                }
                let mut large = driven.client();
                let reply = large.exchange(with_form(FORM, "", &[b'a'; 1001]));
                assert_eq!(reply.status, 413);
            },
        );
    }
}

#[test]
fn what_is_repeated_of_a_request_does_not_grow_with_it() {
    let server = Server::builder()
        .max_request_body_size(None)
        .build(|ctx| -> Result<(), InputError> { ctx.form::<Guest>().map(drop) })
        .expect("options");
    for body in [
        format!("name=a&age={}", "9".repeat(1 << 20)),
        format!("name=a&{}=%ff", "k".repeat(1 << 20)),
        format!("name=a&age={}", "\u{e4}".repeat(1 << 20)),
    ] {
        let mut request = Request::new("POST", "/").expect("a request");
        request.set_content_type(FORM);
        request.set_body(body);
        let response = server.call(&request).expect("an answer");
        assert_eq!(response.status_code(), 422);
        assert!(response.body().len() < 2000, "{} bytes", response.body().len());
    }
}

#[test]
fn errors_of_all_kinds_go_into_one() {
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    fn fails<E: From<InputError>>(ctx: &mut RequestCtx) -> Result<(), E> {
        ctx.parse_query_arg::<u8>("n")?;
        Ok(())
    }
    fn as_io(ctx: &mut RequestCtx) -> std::io::Result<()> {
        ctx.parse_query_arg::<u8>("n").map(drop).map_err(std::io::Error::other)
    }
    let said = |handler: &dyn Fn(&mut RequestCtx)| {
        let mut ctx = RequestCtx::for_request(Request::new("GET", "/?n=x").expect("a request"), None);
        handler(&mut ctx);
        (ctx.response.status_code(), ctx.response.body_str().expect("text").to_owned())
    };
    let expected = said(&|ctx| fails::<InputError>.handle(ctx));
    assert!(expected.0 == 400 && expected.1.contains("\"pointer\":\"#/n\""), "{expected:?}");
    assert_eq!(said(&|ctx| fails::<Problem>.handle(ctx)), expected);
    assert_eq!(said(&|ctx| fails::<HttpError>.handle(ctx)), expected);
    assert_eq!(said(&|ctx| fails::<Boxed>.handle(ctx)), expected);
    assert_eq!(said(&|ctx| as_io.handle(ctx)), expected);
    // Plain ones stay plain.
    assert_eq!(HttpError::new(400, "x").problem(), None);
    assert_eq!(Problem::from(HttpError::new(404, "gone")), Problem::new(404).detail("gone"));
}
