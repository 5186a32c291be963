//! Groups with wrappers that let in who has a key: nobody gets past them, by whatever method or spelling.

use std::sync::Arc;

use anthill_http::router::TrailingSlash;
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
        // A guard farther out guards as well.
        .group(|group| group.wrap(guard).nest("/office", |office| office.get("/", tell).get("/{page}", tell)))
        // A group without a prefix in one with a prefix guards its routes alone.
        .nest("/api", |api| {
            api.post("/login", tell)
                .get("/files/{name}", tell)
                .group(|group| group.wrap(guard).get("/me", tell))
                .group(|group| group.wrap(|next| next).get("/you", tell))
        })
        .nest("/{tenant}/inner", |inner| inner.wrap(guard).get("/users", tell))
        .get("/admin/about", tell)
        .get("/{any}", tell)
        .post("/{any}/{other}", tell)
        .get("/demo/{section}/{page}", tell)
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
        ("PROPFIND", "/admin/users", "405 Method not allowed"),
        ("POST", "/%61dmin%2Fusers", "405 Method not allowed"),
        ("POST", "/admin/about", "405 Method not allowed"),
        ("GET", "/admin/", "GET no route"),
        ("GET", "/admin%2f", "GET no route"),
        ("GET", "/admin/a/b", "GET no route"),
        ("GET", "/admin%2Fpanel.html", "GET /admin/{page} page=\"panel.html\""),
        ("GET", "/admin/a%2Fb%2F", "GET no route"),
        ("GET", "/admin/deep/1/2/3", "GET no route"),
        ("POST", "/admin/deep/1", "POST no route"),
        ("PUT", "/admin", "405 Method not allowed"),
        ("GET", "/office", "GET /office"),
        ("POST", "/office/x", "405 Method not allowed"),
        ("GET", "/office/", "GET no route"),
        ("POST", "/office/a/b", "POST no route"),
        ("GET", "/api/me", "GET /api/me"),
        ("POST", "/api/me", "405 Method not allowed"),
        ("GET", "/acme/inner/users", "GET /{tenant}/inner/users tenant=\"acme\""),
        ("GET", "/acme/inner/none", "GET no route tenant=\"acme\""),
        ("POST", "/acme/inner", "POST no route tenant=\"acme\""),
    ] {
        let refused = ask(method, target, "");
        assert_eq!((refused.status, refused.text()), (401, "who are you?"), "{method} {target}");
        assert_eq!(ask(method, target, "X-Key: 1\r\n").text(), with_key, "{method} {target}");
    }
    assert_eq!(ask("OPTIONS", "/admin/x", "").status, 401);
    let allowed = ask("POST", "/admin/users", "X-Key: 1\r\n");
    assert_eq!(allowed.field("Allow"), Some("GET, HEAD, OPTIONS"), "of the group alone");
}

#[test]
fn what_is_not_below_it_is_as_it_was() {
    let running = serving(router());
    let mut client = running.client();
    let mut ask = |method: &str, target: &str| {
        client.exchange(format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n"))
    };
    for (method, target, status, expected) in [
        ("GET", "/files/public", 200, "GET /files/{*rest} rest=\"public\""),
        ("GET", "/files/privately", 200, "GET /files/{*rest} rest=\"privately\""),
        ("GET", "/other", 200, "GET /{any} any=\"other\""),
        ("POST", "/other/x", 200, "POST /{any}/{other} any=\"other\" other=\"x\""),
        ("GET", "/admin/about", 200, "GET /admin/about"),
        ("GET", "/administer", 200, "GET /{any} any=\"administer\""),
        ("GET", "/a/b/c", 200, "GET no route"),
        ("GET", "/demo/inner/users", 200, "GET /demo/{section}/{page} section=\"inner\" page=\"users\""),
        ("GET", "/api/docs.html", 200, "GET no route"),
        ("GET", "/api/login", 405, "405 Method not allowed"),
        ("GET", "/api/files/a", 200, "GET /api/files/{name} name=\"a\""),
        ("GET", "/api/you", 200, "GET /api/you"),
        ("POST", "/api/you", 405, "405 Method not allowed"),
    ] {
        let reply = ask(method, target);
        assert_eq!((reply.status, reply.text()), (status, expected), "{method} {target}");
    }
}

#[test]
fn hosts_are_guarded_by_themselves() {
    let running =
        serving(router().host("a.org", |a| a.wrap(guard).get("/", tell)).host("{tenant}.a.org", |shops| {
            shops.nest("/in", |group| group.wrap(guard).get("/", tell)).mount("/", tell)
        }));
    let mut client = running.client();
    let mut ask = |method: &str, host: &str, target: &str| {
        client.exchange(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    };
    for (method, host, target) in [
        ("GET", "a.org", "/"),
        ("GET", "A.org.:80", "/other"),
        ("POST", "a.org", "/admin/users"),
        ("GET", "a.org", "/admin/"),
        ("PUT", "a.org", "/"),
        ("OPTIONS", "a.org", "/"),
        ("GET", "SHOP.a.org", "/in/x"),
        ("POST", "shop.a.org", "/in"),
    ] {
        assert_eq!(ask(method, host, target).status, 401, "{method} {host} {target}");
    }
    let open = ask("GET", "SHOP.a.org", "/out");
    assert_eq!(open.text(), "GET {tenant}.a.org/{*rest} tenant=\"shop\" rest=\"out\"");
    assert_eq!(ask("GET", "%61.a.org", "/out").text(), "GET /{any} any=\"out\"", "it is no such host");
}

#[test]
fn what_answers_for_all_hosts_is_not_let_into_one() {
    // The host has a group that is guarded, and nothing else answers beside it.
    let guarded = |routes: Router| routes.nest("/admin", |admin| admin.wrap(guard).get("/{page}", tell));
    let running = serving(guarded(Router::new()).fallback(tell).host("a.org", guarded).host("b.org", |b| b));
    let mut client = running.client();
    for (host, target, status) in [
        ("a.org", "/admin/x/y", 401),
        ("a.org", "/admin/", 401),
        ("a.org", "/other", 404),
        ("b.org", "/admin/x", 404),
        ("b.org", "/admin/x/y", 404),
        ("c.org", "/admin/x/y", 401),
        ("c.org", "/other", 200),
    ] {
        let reply = client.exchange(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(reply.status, status, "{host} {target}");
    }
}

#[test]
fn the_order_in_which_routes_are_added_does_not_matter() {
    let additions: [fn(Router) -> Router; 5] = [
        |router| router.nest("/api", |api| api.get("/x", tell)),
        |router| router.get("/{user}", tell),
        |router| router.nest("/{org}/settings", |settings| settings.wrap(guard).get("/x", tell)),
        |router| router.post("/{user}/follow", tell),
        |router| router.any("/{org}/repos", tell),
    ];
    for first in 0..additions.len() {
        let add = |router: Router, number: usize| additions[(first + number) % additions.len()](router);
        let running = serving((0..additions.len()).fold(Router::new().fallback(tell), add));
        let mut client = running.client();
        for (method, target, status, text) in [
            ("GET", "/acme/settings/none", 401, "who are you?"),
            ("PUT", "/acme/settings", 401, "who are you?"),
            ("GET", "/acme/repos", 200, "GET /{org}/repos org=\"acme\""),
            ("POST", "/acme/repos", 200, "POST /{org}/repos org=\"acme\""),
            ("POST", "/acme/follow", 200, "POST /{user}/follow user=\"acme\""),
            ("GET", "/api/none", 200, "GET no route"),
        ] {
            let reply = client.exchange(format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!((reply.status, reply.text()), (status, text), "{first}: {method} {target}");
        }
    }
}

#[test]
fn whoever_refuses_knows_the_parameters_of_the_prefix() {
    fn by_tenant(next: Arc<dyn Handler>) -> impl Handler {
        move |ctx: &mut RequestCtx| match ctx.param("tenant") {
            Some("ours") => next.handle(ctx),
            tenant => {
                let text = format!("no {tenant:?}");
                ctx.error(text, 403);
            }
        }
    }
    for policy in [TrailingSlash::Strict, TrailingSlash::Redirect, TrailingSlash::Ignore] {
        let running = serving(Router::new().trailing_slash(policy).nest("/{tenant}", |tenant| {
            tenant.wrap(by_tenant).get("/items/{id}", tell).nest("/deep", |deep| deep.get("/{id}/", tell))
        }));
        let mut client = running.client();
        for (method, target) in [
            ("GET", "items/7"),
            ("HEAD", "items/7"),
            ("PUT", "items/7"),
            ("OPTIONS", "items/7"),
            ("PROPFIND", "items/7"),
            ("GET", "items/7/"),
            ("PUT", "items/7/"),
            ("GET", "deep/7"),
            ("GET", "none"),
            ("GET", ""),
        ] {
            let mut status = |tenant: &str| {
                client.send(format!("{method} /{tenant}/{target} HTTP/1.1\r\nHost: h\r\n\r\n"));
                let reply = if method == "HEAD" { client.response_to_head() } else { client.response() };
                reply.status
            };
            assert_eq!(status("others"), 403, "{method} {target}");
            assert_ne!(status("ours"), 403, "{method} {target}");
        }
    }
}

#[test]
fn what_is_about_no_path_is_answered_within_the_wrappers_of_the_host() {
    let running = serving(Router::new().get("/", tell).host("a.org", |a| a.wrap(guard).get("/", tell)));
    let mut client = running.client();
    let mut status = |request: &str| client.exchange(request).status;
    assert_eq!(status("OPTIONS * HTTP/1.1\r\nHost: a.org\r\n\r\n"), 401);
    assert_eq!(status("GET * HTTP/1.1\r\nHost: a.org\r\n\r\n"), 401);
    assert_eq!(status("OPTIONS * HTTP/1.1\r\nHost: b.org\r\n\r\n"), 204);
    assert_eq!(status("CONNECT a.org:443 HTTP/1.1\r\nHost: a.org:443\r\n\r\n"), 401);
}
