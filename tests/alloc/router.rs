//! A request costs no memory for its route, however it is found.
//!
//! Here nothing else is at work, so not one byte may be asked for.

use anthill_http::{Handler, Request, RequestCtx, Router};

use crate::bytes_asked_for;

/// Routes among which one has to search: what is tried first leads to nothing.
fn routes() -> impl Handler {
    let answer = |ctx: &mut RequestCtx| {
        assert!(ctx.params().all(|(name, value)| ctx.param(name) == Some(value)));
        ctx.set_body(if ctx.route().is_some() { "found" } else { "not found" });
    };
    let router = Router::new()
        .wrap(|next| move |ctx: &mut RequestCtx| next.handle(ctx))
        .get("/a/b/c/d/e/f", answer)
        .get("/{a}/b/{c}/d/{e}/{f}", answer)
        .get("/a/{b}/c/{d}/e/g", answer)
        .nest("/api", |api| {
            api.wrap(|next| move |ctx: &mut RequestCtx| next.handle(ctx))
                .get("/users/me", answer)
                .get("/users/{id}", answer)
                .get("/files/v{version}.zip", answer)
                .get("/{*rest}", answer)
        })
        .host("{tenant}.example.org", |shops| shops.get("/{item}", answer))
        .fallback(answer);
    router.build().unwrap()
}

#[test]
fn no_allocation_per_request_for_its_route() {
    let routes = routes();
    for (target, body) in [
        ("/api/users/me", "found"),
        ("/api/users/mei", "found"),
        ("/api/files/v1.2.zip", "found"),
        ("/api/files/v1.2", "found"),
        // Each of the texts is tried before the parameter in its place, and there are many parameters.
        ("/a/b/c/d/e/x", "found"),
        ("/an%20item", "not found"),
        ("http://Ants.Example.org:80/an%20item", "found"),
        ("/none", "not found"),
    ] {
        let mut ctx = RequestCtx::for_request(Request::new("GET", target).unwrap(), None);
        // Until the memory has its size.
        routes.handle(&mut ctx);
        assert_eq!(ctx.response.body(), body.as_bytes(), "{target}");
        let bytes = bytes_asked_for(|| (0..1_000).for_each(|_| routes.handle(&mut ctx)));
        assert_eq!(bytes, 0, "{target}");
    }
}
