//! What may stand behind a route: handlers of the request, and of the request and a state that many share.

use crate::ctx::{Handler, HandlerResult, RequestCtx};
use std::marker::PhantomData;
use std::sync::Arc;

/// What a route may be answered by: a [`Handler`], or a function of the request and the router's state,
/// `Fn(&mut RequestCtx, &S)`, that returns what handlers may return.
///
/// Functions are given by their names. Of closures the types of the parameters are to be written:
/// `|ctx: &mut RequestCtx, state: &State|`. `Kind` is found out by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a route of a router whose state is `{S}`",
    label = "neither `Fn(&mut RequestCtx)` nor `Fn(&mut RequestCtx, &{S})`",
    note = "of a closure the types of the parameters have to be written: `|ctx: &mut RequestCtx|`",
    note = "a handler returns `()`, or a `Result<(), E>` of which `E` is a `StatusError`"
)]
pub trait RouteHandler<S, Kind>: Send + 'static {
    /// The same with its state.
    #[doc(hidden)]
    fn bind(self, state: &Arc<S>) -> Arc<dyn Handler>;
}

/// Marks what is a handler already.
#[doc(hidden)]
#[derive(Debug)]
pub struct OfRequest;

/// Marks functions of a state that return `R`.
#[doc(hidden)]
#[derive(Debug)]
pub struct OfState<R>(PhantomData<fn() -> R>);

impl<S, H: Handler> RouteHandler<S, OfRequest> for H {
    fn bind(self, _: &Arc<S>) -> Arc<dyn Handler> {
        Arc::new(self)
    }
}

impl<S, F, R> RouteHandler<S, OfState<R>> for F
where
    S: Send + Sync + 'static,
    F: Fn(&mut RequestCtx, &S) -> R + Send + Sync + 'static,
    R: HandlerResult,
{
    fn bind(self, state: &Arc<S>) -> Arc<dyn Handler> {
        Arc::new(WithState { state: state.clone(), function: self })
    }
}

struct WithState<S, F> {
    state: Arc<S>,
    function: F,
}

impl<S, F, R> Handler for WithState<S, F>
where
    S: Send + Sync + 'static,
    F: Fn(&mut RequestCtx, &S) -> R + Send + Sync + 'static,
    R: HandlerResult,
{
    fn handle(&self, ctx: &mut RequestCtx) {
        ctx.contain(|ctx| (self.function)(ctx, &self.state).answer(ctx));
    }
}
