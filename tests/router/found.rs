//! Which route is found, for targets as they are sent.

use anthill_http::router::Route;
use anthill_http::{RequestCtx, Router};
use anthill_tests::server::plain;

use crate::{serving, serving_with, tell};

fn request(method: &str, target: &str, host: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn targets_lead_to_routes_in_whatever_form_they_are_sent() {
    let running = serving(
        Router::new()
            .get("/users/{id}", tell)
            .get("/users/me", tell)
            .get("/files/{*path}", tell)
            .get("/straße/{x}/ö", tell)
            .nest("/api", |api| api.get("/", tell).get("/{version}/items/{item}", tell)),
    );
    let mut client = running.client();
    for (target, expected) in [
        ("/users/7", "GET /users/{id} id=\"7\""),
        ("/users/me", "GET /users/me"),
        ("/users/me2", "GET /users/{id} id=\"me2\""),
        ("/%75sers/%6de", "GET /users/me"),
        ("/x/..//users/./7?id=8#9", "GET /users/{id} id=\"7\""),
        ("/users/%2541", "GET /users/{id} id=\"%41\""),
        ("/users/a+b%20c", "GET /users/{id} id=\"a+b c\""),
        ("/users%2F7", "GET /users/{id} id=\"7\""),
        ("/files/%2f/x", "GET /files/{*path} path=\"x\""),
        ("/users/%ff%c3%a4", "GET /users/{id} id=\"%FFä\""),
        ("/users/%00%0a", "GET /users/{id} id=\"\\0\\n\""),
        ("/users/x%2F..%2Fme", "GET /users/me"),
        ("/files/a/b%2Fc/", "GET /files/{*path} path=\"a/b/c/\""),
        ("/stra%C3%9Fe/..b/%c3%b6", "GET /straße/{x}/ö x=\"..b\""),
        ("/api", "GET /api"),
        ("/api/v1/items/2", "GET /api/{version}/items/{item} version=\"v1\" item=\"2\""),
        ("http://elsewhere:81/users/7", "GET /users/{id} id=\"7\""),
        ("http://elsewhere/users/a%20b?x", "GET /users/{id} id=\"a b\""),
    ] {
        let reply = client.get(target);
        assert_eq!((reply.status, reply.text()), (200, expected), "{target}");
    }
    for target in [
        "/",
        "/users",
        "/users/",
        "/users/7/",
        "/files/",
        "/files",
        "/api/",
        "/api/v1/items/",
        "/stra%C3%9Fe/x/%C3%A4",
        "/stra%C3%9Fe/%C3",
        "/users/a%2Fb",
        "/users/%2f",
    ] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
}

#[test]
fn every_byte_can_be_in_a_parameter() {
    let running = serving(Router::new().get("/{value}/end", |ctx: &mut RequestCtx| {
        let value = ctx.param("value").map(str::to_owned).unwrap_or_default();
        ctx.set_body(value);
    }));
    let mut client = running.client();
    // A slash is one in whatever form it is sent.
    for byte in (0..=255_u8).filter(|byte| *byte != b'/') {
        let reply = client.get(&format!("/a%{byte:02x}b/end"));
        let expected = if byte < 0x80 { format!("a{}b", char::from(byte)) } else { format!("a%{byte:02X}b") };
        assert_eq!((reply.status, reply.text()), (200, expected.as_str()), "{byte:02x}");
    }
    let bytes = || (0..0x80_u8).filter(|byte| *byte != b'/');
    let all: String = bytes().map(|byte| format!("%{byte:02x}")).collect();
    let expected: String = bytes().map(char::from).collect();
    assert_eq!(client.get(&format!("/{all}/end")).text(), expected);
}

#[test]
fn paths_of_any_length() {
    let running = serving_with(
        plain().read_buffer_size(70_000),
        Router::new().get("/{a}", tell).get("/{a}/{b}/{*rest}", |ctx: &mut RequestCtx| {
            let length = ctx.param("rest").map_or(0, str::len);
            ctx.set_body(length.to_string());
        }),
    );
    let mut client = running.client();
    let long = "x".repeat(60_000);
    assert_eq!(client.get(&format!("/{long}")).text(), format!("GET /{{a}} a={long:?}"));
    assert_eq!(client.get(&"/x".repeat(30_000)).text(), (2 * 29_998 - 1).to_string());
    assert_eq!(client.get(&format!("/{}y", "%2F".repeat(20_000))).text(), "GET /{a} a=\"y\"");
    assert_eq!(client.get(&format!("/a/b{}", "/..".repeat(19_000))).status, 404);
    assert_eq!(client.get("/y").text(), "GET /{a} a=\"y\"", "nothing is left of those before");
    assert_eq!(
        client.get(&format!("/{}", "%00".repeat(10_000))).text().len(),
        "GET /{a} a=\"\"".len() + 20_000
    );
    let escapes = client.get(&format!("/{}", "%fe".repeat(10_000)));
    assert_eq!(escapes.text(), format!("GET /{{a}} a={:?}", "%FE".repeat(10_000)));
}

#[test]
fn methods_are_told_apart() {
    let running = serving(
        Router::new()
            .get("/a", tell)
            .route(Route::new("POST, LINK", "/a", tell))
            .post("/{id}", tell)
            .any("/any", tell)
            .route(Route::new("HEAD", "/own", |ctx: &mut RequestCtx| ctx.set_status_code(202)))
            .get("/own", tell)
            .route(Route::options("/options", tell)),
    );
    let mut client = running.client();
    let mut ask = |method: &str, target: &str| client.exchange(request(method, target, "h"));
    assert_eq!(ask("LINK", "/a").text(), "LINK /a");
    // Nothing but POST is answered at `/{id}`, and that is passed over for `/a`.
    assert_eq!(ask("POST", "/a").text(), "POST /a");
    assert_eq!(ask("POST", "/any").text(), "POST /any");
    assert_eq!(ask("PROPFIND", "/any").text(), "PROPFIND /any");
    assert_eq!(ask("OPTIONS", "/options").text(), "OPTIONS /options");
    for (method, target, allow) in [
        ("PUT", "/a", "GET, HEAD, POST, OPTIONS, LINK"),
        ("get", "/a", "GET, HEAD, POST, OPTIONS, LINK"),
        ("GET", "/b", "POST, OPTIONS"),
        ("PUT", "/own", "GET, HEAD, POST, OPTIONS"),
    ] {
        let reply = ask(method, target);
        assert_eq!((reply.status, reply.field("Allow")), (405, Some(allow)), "{method} {target}");
        assert_eq!(reply.text(), "405 Method not allowed");
    }
    let reply = ask("OPTIONS", "/a");
    assert_eq!((reply.status, reply.field("Allow")), (204, Some("GET, HEAD, POST, OPTIONS, LINK")));
    let reply = ask("OPTIONS", "*");
    assert_eq!(
        (reply.status, reply.field("Allow")),
        (204, Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, LINK"))
    );
    assert_eq!(ask("GET", "*").status, 405);
    assert_eq!(ask("OPTIONS", "/none/at/all").status, 404);
    client.send(request("HEAD", "/own", "h"));
    assert_eq!(client.response_to_head().status, 202);
    client.send(request("HEAD", "/a", "h"));
    let reply = client.response_to_head();
    assert_eq!(
        (reply.status, reply.field("Content-Length")),
        (200, Some("7")),
        "as `GET /a` answers it, without its body"
    );
    assert_eq!(client.get("/a").text(), "GET /a", "and nothing of a body was sent");
}

#[test]
fn a_tunnel_is_refused_where_nobody_digs_one() {
    let running = serving(Router::new().any("/", tell).any("/{*rest}", tell));
    let reply = running.client().exchange("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
    assert_eq!(reply.status, 405);
    let running =
        serving(Router::new().route(Route::new("CONNECT", "/", |ctx: &mut RequestCtx| ctx.error("no", 403))));
    let reply = running.client().exchange("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
    assert_eq!(reply.status, 403);
    // Whose tunnel it is says the target, and no prefix is behind it.
    let running = serving(
        Router::new()
            .nest("/{all}", |all| all.fallback(tell))
            .host("h", |h| h.route(Route::new("CONNECT", "/", |ctx: &mut RequestCtx| ctx.error("h", 403)))),
    );
    let reply = running.client().exchange("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
    assert_eq!((reply.status, reply.text()), (403, "h"));
    let reply = running.client().exchange("CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n");
    assert_eq!((reply.status, reply.field("Allow")), (405, Some("OPTIONS, CONNECT")));
}

#[test]
fn hosts_have_routes_of_their_own() {
    let router = || {
        Router::new()
            .get("/", tell)
            .get("/shared", tell)
            .host("api.example.org", |api| {
                api.get("/", tell)
                    .post("/shared", tell)
                    .fallback(|ctx: &mut RequestCtx| ctx.error("api", 404))
            })
            .fallback(|ctx: &mut RequestCtx| ctx.error("all", 404))
            .host("{tenant}.example.org", |shops| shops.nest("/{shelf}", |shelf| shelf.get("/{item}", tell)))
    };
    let running = serving(router());
    let mut client = running.client();
    for (host, target, expected) in [
        ("api.example.org", "/", "GET api.example.org/"),
        ("API.Example.org.:8080", "/", "GET api.example.org/"),
        (
            "x.example.org",
            "/a/b",
            "GET {tenant}.example.org/{shelf}/{item} tenant=\"x\" shelf=\"a\" item=\"b\"",
        ),
        ("y.x.example.org", "/", "GET /"),
        ("[::1]:80", "/shared", "GET /shared"),
        // The authority of the target counts, whatever the field says.
        ("evil", "http://api.example.org/", "GET api.example.org/"),
        ("evil", "http://API.example.org:81", "GET api.example.org/"),
        ("evil", "http://example.org//shared", "GET /shared"),
        (
            "evil",
            "http://t.example.org/%2E/a%2Fb",
            "GET {tenant}.example.org/{shelf}/{item} tenant=\"t\" shelf=\"a\" item=\"b\"",
        ),
    ] {
        let field = if target.starts_with('/') { host } else { "evil" };
        let reply = client.exchange(request("GET", target, field));
        assert_eq!((reply.status, reply.text()), (200, expected), "{host} {target}");
    }
    for (host, target, expected) in [
        ("api.example.org", "/none", "api"),
        ("example.org", "/none", "all"),
        ("x.example.org", "/", "404 Page not found"),
        ("x.example.org", "/shared", "404 Page not found"),
        ("x.example.org", "/a/b/", "404 Page not found"),
    ] {
        let reply = client.exchange(request("GET", target, host));
        assert_eq!((reply.status, reply.text()), (404, expected), "{host} {target}");
    }
    let reply = client.exchange(request("PUT", "/shared", "api.example.org"));
    assert_eq!((reply.status, reply.field("Allow")), (405, Some("POST, OPTIONS")));
    // Whom the client has asked for, a trusted proxy says.
    let running = serving_with(plain().trusted_proxies(["127.0.0.0/8"]), router());
    let forwarded = "GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-Host: api.example.org\r\n\r\n";
    assert_eq!(running.client().exchange(forwarded).text(), "GET api.example.org/");
}
