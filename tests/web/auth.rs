//! Who is let in by name and password, or by a token; who is not, and what he is told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::middleware::{BearerError, basic_auth, bearer_auth, same_secret};
use anthill_http::{Handler, HttpError, RequestCtx, Response, Router, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::browser::{request, server_of};

const CHALLENGE: &str = r#"Basic realm="the \"shop\"", charset="UTF-8""#;

fn ask(server: &Server, authorizations: &[&str]) -> Response {
    let mut request = request("GET", "/");
    for authorization in authorizations {
        request.append_header("Authorization", authorization);
    }
    server.call(&request).expect("a response")
}

fn basic(text: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

/// A server that lets these in, and the number of requests that its handler has seen.
fn guarded(user: &'static str, password: &'static str) -> (Server, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let hello = move |ctx: &mut RequestCtx| {
        count.fetch_add(1, Ordering::SeqCst);
        let text = format!("hello {:?}", ctx.auth_user());
        ctx.set_body(text);
    };
    let verify = move |given: &str, secret: &str, _: &mut RequestCtx| {
        same_secret(given, user) & same_secret(secret, password)
    };
    (server_of(basic_auth(hello, "the \"shop\"", verify)), seen)
}

#[test]
fn who_knows_the_password_is_let_in_and_nobody_else() {
    let (server, seen) = guarded("änn", "o:pen sesämé");
    let right = basic("änn:o:pen sesämé");
    for header in [right.clone(), right.replace("Basic ", "bASIC   "), right.trim_end_matches('=').to_owned()]
    {
        let answer = ask(&server, &[&header]);
        assert_eq!(
            (answer.status_code(), answer.body()),
            (200, "hello Some(\"änn\")".as_bytes()),
            "{header}"
        );
    }
    let let_in = seen.load(Ordering::SeqCst);
    let wrong = [
        basic("änn:o:pen sesäm"),
        basic("änn:"),
        basic("änn"),
        basic("ann:o:pen sesämé"),
        basic(":o:pen sesämé"),
        basic(":"),
        basic(""),
        basic(b"\xe4nn:o:pen sesam"),
        basic("änn:o:pen sesämé\n"),
        basic("änn\0:o:pen sesämé"),
        "Basic".to_owned(),
        "Basic !!!!".to_owned(),
        "Basic  ".to_owned(),
        right.replace("Basic", "Basics"),
        right.replace("Basic", "Bearer"),
        right.replace("Basic ", "Basic"),
        format!("{right} {right}"),
        format!("{right}, Basic"),
        String::new(),
    ];
    for header in wrong.iter().map(String::as_str) {
        let answer = ask(&server, &[header]);
        assert_eq!(answer.status_code(), 401, "{header:?}");
        assert_eq!(answer.header_str("www-authenticate"), Some(CHALLENGE), "{header:?}");
        assert_eq!(answer.body(), b"Unauthorized");
    }
    assert_eq!(ask(&server, &[]).status_code(), 401);
    assert_eq!(ask(&server, &[&right, &right]).status_code(), 401, "which of the two?");
    assert_eq!(ask(&server, &[&wrong[0], &right]).status_code(), 401);
    assert_eq!(seen.load(Ordering::SeqCst), let_in, "the handler has seen nobody else");
}

#[test]
fn whoever_cannot_be_looked_up_is_not_let_in() {
    fn down(_: &str, _: &str, _: &mut RequestCtx) -> Result<bool, io::Error> {
        Err(io::Error::other("the database at db.internal is gone"))
    }
    fn busy(_: &str, _: &str, _: &mut RequestCtx) -> Result<bool, HttpError> {
        Err(HttpError::new(503, "come again"))
    }
    fn broken(_: &str, _: &str, _: &mut RequestCtx) -> bool {
        panic!("a bug")
    }
    let open = |ctx: &mut RequestCtx| ctx.set_body("the treasure");
    let credentials = basic("a:b");
    for (server, status, body) in [
        (server_of(basic_auth(open, "x", down)), 500, "Internal Server Error"),
        (server_of(basic_auth(open, "x", busy)), 503, "come again"),
        (server_of(basic_auth(open, "x", broken)), 500, "Internal Server Error"),
    ] {
        let answer = ask(&server, &[&credentials]);
        assert_eq!((answer.status_code(), answer.body()), (status, body.as_bytes()));
        assert_eq!(answer.header("www-authenticate"), None, "the user is not asked again");
        assert_eq!(ask(&server, &[]).status_code(), 401, "and nobody is asked about nothing");
    }
}

struct Customer {
    number: u32,
}

fn customer(token: &str, ctx: &mut RequestCtx) -> Result<Customer, BearerError> {
    match token {
        "abc.-_~+/12==" => Ok(Customer { number: 7 }),
        "old" => Err(BearerError::InvalidToken),
        "reader" => Err(BearerError::InsufficientScope("orders:write \"all\"".into())),
        "down" => Err(io::Error::other("no database"))?,
        "busy" => Err(HttpError::new(503, "come again"))?,
        _ => panic!("{token} in {}", ctx.path()),
    }
}

#[test]
fn tokens_are_answered_as_the_standard_has_it() {
    let hello = |ctx: &mut RequestCtx| {
        let number = ctx.identity::<Customer>().map(|customer| customer.number);
        assert!(ctx.identity::<u32>().is_none());
        ctx.set_body(format!("{number:?}"));
    };
    let server = server_of(bearer_auth(hello, "orders", customer));
    assert_eq!(ask(&server, &["bearer abc.-_~+/12=="]).body(), b"Some(7)");
    for (header, status, challenge) in [
        ("", 401, Some("")),
        ("Basic YTpi", 401, Some("")),
        ("Bearer old", 401, Some(", error=\"invalid_token\"")),
        ("Bearer reader", 403, Some(r#", error="insufficient_scope", scope="orders:write \"all\"""#)),
        ("Bearer", 400, Some(", error=\"invalid_request\"")),
        ("Bearer a b", 400, Some(", error=\"invalid_request\"")),
        ("Bearer a\"b", 400, Some(", error=\"invalid_request\"")),
        ("Bearer =", 400, Some(", error=\"invalid_request\"")),
        ("Bearer a=b", 400, Some(", error=\"invalid_request\"")),
        ("Bearer \u{e4}", 400, Some(", error=\"invalid_request\"")),
        ("Bearer down", 500, None),
        ("Bearer busy", 503, None),
        ("Bearer bug", 500, None),
    ] {
        let answer = ask(&server, &[header]);
        assert_eq!(answer.status_code(), status, "{header}");
        let expected = challenge.map(|challenge| format!("Bearer realm=\"orders\"{challenge}"));
        assert_eq!(answer.header_str("www-authenticate"), expected.as_deref(), "{header}");
    }
    let twice = ask(&server, &["Bearer old", "Bearer abc.-_~+/12=="]);
    assert_eq!(twice.status_code(), 400);
}

#[test]
fn a_group_is_guarded_for_its_404_too() {
    let verify = |user: &str, _: &str, _: &mut RequestCtx| user == "ann";
    let router = Router::new().get("/", |_: &mut RequestCtx| {}).nest("/private", |private| {
        private.wrap(move |next| basic_auth(next, "private", verify)).get("/", |_: &mut RequestCtx| {})
    });
    let server = Server::builder().build_router(router).expect("routes");
    let status = |method: &str, target: &str, credentials: Option<&str>| {
        let mut request = request(method, target);
        if let Some(credentials) = credentials {
            request.set_header("Authorization", basic(credentials));
        }
        server.call(&request).expect("a response").status_code()
    };
    assert_eq!(status("GET", "/", None), 200);
    for (method, target, known) in [
        ("GET", "/private", 200),
        ("GET", "/private/none", 404),
        ("PUT", "/private", 405),
        ("HEAD", "/private", 200),
    ] {
        assert_eq!(status(method, target, None), 401, "{method} {target}");
        assert_eq!(status(method, target, Some("ann:")), known, "{method} {target}");
    }
}

#[test]
fn outside_of_a_server_a_panic_of_the_users_function_passes() {
    let broken = |_: &str, _: &mut RequestCtx| -> Result<(), BearerError> { panic!("a bug") };
    let handler = bearer_auth(|ctx: &mut RequestCtx| ctx.set_body("in"), "x", broken);
    let mut request = request("GET", "/");
    request.set_header("Authorization", "Bearer a");
    let mut ctx = RequestCtx::for_request(request, None);
    let call = std::panic::AssertUnwindSafe(|| handler.handle(&mut ctx));
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(ctx.response.body(), b"");
}
