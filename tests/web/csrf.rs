//! Which requests are taken for those of other pages.

use anthill_http::middleware::{
    CsrfPolicy, MemoryStore, SessionError, Sessions, csrf, csrf_tokens, sessions,
};
use anthill_http::{Handler, RequestCtx, Server};

use crate::browser::{Browser, request, server_of};

fn done(ctx: &mut RequestCtx) {
    ctx.set_body("done");
}

fn status(server: &Server, method: &str, target: &str, fields: &[(&str, &str)]) -> u16 {
    let mut request = request(method, target);
    for (name, value) in fields {
        request.append_header(name, value);
    }
    server.call(&request).expect("a response").status_code()
}

#[test]
fn what_browsers_say_decides() {
    let server = server_of(csrf(done, CsrfPolicy::new()));
    let site = "Sec-Fetch-Site";
    for (fields, expected) in [
        (&[][..], 200),
        (&[(site, "same-origin")], 200),
        (&[(site, "none")], 200),
        (&[(site, "same-site")], 403),
        (&[(site, "cross-site")], 403),
        (&[(site, "")], 403),
        (&[(site, "SAME-ORIGIN")], 403),
        (&[(site, "same-origin"), (site, "cross-site")], 403),
        // It knows better than the other field, behind a proxy that changes the host.
        (&[(site, "same-origin"), ("Origin", "https://other.example")], 200),
        (&[(site, "cross-site"), ("Origin", "http://h.example")], 403),
        // Browsers that do not send it.
        (&[("Origin", "http://h.example")], 200),
        (&[("Origin", "https://h.example")], 200),
        (&[("Origin", "HTTP://H.example:80")], 200),
        (&[("Origin", "http://h.example:8080")], 403),
        (&[("Origin", "http://h.example.evil.example")], 403),
        (&[("Origin", "http://evil.example")], 403),
        (&[("Origin", "http://h.example@evil.example")], 403),
        (&[("Origin", "null")], 403),
        (&[("Origin", "")], 403),
        (&[("Origin", "http://h.example"), ("Origin", "http://evil.example")], 403),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE"] {
            assert_eq!(status(&server, method, "http://h.example/", fields), expected, "{method} {fields:?}");
        }
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(status(&server, method, "http://h.example/", fields), 200, "{method} {fields:?}");
        }
    }
    let mut forged = request("POST", "/");
    forged.set_header(site, "cross-site");
    let refused = server.call(&forged).expect("a response");
    assert!(String::from_utf8_lossy(refused.body()).contains("sent by a page of another origin"));
}

#[test]
fn a_page_without_encryption_is_another_one_where_that_is_known() {
    let options = Server::builder().trusted_proxies(["0.0.0.0/0", "::/0"]);
    let server = options.build_handler(csrf(done, CsrfPolicy::new())).expect("options");
    let running = server.start("127.0.0.1:0").expect("a free port");
    let mut client = anthill_tests::client::Client::connect(running.local_addr());
    for (origin, scheme, expected) in [
        ("https://h.example", "https", 200),
        ("http://h.example", "https", 403),
        ("http://h.example", "http", 200),
    ] {
        let reply = client.exchange(format!(
            "POST / HTTP/1.1\r\nHost: h.example\r\nContent-Length: 0\r\nOrigin: {origin}\r\n\
             X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: {scheme}\r\n\r\n"
        ));
        assert_eq!(reply.status, expected, "{origin} by {scheme}");
    }
}

#[test]
fn whom_the_program_trusts_passes() -> Result<(), anthill_http::BuildError> {
    let policy = CsrfPolicy::new()
        .trust_origin("https://login.example")?
        .trust_origin("http://localhost:3000")?
        .exempt("/hooks/")?
        .exempt("/ping")?;
    let server = server_of(csrf(done, policy));
    let foreign = ("Sec-Fetch-Site", "cross-site");
    for (target, origin, expected) in [
        ("/", "https://login.example", 200),
        ("/", "https://LOGIN.example:443", 200),
        ("/", "http://login.example", 403),
        ("/", "https://login.example.evil.example", 403),
        ("/", "http://localhost:3000", 200),
        ("/", "http://localhost", 403),
        ("/hooks/mail", "https://evil.example", 200),
        ("/x/../hooks//mail", "https://evil.example", 200),
        ("/hooks/../transfer", "https://evil.example", 403),
        ("/hooks/%2e%2e/transfer", "https://evil.example", 403),
        ("/hooks", "https://evil.example", 403),
        ("/hooksmith", "https://evil.example", 403),
        ("/ping", "null", 200),
        ("/ping/", "null", 403),
        ("/PING", "null", 403),
    ] {
        let fields = [foreign, ("Origin", origin)];
        assert_eq!(status(&server, "POST", target, &fields), expected, "{target} from {origin}");
    }
    let twice = [foreign, ("Origin", "https://login.example"), ("Origin", "https://evil.example")];
    assert_eq!(status(&server, "POST", "/", &twice), 403);
    Ok(())
}

#[test]
fn what_is_no_origin_and_no_path_is_an_error() {
    for origin in
        ["", "null", "example.org", "https://example.org/", "https://*.example.org", "https://", "//a"]
    {
        let error = CsrfPolicy::new().trust_origin(origin).expect_err(origin);
        assert_eq!(error.option(), "trust_origin");
    }
    for path in ["", "/", "hooks", "//", "/a//b", "/a/../b", "/./a", "https://a/b"] {
        let error = CsrfPolicy::new().exempt(path).expect_err(path);
        assert_eq!(error.option(), "exempt");
    }
}

/// A server whose page gives a token away.
fn with_tokens() -> Server {
    let page = |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        match ctx.path() {
            "/login" => ctx.session()?.renew(),
            "/end" => ctx.session()?.end(),
            _ if ctx.request.is_get() => {
                let token = ctx.session()?.csrf_token()?;
                ctx.set_body(token);
            }
            _ => ctx.set_body("done"),
        }
        Ok(())
    };
    let kept = Sessions::builder(MemoryStore::new(100)).build().expect("sessions");
    server_of(sessions(csrf_tokens(page), kept))
}

#[test]
fn tokens_are_of_one_session_and_never_the_same_text() {
    let server = with_tokens();
    let (mut ann, mut bob) = (Browser::new(&server), Browser::new(&server));
    let tokens: Vec<String> = (0..10).map(|_| ann.text("/")).collect();
    let of_bob = bob.text("/");
    for (index, token) in tokens.iter().enumerate() {
        assert_eq!(token.len(), 86);
        assert!(tokens[..index].iter().all(|other| other[..43] != token[..43] && other[43..] != token[43..]));
    }
    let send = |browser: &Browser<'_>, in_form: Option<&str>, in_field: Option<&str>| {
        let mut request = request("POST", "/order");
        if let Some(token) = in_form {
            request.set_content_type("application/x-www-form-urlencoded");
            request.set_body(format!("what=ants&csrf_token={token}"));
        }
        if let Some(token) = in_field {
            request.set_header("X-CSRF-Token", token);
        }
        browser.copy().send(request).status_code()
    };
    for token in &tokens {
        assert_eq!(send(&ann, Some(token), None), 200);
        assert_eq!(send(&ann, None, Some(token)), 200);
        assert_eq!(send(&bob, Some(token), None), 403);
        assert_eq!(send(&bob, None, Some(token)), 403);
        assert_eq!(send(&Browser::new(&server), Some(token), None), 403);
    }
    assert_eq!(send(&bob, Some(&of_bob), None), 200);
    let in_query = request("POST", &format!("/order?csrf_token={}", tokens[0]));
    assert_eq!(ann.copy().send(in_query).status_code(), 403, "what is in the target is in logs");
    let mut other = tokens[0].clone().into_bytes();
    for index in 0..other.len() {
        other[index] ^= 1;
        assert_eq!(send(&ann, None, Some(&String::from_utf8_lossy(&other))), 403, "byte {index}");
        other[index] ^= 1;
    }
    for nothing in ["", "A", &tokens[0][..43], &format!("{}{}", tokens[0], tokens[1]), &"A".repeat(86)] {
        assert_eq!(send(&ann, Some(nothing), None), 403, "{nothing}");
        assert_eq!(send(&ann, None, Some(nothing)), 403, "{nothing}");
    }
    assert_eq!(send(&ann, None, None), 403);
    for (method, status) in
        [("PUT", 403), ("PATCH", 403), ("DELETE", 403), ("PURGE", 403), ("HEAD", 200), ("OPTIONS", 200)]
    {
        assert_eq!(ann.copy().send(request(method, "/order")).status_code(), status, "{method}");
    }
    // Who logs in has other tokens.
    ann.get("/login");
    assert_eq!(send(&ann, Some(&tokens[0]), None), 403);
    let token = ann.text("/");
    assert_eq!(send(&ann, Some(&token), None), 200);
    ann.get("/end");
    assert_eq!(send(&ann, Some(&token), None), 403);
}

#[test]
fn tokens_need_sessions() {
    let server = server_of(csrf_tokens(done));
    assert_eq!(status(&server, "GET", "/", &[]), 200);
    assert_eq!(status(&server, "POST", "/", &[]), 403);
    assert_eq!(status(&server, "POST", "/", &[("X-CSRF-Token", "x")]), 500);
    let mut ctx = RequestCtx::for_request(request("GET", "/"), None);
    csrf_tokens(done).handle(&mut ctx);
    assert_eq!(ctx.response.body(), b"done");
}
