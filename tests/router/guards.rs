//! Groups with wrappers that let in who has a key: nobody gets past them, by whatever method or spelling.

use std::sync::Arc;

use anthill_http::{Handler, RequestCtx, Router};

use crate::{serving, tell};

fn guard(next: Arc<dyn Handler>) -> impl Handler {
    move |ctx: &mut RequestCtx| match ctx.header("x-key") {
        Some(_) => next.handle(ctx),
        None => ctx.error("who are you?", 401),
    }
}

fn router() -> Router {
    Router::new()
        .mount("/files", tell)
        .nest("/files/private", |private| private.wrap(guard).mount("/x", tell).get("/{page}", tell))
        .nest("/admin", |admin| {
            admin
                .wrap(guard)
                .get("/", tell)
                .get("/{page}", tell)
                .nest("/deep", |deep| deep.wrap(guard).get("/{a}/{b}", tell))
        })
        .get("/admin/about", tell)
        .get("/{any}", tell)
        .post("/{any}/{other}", tell)
        .fallback(tell)
}

#[test]
fn what_is_below_a_guarded_prefix_is_guarded() {
    let running = serving(router());
    let mut client = running.client();
    let mut ask = |method: &str, target: &str, key: &str| {
        client.exchange(format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{key}\r\n"))
    };
    for (method, target, with_key) in [
        ("GET", "/files/private/x/secret", "GET /files/private/x/{*rest} rest=\"secret\""),
        ("GET", "/files/private%2Fx%2Fsecret", "GET /files/private/x/{*rest} rest=\"secret\""),
        ("GET", "/files%2fprivate%2fx%2fsecret", "GET /files/private/x/{*rest} rest=\"secret\""),
        ("GET", "/files/private%2Fpage", "GET /files/private/{page} page=\"page\""),
        ("GET", "/files/private/none/at/all", "GET no route"),
        ("GET", "/files/private", "GET no route"),
        ("POST", "/files/private/page", "405 Method not allowed"),
        ("POST", "/admin/users", "405 Method not allowed"),
        ("DELETE", "/admin/users", "405 Method not allowed"),
        ("POST", "/%61dmin%2Fusers", "405 Method not allowed"),
        ("GET", "/admin/", "GET no route"),
        ("GET", "/admin%2f", "GET no route"),
        ("GET", "/admin/a/b", "GET no route"),
        ("GET", "/admin%2Fpanel.html", "GET /admin/{page} page=\"panel.html\""),
        ("GET", "/admin/a%2Fb%2F", "GET /admin/{page} page=\"a/b/\""),
        ("GET", "/admin/deep/1/2/3", "GET no route"),
        ("POST", "/admin/deep/1", "POST no route"),
        ("PUT", "/admin", "405 Method not allowed"),
    ] {
        let refused = ask(method, target, "");
        assert_eq!((refused.status, refused.text()), (401, "who are you?"), "{method} {target}");
        assert_eq!(ask(method, target, "X-Key: 1\r\n").text(), with_key, "{method} {target}");
    }
    assert_eq!(ask("OPTIONS", "/admin/x", "").status, 401);
    let allowed = ask("POST", "/admin/users", "X-Key: 1\r\n");
    assert_eq!(allowed.field("Allow"), Some("GET, HEAD, OPTIONS"), "of the group alone");
    for (method, target, expected) in [
        ("GET", "/files/public", "GET /files/{*rest} rest=\"public\""),
        ("GET", "/files/privately", "GET /files/{*rest} rest=\"privately\""),
        ("GET", "/other", "GET /{any} any=\"other\""),
        ("POST", "/other/x", "POST /{any}/{other} any=\"other\" other=\"x\""),
        ("GET", "/admin/about", "GET /admin/about"),
        ("GET", "/administer", "GET /{any} any=\"administer\""),
        ("GET", "/a/b/c", "GET no route"),
    ] {
        let reply = ask(method, target, "");
        assert_eq!((reply.status, reply.text()), (200, expected), "{method} {target}");
    }
}

#[test]
fn a_group_on_all_hosts_is_guarded_on_each() {
    let running = serving(router().host("a.org", |a| a.get("/", tell).fallback(tell)));
    let mut client = running.client();
    let refused = client.exchange("POST /admin/users HTTP/1.1\r\nHost: a.org\r\n\r\n");
    assert_eq!(refused.status, 401);
    let tenants = serving(Router::new().host("{tenant}.a.org", |shops| {
        shops.nest("/in", |group| group.wrap(guard).get("/", tell)).mount("/", tell)
    }));
    let mut client = tenants.client();
    let refused = client.exchange("GET /in/x HTTP/1.1\r\nHost: SHOP.a.org\r\n\r\n");
    assert_eq!(refused.status, 401);
    let open = client.exchange("GET /out HTTP/1.1\r\nHost: SHOP.a.org\r\n\r\n");
    assert_eq!(open.text(), "GET {tenant}.a.org/{*rest} tenant=\"shop\" rest=\"out\"");
    assert_eq!(client.exchange("GET /out HTTP/1.1\r\nHost: %61.a.org\r\n\r\n").status, 404);
}
