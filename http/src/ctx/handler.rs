//! What answers requests: the trait, and what makes closures handlers.
//!
//! The rule: an error of a handler, or its panic, becomes the response here, once, inside the handler. So whoever wraps
//! a handler sees the response that will be sent.

use super::{RequestCtx, StatusError};
use std::sync::Arc;

/// Answers requests; what a [`Server`](crate::Server) is made of.
///
/// Closures and functions that take `&mut RequestCtx` are handlers. They return nothing, or a `Result` whose error
/// knows the status to answer ([`StatusError`]): then `?` may be used in them, and what they had put into the response
/// before they failed is replaced by the error's.
///
/// ```
/// use anthill_http::{Handler, HttpError, Request, RequestCtx};
///
/// fn greet(ctx: &mut RequestCtx) -> Result<(), HttpError> {
///     let name = ctx.query_arg("name").ok_or_else(|| HttpError::new(400, "who are you?"))?.into_owned();
///     ctx.set_body([b"hello ", &*name].concat());
///     Ok(())
/// }
///
/// let mut ctx = RequestCtx::for_request(Request::new("GET", "/?name=ann")?, None);
/// greet.handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.body()), (200, &b"hello ann"[..]));
///
/// let mut ctx = RequestCtx::for_request(Request::new("GET", "/")?, None);
/// greet.handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.body()), (400, &b"who are you?"[..]));
/// # Ok::<(), anthill_http::RequestError>(())
/// ```
///
/// Wrappers take a handler and give one. The parameter of a closure that is returned needs its type written, as in
/// `|ctx: &mut RequestCtx|`; without it rustc says "implementation of `FnOnce` is not general enough":
///
/// ```
/// use anthill_http::{Handler, Request, RequestCtx, Server};
///
/// fn tagged(next: impl Handler) -> impl Handler {
///     move |ctx: &mut RequestCtx| {
///         next.handle(ctx);
///         let status = ctx.response.status_code().to_string();
///         ctx.response.set_header("X-Status", status); // afterwards: errors start the response over
///     }
/// }
///
/// let handler = tagged(|ctx: &mut RequestCtx| ctx.not_found());
/// let mut ctx = RequestCtx::for_request(Request::new("GET", "/")?, None);
/// handler.handle(&mut ctx);
/// assert_eq!(ctx.response.header("x-status"), Some(&b"404"[..]));
///
/// // `build` is for closures, of which it can tell what `ctx` is; `build_handler` takes any handler.
/// let server = Server::builder().build_handler(handler)?;
/// # let _ = server;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Who measures the time around `next.handle` does not measure the bodies of writers, readers and files: those are made
/// and sent behind all handlers; [`on_complete`](crate::ServerBuilder::on_complete) is told when the last byte was
/// sent.
///
/// A type of one's own keeps what its requests share. In an [`Arc`](std::sync::Arc) it is a handler too, and its owner
/// can still look at it:
///
/// ```
/// use anthill_http::{Handler, RequestCtx, Server};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Default)]
/// struct Counter(AtomicU64);
///
/// impl Handler for Counter {
///     fn handle(&self, ctx: &mut RequestCtx) {
///         ctx.set_body(format!("visitor {}", self.0.fetch_add(1, Ordering::Relaxed) + 1));
///     }
/// }
///
/// let counter = std::sync::Arc::new(Counter::default());
/// let server = Server::builder().build_handler(counter.clone())?;
///
/// let mut ctx = RequestCtx::default();
/// counter.handle(&mut ctx);
/// counter.handle(&mut ctx);
/// assert_eq!(ctx.response.body(), b"visitor 2");
/// assert_eq!(counter.0.load(Ordering::Relaxed), 2);
/// # let _ = server;
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
///
/// # Panics
/// A handler that panics costs its request a 500, which replaces what was in the response, and nothing else. On a
/// server the panic ends in the innermost closure or function that it passes, as an error does: what stands behind
/// `next.handle` in a wrapper runs, and sees the 500, or what a [`panic_handler`](crate::ServerBuilder::panic_handler)
/// made of it. It passes through types that implement this trait themselves, up to a closure around them or to the
/// server. Without a server, in a unit test, it passes through everything.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request: fills `ctx.response`, which starts as an empty `200 OK` and is sent when the outermost
    /// handler has returned.
    fn handle(&self, ctx: &mut RequestCtx);
}

impl<F, R> Handler for F
where
    F: Fn(&mut RequestCtx) -> R + Send + Sync + 'static,
    R: HandlerResult,
{
    #[inline]
    fn handle(&self, ctx: &mut RequestCtx) {
        ctx.contain(|ctx| self(ctx).answer(ctx));
    }
}

/// A handler that is chosen at run time.
// Of `dyn Handler` alone: a boxed closure is a closure, and so a handler, already.
impl Handler for Box<dyn Handler> {
    fn handle(&self, ctx: &mut RequestCtx) {
        (**self).handle(ctx);
    }
}

/// A handler that several own.
impl<H: Handler + ?Sized> Handler for Arc<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        (**self).handle(ctx);
    }
}

/// What handlers that are closures may return: nothing, or a `Result` of nothing.
///
/// Nothing else can implement it.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "this handler returns `{Self}`",
    note = "a handler returns `()`, or a `Result<(), E>` of which `E` is a `StatusError`",
    note = "one that never returns still says what it would: `|_| -> () {{ panic!() }}`"
)]
pub trait HandlerResult: sealed::Sealed {
    /// Makes an error the response.
    #[doc(hidden)]
    fn answer(self, ctx: &mut RequestCtx);
}

impl HandlerResult for () {
    #[inline]
    fn answer(self, _: &mut RequestCtx) {}
}

impl<E: StatusError> HandlerResult for Result<(), E> {
    #[inline]
    fn answer(self, ctx: &mut RequestCtx) {
        if let Err(error) = self {
            ctx.answer_error(&error);
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<E> Sealed for Result<(), E> {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctx::HttpError;
    use std::io;

    fn answer(handler: impl Handler) -> (u16, String) {
        let mut ctx = RequestCtx::new();
        handler.handle(&mut ctx);
        assert_eq!(ctx.response.header("x-half-done"), None);
        (ctx.response.status_code(), String::from_utf8_lossy(ctx.response.body()).into_owned())
    }

    #[test]
    fn an_error_replaces_what_the_handler_had_done() {
        let failing = |ctx: &mut RequestCtx| -> Result<(), HttpError> {
            ctx.set_body("half done");
            ctx.response.set_header("X-Half-Done", "yes");
            Err(HttpError::new(422, "not like this"))
        };
        assert_eq!(answer(failing), (422, "not like this".to_owned()));
        let succeeding = |ctx: &mut RequestCtx| -> Result<(), HttpError> {
            ctx.set_body("done");
            Ok(())
        };
        assert_eq!(answer(succeeding), (200, "done".to_owned()));
    }

    #[test]
    fn handlers_are_shared_chosen_and_wrapped() {
        fn missing(ctx: &mut RequestCtx) -> io::Result<()> {
            ctx.set_body("half done");
            Err(io::ErrorKind::NotFound.into())
        }
        let boxed: Box<dyn Handler> = Box::new(missing);
        let shared: Arc<dyn Handler> = Arc::new(boxed);
        assert_eq!(answer(shared.clone()), (500, "Internal Server Error".to_owned()));
        let wrapped = move |ctx: &mut RequestCtx| shared.handle(ctx);
        assert_eq!(answer(wrapped), (500, "Internal Server Error".to_owned()));
    }

    #[test]
    fn handlers_are_shared_by_their_own_type() {
        struct Named(&'static str);
        impl Handler for Named {
            fn handle(&self, ctx: &mut RequestCtx) {
                ctx.set_body(self.0);
            }
        }
        let shared = Arc::new(Named("own"));
        assert_eq!(answer(shared.clone()), (200, "own".to_owned()));
        let dynamic: Arc<dyn Handler> = shared.clone();
        assert_eq!(answer(dynamic), (200, "own".to_owned()));
        assert_eq!(Arc::strong_count(&shared), 1);
        let closure = |ctx: &mut RequestCtx| ctx.set_body("closure");
        assert_eq!(answer(Arc::new(closure)), (200, "closure".to_owned()));
        assert_eq!(answer(Box::new(closure)), (200, "closure".to_owned()));
    }
}
