//! A request costs no memory for its route, whatever that is, nor for finding that there is none.
//!
//! Here nothing else is at work, so not one byte may be asked for.

use anthill_http::{Handler, Request, RequestCtx, Router};

use crate::bytes_asked_for;

fn routes() -> impl Handler {
    let answer = |ctx: &mut RequestCtx| {
        assert!(ctx.params().all(|(name, value)| ctx.param(name) == Some(value)));
        ctx.set_body(if ctx.route().is_some() { "found" } else { "not found" });
    };
    let router = Router::new()
        .wrap(|next| move |ctx: &mut RequestCtx| next.handle(ctx))
        .get("/a/b/c/d/e/f", answer)
        .get("/x/{a}/b/{c}/{d}", answer)
        .get("/{a}/{b}/{c}/{d}/{e}/{f}", answer)
        .get("/x/{a}/b/{c}/{d}/{e}", answer)
        .nest("/api", |api| {
            api.wrap(|next| move |ctx: &mut RequestCtx| next.handle(ctx))
                .get("/users/me", answer)
                .get("/users/{id}", answer)
                .get("/files/{version}", answer)
                .get("/assets/{*rest}", answer)
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
        ("/api/files/v1.2", "found"),
        ("/api/assets/css/a.css", "found"),
        ("/x/1/b/2/3", "found"),
        // Text that is tried first, with parameters behind it.
        ("/x/1/b/2/3/4", "found"),
        ("/x/1/c/2/3/4", "found"),
        ("/x/1/b/2", "not found"),
        ("/api/files/1/2/3", "not found"),
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
