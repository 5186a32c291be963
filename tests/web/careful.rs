//! Fields by which browsers are told to be careful: on whatever is answered, and a handler's own are kept.

use std::time::Duration;

use anthill_http::middleware::{SecurityHeaders, security_headers};
use anthill_http::{Handler, HttpError, Request, RequestCtx, Response, Server};
use anthill_tests::server::{Running, plain};

fn ask(policy: SecurityHeaders, handler: impl Handler) -> Response {
    let server = Server::builder().build_handler(security_headers(handler, policy)).expect("valid options");
    server.call(&Request::new("GET", "/").expect("a request")).expect("an answer")
}

#[test]
fn whatever_is_answered_has_them() {
    let handler = |ctx: &mut RequestCtx| match ctx.path() {
        "/fails" => Err(HttpError::new(500, "out of order")),
        "/panics" => std::panic::resume_unwind(Box::new("quietly")),
        "/unmodified" => {
            ctx.not_modified();
            Ok(())
        }
        "/streams" => {
            ctx.response.set_body_writer(|out| std::io::Write::write_all(out, b"streamed"));
            Ok(())
        }
        _ => Ok(()),
    };
    let policy = SecurityHeaders::new();
    let refused = policy.clone();
    let options = plain().error_handler(move |ctx, _| refused.apply(ctx));
    let running =
        Running::serving(options.build_handler(security_headers(handler, policy)).expect("valid options"));
    let mut client = running.client();
    let mut check = |request: &str, status: u16| {
        let reply = client.exchange(request);
        assert_eq!(reply.status, status, "{request}");
        for (name, value) in [
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "frame-ancestors 'self'"),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("Referrer-Policy", "strict-origin-when-cross-origin"),
            ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ] {
            assert_eq!(reply.field(name), Some(value), "{request}");
        }
        assert_eq!(reply.field("Strict-Transport-Security"), None, "it is not HTTPS");
    };
    for (target, status) in
        [("/", 200), ("/fails", 500), ("/panics", 500), ("/unmodified", 304), ("/streams", 200)]
    {
        check(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"), status);
    }
    check("GET / HTTP/1.1\r\n\r\n", 400);
}

#[test]
fn a_handlers_own_are_kept_and_others_can_be_said() {
    let policy = SecurityHeaders::builder()
        .field("referrer-policy", "no-referrer")
        .field("X-Own", "1")
        .content_security_policy("default-src 'none'")
        .without("x-frame-options")
        .build()
        .expect("a policy");
    let response = ask(policy, |ctx: &mut RequestCtx| {
        ctx.response.append_header("content-security-policy", "script-src 'self'");
        ctx.response.append_header("content-security-policy", "img-src 'self'");
    });
    let own: Vec<_> = response.headers().get_all("Content-Security-Policy").collect();
    assert_eq!(own, [b"script-src 'self'".as_slice(), b"img-src 'self'"]);
    assert_eq!(response.header_str("Referrer-Policy"), Some("no-referrer"));
    assert_eq!(response.headers().get_all("Referrer-Policy").count(), 1);
    assert_eq!((response.header_str("X-Own"), response.header("X-Frame-Options")), (Some("1"), None));
}

#[test]
fn what_https_means_is_only_said_there() {
    let policy = SecurityHeaders::builder()
        .hsts(Duration::from_secs(63_072_000))
        .hsts_subdomains(true)
        .hsts_preload(true)
        .build()
        .expect("a policy");
    let handler = security_headers(|_: &mut RequestCtx| (), policy);
    let options = plain().trusted_proxies(["127.0.0.0/8"]);
    let running = Running::serving(options.build_handler(handler).expect("valid options"));
    let mut client = running.client();
    let mut said = |proto: &str| {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: {proto}\r\n\r\n"
        );
        client.exchange(request).field("Strict-Transport-Security").map(str::to_owned)
    };
    assert_eq!(said("https").as_deref(), Some("max-age=63072000; includeSubDomains; preload"));
    assert_eq!(said("http"), None);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    for (builder, option) in [
        (SecurityHeaders::builder().field("X Y", "1"), "field"),
        (SecurityHeaders::builder().field("X-Y", "1\r\nSet-Cookie: a=b"), "field"),
        (SecurityHeaders::builder().field("Strict-Transport-Security", "max-age=1"), "field"),
        (SecurityHeaders::builder().hsts(year).hsts_preload(true), "hsts_preload"),
        (SecurityHeaders::builder().hsts(year / 2).hsts_subdomains(true).hsts_preload(true), "hsts_preload"),
        (SecurityHeaders::builder().without("Strict-Transport-Security").hsts_preload(true), "hsts_preload"),
    ] {
        assert_eq!(builder.build().expect_err(option).option(), option);
    }
}
