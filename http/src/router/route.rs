//! A route with all that can be said of it.

use super::group::{RouteItem, Wrap, wrap_all};
use super::handlers::RouteHandler;
use crate::config::request_config::RequestConfig;
use crate::ctx::Handler;
use std::fmt;
use std::sync::Arc;

/// Gives a handler its state.
type BindFn<S> = dyn FnOnce(&Arc<S>) -> Arc<dyn Handler> + Send;

/// A route with all that can be said of it, for [`Router::route`](crate::Router::route): methods, a pattern, a handler;
/// a name, a configuration, wrappers.
///
/// ```
/// use anthill_http::router::Route;
/// use anthill_http::{RequestConfig, RequestCtx, Router, Server};
///
/// fn upload(ctx: &mut RequestCtx) -> std::io::Result<()> {
///     let bytes = std::io::copy(&mut ctx.body_reader(), &mut std::io::sink())?;
///     ctx.set_body(format!("{bytes} bytes"));
///     Ok(())
/// }
///
/// let large = RequestConfig::new().stream_request_body(true).max_request_body_size(None);
/// let router = Router::new().route(Route::new("PUT, POST", "/files/{name}", upload).name("file").config(large));
/// let server = Server::builder().max_request_body_size(1024).build_router(router)?;
///
/// let mut request = anthill_http::Request::new("PUT", "/files/a")?;
/// request.set_body(vec![b'x'; 4096]);
/// assert_eq!(server.call(&request)?.body(), b"4096 bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a route is nothing until a router has it"]
pub struct Route<S = ()> {
    /// A list of them; `None`: any.
    methods: Option<String>,
    pattern: String,
    handler: Box<BindFn<S>>,
    name: Option<String>,
    config: RequestConfig,
    wraps: Vec<Wrap>,
}

impl<S: Send + Sync + 'static> Route<S> {
    /// The route of these methods, one or a list: `"PROPFIND"`, `"PUT, POST"`.
    pub fn new<Kind>(
        methods: impl Into<String>,
        pattern: impl Into<String>,
        handler: impl RouteHandler<S, Kind> + 'static,
    ) -> Self {
        Self {
            methods: Some(methods.into()),
            pattern: pattern.into(),
            handler: Box::new(move |state: &Arc<S>| handler.bind(state)),
            name: None,
            config: RequestConfig::NOTHING,
            wraps: Vec::new(),
        }
    }

    /// That of `GET`, and of `HEAD` where no other route is.
    pub fn get<Kind>(pattern: impl Into<String>, handler: impl RouteHandler<S, Kind> + 'static) -> Self {
        Self::new("GET", pattern, handler)
    }

    /// That of `HEAD` alone.
    pub fn head<Kind>(pattern: impl Into<String>, handler: impl RouteHandler<S, Kind> + 'static) -> Self {
        Self::new("HEAD", pattern, handler)
    }

    /// That of `POST`.
    pub fn post<Kind>(pattern: impl Into<String>, handler: impl RouteHandler<S, Kind> + 'static) -> Self {
        Self::new("POST", pattern, handler)
    }

    /// That of `PUT`.
    pub fn put<Kind>(pattern: impl Into<String>, handler: impl RouteHandler<S, Kind> + 'static) -> Self {
        Self::new("PUT", pattern, handler)
    }

    /// That of `PATCH`.
    pub fn patch<Kind>(pattern: impl Into<String>, handler: impl RouteHandler<S, Kind> + 'static) -> Self {
        Self::new("PATCH", pattern, handler)
    }

    /// That of `DELETE`.
    pub fn delete<Kind>(pattern: impl Into<String>, handler: impl RouteHandler<S, Kind> + 'static) -> Self {
        Self::new("DELETE", pattern, handler)
    }

    /// That of `OPTIONS`, which is answered by the router where there is none.
    pub fn options<Kind>(pattern: impl Into<String>, handler: impl RouteHandler<S, Kind> + 'static) -> Self {
        Self::new("OPTIONS", pattern, handler)
    }

    /// That of every method that has no route of its own, but `CONNECT`.
    pub fn any<Kind>(pattern: impl Into<String>, handler: impl RouteHandler<S, Kind> + 'static) -> Self {
        Self { methods: None, ..Self::new("", pattern, handler) }
    }

    /// Names it, so that URLs can be made for it: [`RequestCtx::url_for`](crate::RequestCtx::url_for),
    /// [`Routes::url`](super::Routes::url).
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says what is different for its requests: limits, timeouts, whether bodies are streamed. What it does not say
    /// is as its group says, or the server. See [`Router::config`](crate::Router::config).
    pub fn config(mut self, config: RequestConfig) -> Self {
        self.config = config;
        self
    }

    /// Puts a wrapper around its handler. The first is the outermost; those of its groups are around them.
    pub fn wrap<H: Handler>(mut self, wrapper: impl FnOnce(Arc<dyn Handler>) -> H + Send + 'static) -> Self {
        self.wraps.push(Wrap::new(wrapper));
        self
    }

    pub(super) fn into_item(self, state: &Arc<S>) -> RouteItem {
        RouteItem {
            methods: self.methods,
            pattern: self.pattern,
            handler: wrap_all((self.handler)(state), self.wraps),
            name: self.name,
            config: self.config,
        }
    }
}

impl<S> fmt::Debug for Route<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("methods", &self.methods)
            .field("pattern", &self.pattern)
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
