//! Clients: what they send, and how they are told apart.

use crate::{assert_in_order, failure};
use anthill_http::client::{ClientErrorKind, CookieJar, MultipartForm, SendBody};
use anthill_http::testing::{Faults, TestServer};
use anthill_http::{Cookie, RequestConfig, RequestCtx, Router, Server};
use serde_json::json;
use std::io::{Read, Write};
use std::time::Duration;

/// Says what was asked for.
fn tell(ctx: &mut RequestCtx) {
    let mut text = format!("{} {} ", ctx.method(), String::from_utf8_lossy(ctx.request.request_uri()));
    for name in ["Host", "Authorization", "Cookie", "Content-Type", "X-Own"] {
        for value in ctx.request.headers().get_all(name) {
            text.push_str(&format!("{name}={} ", String::from_utf8_lossy(value)));
        }
    }
    let body = String::from_utf8_lossy(ctx.body()).into_owned();
    ctx.set_body(text + &body);
}

#[test]
fn what_is_said_is_sent() {
    let server = TestServer::new(tell);
    let client = server.client().host("shop.example:81").header("X-Own", "client").bearer_auth("abc");
    client
        .get("/a%20b?x")
        .send()
        .assert_text("GET /a%20b?x Host=shop.example:81 Authorization=Bearer abc X-Own=client ");
    client
        .delete("/a")
        .query("b", "c d")
        .query("e", "&")
        .header("X-Own", "1")
        .header("X-Own", "2")
        .basic_auth("u", "p")
        .host("other.example")
        .send()
        .assert_text("DELETE /a?b=c+d&e=%26 Host=other.example Authorization=Basic dTpw X-Own=1 X-Own=2 ");
    server.get("http://u.example/x?y").send().assert_text("GET /x?y Host=u.example ");
    server
        .put("/")
        .body("b")
        .send()
        .assert_text("PUT / Host=localhost Content-Type=application/octet-stream b");
    server
        .post("/")
        .form([("a", "1 2"), ("b", "=")])
        .send()
        .assert_text("POST / Host=localhost Content-Type=application/x-www-form-urlencoded a=1+2&b=%3D");
    server
        .patch("/")
        .header("Content-Type", "application/merge-patch+json")
        .json(&json!({"a": 1}))
        .send()
        .assert_text("PATCH / Host=localhost Content-Type=application/merge-patch+json {\"a\":1}");
    server
        .post("/")
        .json(&[1])
        .body("raw")
        .send()
        .assert_body_contains("Content-Type=application/octet-stream raw");
    server.request("OPTIONS", "/x").send().assert_body_contains("OPTIONS /x");
    server.head("/").send().assert_status(200).assert_body("");
}

#[test]
fn forms_with_files_are_sent_also_over_redirects_and_streams_once() {
    let server = TestServer::new(|ctx| match ctx.path() {
        "/old" => ctx.redirect("/new", 307),
        "/other" => ctx.redirect("/new", 303),
        _ => {
            let text = ctx.form_value_str("text").map(|text| text.into_owned());
            let file = ctx.form_file("file").ok().map(|file| (file.file_name().to_owned(), file.len()));
            ctx.set_body(format!("{} {text:?} {file:?}", ctx.method()));
        }
    });
    let form =
        || MultipartForm::new().text("text", "t").file("file", "f.txt", "text/plain", &b"six legs"[..], None);
    let expected = r#"POST Some("t") Some(("f.txt", 8))"#;
    server.post("/new").multipart(form()).send().assert_text(expected);
    let client = server.client().follow_redirects(1);
    client.post("/old").multipart(form()).send().assert_text(expected);
    client.post("/other").multipart(form()).send().assert_text("GET None None");
    let error = client.post("/old").send_body(SendBody::new(&b"once"[..])).try_send().unwrap_err();
    assert!(matches!(error.kind(), ClientErrorKind::Redirect(_)), "{error}");
    client.post("/other").send_body(SendBody::new(&b"once"[..])).send().assert_text("GET None None");
}

#[test]
fn an_upload_is_streamed_and_may_wait_to_be_asked_for() {
    let options = Server::builder().header_received(|_| RequestConfig::new().stream_request_body(true));
    let server = TestServer::from_builder(options, |ctx| {
        let mut body = String::new();
        let read = ctx.body_reader().read_to_string(&mut body);
        ctx.set_body(format!("{read:?} {}", ctx.request.header_str("Expect").is_some()));
    });
    let long = "x".repeat(300_000);
    let sent = SendBody::new(long.as_bytes());
    server
        .put("/")
        .send_body(sent)
        .expect_continue(Duration::from_secs(20))
        .send()
        .assert_text("Ok(300000) true");
    let message = failure(|| {
        server.put("/").send_body(SendBody::new(&b"secret"[..])).send().assert_status(1).status_code()
    });
    assert_in_order(&message, &["(a body that was read while it was sent)", "< Ok(6) false"]);
}

#[test]
fn redirects_are_followed_only_if_that_is_said_and_all_are_shown() {
    let server = TestServer::new(|ctx| match ctx.path() {
        "/0" => ctx.set_body(format!("arrived by {}", ctx.method())),
        "/away" => ctx.redirect("http://elsewhere.example/0", 302),
        "/round" => ctx.redirect("/round", 302),
        path => {
            let next = path.trim_start_matches('/').parse::<u32>().map_or(0, |number| number - 1);
            ctx.redirect(format!("/{next}"), 302);
        }
    });
    server.get("/2").send().assert_redirect_to("/1");
    let client = server.client().follow_redirects(3);
    client.post("/3").send().assert_text("arrived by GET");
    assert!(client.get("/4").try_send().is_err());
    assert!(client.get("/round").try_send().is_err());
    client.get("/away").send().assert_text("arrived by GET");
    let message = failure(|| client.get("/2").send().assert_status(1).status_code());
    let all = [
        "> GET /2",
        "< HTTP/1.1 302",
        "< Location: /1",
        "> GET /1",
        "< HTTP/1.1 302",
        "> GET /0",
        "< HTTP/1.1 200",
    ];
    assert_in_order(&message, &all);
}

#[test]
fn each_client_is_a_user_of_its_own() {
    let server = TestServer::new(|ctx| match ctx.path() {
        "/login" => {
            let mut cookie = Cookie::new("user", ctx.body());
            cookie.set_secure(true).set_http_only(true).set_path("/app");
            ctx.response.set_cookie(&cookie);
            ctx.redirect("/app/me", 303);
        }
        "/logout" => {
            let mut gone = Cookie::expired("user");
            gone.set_path("/app");
            ctx.response.set_cookie(&gone);
        }
        _ => {
            let cookies = ctx.request.header_str("Cookie").unwrap_or("none").to_owned();
            ctx.set_body(cookies);
        }
    });
    let jar = CookieJar::new();
    let (ann, bob) =
        (server.client().cookie_jar(jar.clone()).follow_redirects(1), server.client().keep_cookies());
    ann.post("/login").body("ann").send().assert_text("user=ann");
    bob.post("/login").body("bob").send().assert_redirect_to("/app/me");
    ann.get("/app").send().assert_text("user=ann");
    bob.get("/app/x").send().assert_text("user=bob");
    bob.get("/app").header("Cookie", "own=1").send().assert_text("own=1; user=bob");
    bob.get("/").send().assert_text("none");
    bob.get("http://other.example/app").send().assert_text("none");
    server.get("/app").send().assert_text("none");
    assert_eq!(ann.cookie("/app", "user").as_deref(), Some(&b"ann"[..]));
    assert_eq!((ann.cookie("/", "user"), server.client().cookie("/app", "user")), (None, None));
    // Over a connection of its own the user is the same.
    let mut conn = server.connect();
    conn.send("GET /app HTTP/1.1\r\nHost: localhost\r\nCookie: ")
        .send(bob.cookie_header("/app").expect("some"));
    conn.send("\r\n\r\n").read_response().assert_text("user=bob");
    assert_eq!((bob.cookie_header("/"), server.client().cookie_header("/app")), (None, None));
    // A clone is the same user.
    let same = ann.clone();
    same.post("/logout").send().assert_success();
    ann.get("/app").send().assert_text("none");
    assert!(jar.is_empty());
}

#[test]
fn what_goes_wrong_on_the_way() {
    let server = TestServer::new(|ctx| {
        let body = ctx.body().to_vec();
        ctx.set_body(body);
    });
    let long = "0123456789".repeat(1000);
    for size in [1, 2, 7, 4096] {
        let torn = server.client().faults(Faults::new().torn(size));
        for _ in 0..2 {
            torn.post("/").body(&*long).send().assert_text(&long);
        }
    }
    // In the head, in the body, and at each byte of a small response.
    for bytes in [1, 20, 100, 5000] {
        let cut = server.client().faults(Faults::new().break_after_sent(bytes));
        let error = cut.post("/").body(&*long).try_send().unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::ConnectionClosed, "{bytes}: {error}");
    }
    let whole = server.get("/").send();
    let mut errors = 0;
    for bytes in 1..150 {
        let cut = server.client().faults(Faults::new().break_after_received(bytes));
        match cut.post("/").body("six legs").try_send() {
            Err(error) => {
                assert_eq!(error.kind(), ClientErrorKind::ConnectionClosed, "{bytes}: {error}");
                errors += 1;
            }
            // The head was whole.
            Ok(response) => {
                assert_eq!(response.status_code(), whole.status_code());
                assert!(response.try_body().is_err() || response.text() == "six legs");
            }
        }
    }
    assert!((50..150).contains(&errors), "{errors}");
    let refused = server.client().faults(Faults::new().refuse(2));
    for _ in 0..2 {
        assert_eq!(refused.get("/").try_send().unwrap_err().kind(), ClientErrorKind::Connect);
    }
    refused.get("/").send().assert_success();
}

/// Each way by itself: else what comes through torn would prove nothing.
#[test]
fn what_is_torn_is_torn_on_its_way() {
    let options = Server::builder().header_received(|_| RequestConfig::new().stream_request_body(true));
    let server = TestServer::from_builder(options.body_read_ahead(None), |ctx| {
        let (mut room, mut most) = ([0; 64], 0);
        while let Ok(count @ 1..) = ctx.body_reader().read(&mut room) {
            most = most.max(count);
        }
        ctx.response.set_body_writer(move |out| write!(out, "{most} {}", "x".repeat(100)));
    });
    let most_at_both = |faults: Faults| {
        let body = SendBody::new(&[b'x'; 200][..]);
        let mut response = server.client().faults(faults).put("/").send_body(body).send();
        let (mut text, mut room, mut most) = (String::new(), [0; 64], 0);
        while let Ok(count @ 1..) = response.reader().read(&mut room) {
            most = most.max(count);
            text.push_str(&String::from_utf8_lossy(&room[..count]));
        }
        (text.split(' ').next().and_then(|most| most.parse().ok()).unwrap_or(0_usize), most)
    };
    let (sent, received) = most_at_both(Faults::new());
    assert!(sent > 3 && received > 3, "{sent} {received}");
    let (sent, received) = most_at_both(Faults::new().torn_sent(3));
    assert!((1..=3).contains(&sent) && received > 3, "{sent} {received}");
    let (sent, received) = most_at_both(Faults::new().torn_received(3));
    assert!(sent > 3 && (1..=3).contains(&received), "{sent} {received}");
}

/// On a connection that was used before, of which a client would have asked again.
#[test]
fn a_fault_is_not_made_good() {
    let server = TestServer::new(|ctx| ctx.set_body("done"));
    let mut broken = 0;
    for bytes in 30..120 {
        let cut = server.client().faults(Faults::new().break_after_sent(bytes));
        if cut.get("/").try_send().is_ok() && cut.get("/").try_send().is_err() {
            broken += 1;
        }
    }
    assert!(broken > 10, "{broken} of the second requests broke off");
}

#[test]
fn all_redirects_have_one_time_together() {
    let server = TestServer::new(|ctx| {
        std::thread::sleep(Duration::from_millis(50));
        ctx.redirect("/next", 302);
    });
    let client = server.client().follow_redirects(12).timeout(Duration::from_millis(300));
    let error = client.get("/").try_send().expect_err("there is no end");
    assert!(error.is_timeout(), "{error}");
}

#[test]
fn addresses_count_for_limits() {
    let server = TestServer::from_builder(Server::builder().max_conns_per_ip(1), |ctx| {
        let from = ctx.remote_addr().to_string();
        ctx.set_body(from);
    });
    let first = server.connect_from(([10, 0, 0, 1], 1));
    server.client().from_addr(([10, 0, 0, 2], 2)).get("/").send().assert_text("10.0.0.2:2");
    // It is told so before it asks for anything, which is no response to a client.
    server.connect_from(([10, 0, 0, 1], 3)).read_response().assert_status(429);
    let error = server.client().from_addr(([10, 0, 0, 1], 4)).get("/").try_send().unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::ConnectionClosed);
    drop(first);
}

#[test]
fn a_router_is_served_with_its_own_limits_and_states() {
    let store = |ctx: &mut RequestCtx, prefix: &String| {
        let body = format!("{prefix}{}", String::from_utf8_lossy(ctx.body()));
        ctx.set_body(body);
    };
    let small = RequestConfig::new().max_request_body_size(3);
    let route = anthill_http::router::Route::put("/items/{id}", store).config(small);
    let server = TestServer::router(Router::with("got ".to_owned()).route(route));
    server.put("/items/1").body("abc").send().assert_text("got abc");
    server.put("/items/1").body("abcd").send().assert_status(413);
    server.get("/items/1").send().assert_status(405);
    let message = failure(|| TestServer::router(Router::new().get("/{a}/x", tell).get("/{b}/x", tell)));
    assert!(message.contains("/{a}/x") && message.contains("/{b}/x"), "{message}");
    let message = failure(|| TestServer::from_builder(Server::builder().shards(0), tell));
    assert!(message.contains("shards"), "{message}");
}

#[test]
fn what_is_compressed_is_left_or_undone() {
    let server = TestServer::handler(anthill_http::compress(
        |ctx: &mut RequestCtx| ctx.set_body("text ".repeat(1000)),
        anthill_http::CompressPolicy::default(),
    ));
    let raw = server.get("/").header("Accept-Encoding", "gzip").send();
    raw.assert_header("Content-Encoding", "gzip");
    assert!(raw.body().len() < 1000);
    server.get("/").send().assert_no_header("Content-Encoding");
    let client = server.client().decompress(true);
    client.get("/").send().assert_text("text ".repeat(1000)).assert_no_header("Content-Encoding");
}
