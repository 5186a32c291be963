//! Pages of other origins: who may read what, as browsers ask, and what caches are told.

use std::time::Duration;

use anthill_http::middleware::{Cors, CorsBuilder, cors};
use anthill_http::{HttpError, Request, RequestCtx, Response, Router, Server};
use anthill_tests::server::{Running, plain};

const APP: &str = "https://app.example";

fn answer(ctx: &mut RequestCtx) -> Result<(), HttpError> {
    match ctx.path() {
        "/fails" => return Err(HttpError::new(500, "out of order")),
        "/panics" => std::panic::resume_unwind(Box::new("quietly")),
        "/own" => {
            ctx.response.set_header("Access-Control-Allow-Origin", "*");
            ctx.response.set_header("Access-Control-Allow-Credentials", "true");
            ctx.response.set_header("Vary", "Accept");
        }
        "/streams" => ctx.response.set_body_reader(std::io::Cursor::new("streamed")),
        _ => {}
    }
    ctx.response.set_header("X-Served", "yes");
    Ok(())
}

fn server(policy: CorsBuilder) -> Server {
    let handler = cors(answer, policy.build().expect("a policy"));
    Server::builder().build_handler(handler).expect("valid options")
}

fn ask(server: &Server, method: &str, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut request = Request::new(method, path).expect("a request");
    for (name, value) in fields {
        request.append_header(name, value);
    }
    server.call(&request).expect("an answer")
}

/// What it says about other origins, and what it depends on.
fn said(response: &Response) -> Vec<(String, String)> {
    let about = |name: &str| name.starts_with("Access-Control") || name == "Vary";
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).expect("text");
    response
        .headers()
        .iter()
        .filter(|(name, _)| about(name))
        .map(|(name, value)| (name.to_owned(), text(value)))
        .collect()
}

fn pairs<'a>(expected: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn an_origin_is_told_of_itself_alone() {
    let server = server(
        Cors::builder().origins([APP, "http://localhost:5173"]).credentials(true).expose(["X-Served"]),
    );
    let allowed = |origin| {
        pairs([
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", "X-Served"),
        ])
    };
    for origin in [APP, "http://localhost:5173"] {
        for path in ["/", "/fails", "/panics", "/streams"] {
            let response = ask(&server, "GET", path, &[("Origin", origin)]);
            assert_eq!(said(&response), allowed(origin), "{path}");
        }
    }
    // Whoever may not read is served all the same, and told nothing.
    for fields in [
        &[][..],
        &[("Origin", "https://evil.example")],
        &[("Origin", "https://app.example.evil.example")],
        &[("Origin", "https://APP.example")],
        &[("Origin", "http://app.example")],
        &[("Origin", "https://app.example:8443")],
        &[("Origin", "null")],
        &[("Origin", "")],
        &[("Origin", APP), ("Origin", APP)],
    ] {
        let response = ask(&server, "GET", "/", fields);
        assert_eq!(said(&response), pairs([("Vary", "Origin")]), "{fields:?}");
        assert_eq!(response.header_str("x-served"), Some("yes"));
    }
}

#[test]
fn what_handlers_say_themselves_is_replaced() {
    let server = server(Cors::builder().origins([APP]));
    let refused = ask(&server, "GET", "/own", &[("Origin", "https://evil.example")]);
    assert_eq!(said(&refused), pairs([("Vary", "Accept, Origin")]));
    let allowed = ask(&server, "GET", "/own", &[("Origin", APP)]);
    assert_eq!(said(&allowed), pairs([("Vary", "Accept, Origin"), ("Access-Control-Allow-Origin", APP)]));
}

#[test]
fn what_all_may_read_is_the_same_for_all() {
    let server = server(Cors::builder().any_origin());
    for fields in [&[][..], &[("Origin", APP)], &[("Origin", "null")]] {
        for path in ["/", "/fails"] {
            let response = ask(&server, "GET", path, fields);
            assert_eq!(said(&response), pairs([("Access-Control-Allow-Origin", "*")]));
        }
    }
}

#[test]
fn a_function_may_judge() {
    let server = server(Cors::builder().origins_if(|origin| origin.ends_with(".app.example")));
    let of = |origin| {
        ask(&server, "GET", "/", &[("Origin", origin)])
            .header_str("access-control-allow-origin")
            .map(str::to_owned)
    };
    assert_eq!(of("https://a.app.example").as_deref(), Some("https://a.app.example"));
    assert_eq!(of("https://a.app.example.evil"), None);
}

#[test]
fn what_browsers_ask_before_is_answered_here() {
    let server = server(
        Cors::builder()
            .origins([APP])
            .credentials(true)
            .headers(["content-type", "X-Key"])
            .max_age(Duration::from_secs(600)),
    );
    let preflight = |origin: &str, method: &str, headers: &[&str]| {
        let mut fields = vec![("Origin", origin), ("Access-Control-Request-Method", method)];
        fields.extend(headers.iter().map(|names| ("Access-Control-Request-Headers", *names)));
        ask(&server, "OPTIONS", "/panics", &fields)
    };
    const VARY: (&str, &str) =
        ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    let allowed = preflight(APP, "PUT", &["content-type,x-key"]);
    assert_eq!((allowed.status_code(), allowed.header("x-served")), (204, None), "the handler is not called");
    assert_eq!(
        said(&allowed),
        pairs([
            ("Access-Control-Allow-Methods", "PUT"),
            ("Access-Control-Allow-Headers", "content-type,x-key"),
            ("Access-Control-Max-Age", "600"),
            VARY,
            ("Access-Control-Allow-Origin", APP),
            ("Access-Control-Allow-Credentials", "true"),
        ])
    );
    assert_eq!(preflight(APP, "GET", &[]).status_code(), 204);
    assert_eq!(preflight(APP, "POST", &["X-KEY", "Content-Type"]).status_code(), 204);
    for (origin, method, headers, text) in [
        ("https://evil.example", "GET", "", "this origin may not read what is here"),
        (APP, "PURGE", "", "the method PURGE is not allowed to other origins"),
        (APP, "put", "", "the method put is not allowed to other origins"),
        (APP, "A B", "", "the method A B is not allowed to other origins"),
        (APP, "PUT", "x-key, x-other", "the field x-other is not allowed to other origins"),
        (APP, "PUT", "x-key, x\"y", "the field x\\\"y is not allowed to other origins"),
    ] {
        let refused = preflight(origin, method, &[headers]);
        assert_eq!((refused.status_code(), refused.body_str()), (403, Some(text)));
        assert_eq!(refused.header("Access-Control-Allow-Methods"), None);
        assert_eq!(refused.header_str("Vary"), Some(VARY.1));
    }
    // One that is no question of a browser's is the handler's to answer.
    assert_eq!(ask(&server, "OPTIONS", "/", &[("Origin", APP)]).header_str("x-served"), Some("yes"));
    assert_eq!(
        ask(&server, "OPTIONS", "/", &[("Access-Control-Request-Method", "GET")]).header_str("x-served"),
        Some("yes")
    );
}

#[test]
fn private_networks_are_open_only_if_that_is_said() {
    let fields = [
        ("Origin", APP),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Private-Network", "true"),
    ];
    let closed = ask(&server(Cors::builder().origins([APP])), "OPTIONS", "/", &fields);
    assert_eq!((closed.status_code(), closed.header("access-control-allow-private-network")), (403, None));
    let open = ask(&server(Cors::builder().origins([APP]).private_network(true)), "OPTIONS", "/", &fields);
    assert_eq!(
        (open.status_code(), open.header_str("access-control-allow-private-network")),
        (204, Some("true"))
    );
    let vary = open.header_str("vary").expect("it depends on what was asked");
    assert!(vary.ends_with(", Access-Control-Request-Private-Network"), "{vary}");
}

#[test]
fn around_a_router_it_answers_for_paths_without_a_route_for_options() {
    let policy = Cors::builder().origins([APP]).build().expect("a policy");
    let router = Router::new()
        .nest("/api", |api| api.wrap(|next| cors(next, policy)).put("/{id}", |_: &mut RequestCtx| {}));
    let server = Server::builder().build_router(router).expect("routes");
    let preflight = |path: &str| {
        ask(&server, "OPTIONS", path, &[("Origin", APP), ("Access-Control-Request-Method", "PUT")])
    };
    assert_eq!(said(&preflight("/api/7"))[0], ("Access-Control-Allow-Methods".to_owned(), "PUT".to_owned()));
    assert_eq!(preflight("/api/none/such").status_code(), 204);
    let missing = ask(&server, "GET", "/api/none/such", &[("Origin", APP)]);
    assert_eq!((missing.status_code(), missing.header_str("access-control-allow-origin")), (404, Some(APP)));
    let other = ask(&server, "DELETE", "/api/7", &[("Origin", APP)]);
    assert_eq!((other.status_code(), other.header_str("access-control-allow-origin")), (405, Some(APP)));
}

#[test]
fn refusals_of_the_server_can_be_read_too() {
    let policy = Cors::builder().origins([APP]).build().expect("a policy");
    let refused = policy.clone();
    let options = plain().max_request_body_size(10).error_handler(move |ctx, _| refused.apply(ctx));
    let running = Running::serving(options.build_handler(cors(answer, policy)).expect("valid options"));
    let request = format!("POST / HTTP/1.1\r\nHost: h\r\nOrigin: {APP}\r\nContent-Length: 11\r\n\r\n");
    let reply = running.client().exchange(request);
    assert_eq!((reply.status, reply.field("Access-Control-Allow-Origin")), (413, Some(APP)));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let origin = |origin: &str| Cors::builder().origins([origin]);
    for (builder, option) in [
        (Cors::builder(), "origins"),
        (Cors::builder().any_origin().credentials(true), "credentials"),
        (origin("*"), "origins"),
        (origin("null"), "origins"),
        (origin("app.example"), "origins"),
        (origin("https://app.example/"), "origins"),
        (origin("https://app.example/path"), "origins"),
        (origin("https://App.example"), "origins"),
        (origin("https://app.example:443"), "origins"),
        (origin("http://app.example:80"), "origins"),
        (origin("https://*.app.example"), "origins"),
        (origin("https://"), "origins"),
        (origin(APP).methods(["GET, PUT"]), "methods"),
        (origin(APP).headers(["*"]), "headers"),
        (origin(APP).expose(["X Y"]), "expose"),
    ] {
        assert_eq!(builder.build().expect_err(option).option(), option);
    }
    for fine in
        ["http://localhost:5173", "http://[::1]:3000", "capacitor://localhost", "chrome-extension://abc"]
    {
        assert!(origin(fine).build().is_ok(), "{fine}");
    }
}
