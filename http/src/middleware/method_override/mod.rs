//! Methods that HTML forms do not know.

mod policy;

pub use policy::{MethodOverride, MethodOverrideBuilder};

use crate::ctx::{Handler, RequestCtx};

/// Lets a `POST` say that it means another method: by a field of its form, because HTML forms know only `GET` and
/// `POST`, or by a field of its head, for clients behind proxies that know few methods.
///
/// It has to stand before routing, so around the [`Routes`](crate::router::Routes) that a router is built into;
/// [`Router::wrap`](crate::Router::wrap) would be too late. A server of such a handler knows the routes of requests no
/// sooner than they are routed: limits of routes ([`Route::config`](crate::router::Route::config)) hold only where the
/// server itself was built of the router.
///
/// A method that is not listed, and a request that is not a `POST`, is passed on as it is. Only listed methods that
/// change something can be meant, so nothing becomes less guarded: what protects a `POST` against forgery has to
/// protect these, too. To find the form's field the form is waited for, and kept for the handler.
///
/// ```
/// use anthill_http::middleware::{MethodOverride, method_override};
/// use anthill_http::{Request, RequestCtx, Server};
///
/// # #[cfg(feature = "router")] {
/// # use anthill_http::Router;
/// let routes = Router::new().delete("/notes/7", |ctx: &mut RequestCtx| ctx.set_body("gone")).build()?;
/// let server = Server::builder().build_handler(method_override(routes, MethodOverride::new()))?;
///
/// let mut request = Request::new("POST", "/notes/7")?; // <form method="post"><input name="_method" value="DELETE">
/// request.set_header("Content-Type", "application/x-www-form-urlencoded");
/// request.set_body("_method=DELETE");
/// assert_eq!(server.call(&request)?.body(), b"gone");
/// # }
/// # let _ = (MethodOverride::new(), Request::new("GET", "/")?, |_: &mut RequestCtx| ());
/// # let _ = Server::builder().build_handler(method_override(|_: &mut RequestCtx| (), MethodOverride::new()))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn method_override(next: impl Handler, policy: MethodOverride) -> impl Handler {
    MethodOverrideHandler { next, policy }
}

struct MethodOverrideHandler<H> {
    next: H,
    policy: MethodOverride,
}

impl<H: Handler> Handler for MethodOverrideHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        if ctx.request.is_post() {
            if let Some(method) = self.policy.meant(ctx) {
                // It goes with any target that a `POST` has.
                let _ = ctx.request.set_method(method);
            }
        }
        self.next.handle(ctx);
    }
}
