//! What people write: routes, groups, wrappers.

use super::error::RouterError;
use super::group::{GroupItem, RouteGroup, Wrap};
use super::handlers::RouteHandler;
use super::route::Route;
use super::routes::Routes;
use super::trailing_slash::TrailingSlash;
use crate::config::request_config::RequestConfig;
use crate::ctx::Handler;
use std::fmt;
use std::sync::Arc;

/// Routes by path, method and host, and what they share; see the [module](crate::router) for how they are found.
///
/// ```
/// use anthill_http::{HttpError, Request, RequestCtx, Router, Server};
/// use std::sync::Mutex;
///
/// struct Notes(Mutex<Vec<String>>);
///
/// fn add(ctx: &mut RequestCtx, notes: &Notes) -> Result<(), HttpError> {
///     let text = ctx.body_str().ok_or(HttpError::new(400, "a note is text"))?.to_owned();
///     notes.0.lock().unwrap().push(text);
///     ctx.set_status_code(201);
///     Ok(())
/// }
///
/// fn show(ctx: &mut RequestCtx, notes: &Notes) -> Result<(), HttpError> {
///     let number: usize = ctx.parse_param("number")?;
///     let notes = notes.0.lock().unwrap();
///     ctx.set_body(notes.get(number).ok_or(HttpError::new(404, "no such note"))?);
///     Ok(())
/// }
///
/// let router = Router::with(Notes(Mutex::default()))
///     .post("/notes", add)
///     .get("/notes/{number}", show)
///     .get("/health", |ctx: &mut RequestCtx| ctx.set_body("fine"));
/// let server = Server::builder().build_router(router)?;
///
/// let mut note = Request::new("POST", "/notes")?;
/// note.set_body("buy milk");
/// assert_eq!(server.call(&note)?.status_code(), 201);
/// assert_eq!(server.call(&Request::new("GET", "/notes/0")?)?.body(), b"buy milk");
/// assert_eq!(server.call(&Request::new("GET", "/notes/x")?)?.status_code(), 400);
///
/// let refused = server.call(&Request::new("DELETE", "/notes")?)?;
/// assert_eq!((refused.status_code(), refused.header_str("allow")), (405, Some("POST, OPTIONS")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Nothing is looked at before it is [built](Self::build); what is wrong is said then, all of it.
#[must_use = "a router answers nothing until a server is built of it"]
pub struct Router<S = ()> {
    state: Arc<S>,
    group: RouteGroup,
}

// It may be put together on one thread, and be built on another.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Router>();
};

impl Router<()> {
    /// One without routes, whose handlers share nothing.
    pub fn new() -> Self {
        Self::with(())
    }
}

impl Default for Router<()> {
    fn default() -> Self {
        Self::new()
    }
}

/// Routes.
impl<S: Send + Sync + 'static> Router<S> {
    /// One without routes, whose handlers share `state`: each may be a function of it, `Fn(&mut RequestCtx, &S)`. What
    /// it is changed by has its locks in it, for many call them at once.
    pub fn with(state: S) -> Self {
        Self::with_shared(Arc::new(state))
    }

    /// The same with a state that is known elsewhere, too.
    pub fn with_shared(state: Arc<S>) -> Self {
        Self { state, group: RouteGroup::default() }
    }

    /// Adds a route with all that can be said of it: more than one method or others, a name, a configuration,
    /// wrappers.
    pub fn route(mut self, route: Route<S>) -> Self {
        let item = route.into_item(&self.state);
        self.group.items.push(GroupItem::Route(item));
        self
    }

    /// Adds a route for `GET`, and for `HEAD` where no other route is: its handler is called as for `GET`, and the body
    /// is not sent.
    pub fn get<Kind>(
        self,
        pattern: impl Into<String>,
        handler: impl RouteHandler<S, Kind> + 'static,
    ) -> Self {
        self.route(Route::get(pattern, handler))
    }

    /// Adds a route for `POST`.
    pub fn post<Kind>(
        self,
        pattern: impl Into<String>,
        handler: impl RouteHandler<S, Kind> + 'static,
    ) -> Self {
        self.route(Route::post(pattern, handler))
    }

    /// Adds a route for `PUT`.
    pub fn put<Kind>(
        self,
        pattern: impl Into<String>,
        handler: impl RouteHandler<S, Kind> + 'static,
    ) -> Self {
        self.route(Route::put(pattern, handler))
    }

    /// Adds a route for `PATCH`.
    pub fn patch<Kind>(
        self,
        pattern: impl Into<String>,
        handler: impl RouteHandler<S, Kind> + 'static,
    ) -> Self {
        self.route(Route::patch(pattern, handler))
    }

    /// Adds a route for `DELETE`.
    pub fn delete<Kind>(
        self,
        pattern: impl Into<String>,
        handler: impl RouteHandler<S, Kind> + 'static,
    ) -> Self {
        self.route(Route::delete(pattern, handler))
    }

    /// Adds a route for every method that has none of its own there, but `CONNECT`, whose client would take an answer
    /// for a tunnel.
    pub fn any<Kind>(
        self,
        pattern: impl Into<String>,
        handler: impl RouteHandler<S, Kind> + 'static,
    ) -> Self {
        self.route(Route::any(pattern, handler))
    }

    /// Gives everything at and below `prefix` to a handler, whatever the method: files, a proxy, the
    /// [routes](Routes) of another router. It sees the whole path; the parameter `rest` is what is below.
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx, Router, Server};
    /// fn assets(ctx: &mut RequestCtx) {
    ///     let text = format!("{} is {}", ctx.path(), ctx.param("rest").unwrap_or("the folder"));
    ///     ctx.set_body(text);
    /// }
    /// let server = Server::builder().build_router(Router::new().mount("/assets", assets))?;
    /// assert_eq!(server.call(&Request::new("GET", "/assets/css/a.css")?)?.body(), b"/assets/css/a.css is css/a.css");
    /// assert_eq!(server.call(&Request::new("GET", "/assets")?)?.body(), b"/assets is the folder");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mount<Kind>(
        mut self,
        prefix: impl Into<String>,
        handler: impl RouteHandler<S, Kind> + 'static,
    ) -> Self {
        let handler = handler.bind(&self.state);
        self.group.items.push(GroupItem::Mount { prefix: prefix.into(), handler });
        self
    }
}

/// Groups.
impl<S: Send + Sync + 'static> Router<S> {
    /// Adds the routes that `add` adds, behind `prefix`. What is said of them together ([`wrap`](Self::wrap),
    /// [`fallback`](Self::fallback), [`config`](Self::config)) is said of them alone. A route `/` in it is the prefix
    /// itself, without a slash.
    ///
    /// All that is below the prefix is the group's to answer, with its 404 and its 405: no parameter, mount or fallback
    /// of others answers there. Only who names such a path more exactly does: a route `/api/status` beside a group
    /// `/api`, and all below a prefix `/demo` beside one that is `/{tenant}`. A prefix has one group.
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx, Router, Server};
    ///
    /// fn users(group: Router<String>) -> Router<String> {
    ///     group.get("/", list).get("/{id}", show)
    /// }
    /// fn list(ctx: &mut RequestCtx, greeting: &String) {
    ///     ctx.set_body(greeting);
    /// }
    /// fn show(ctx: &mut RequestCtx) {
    ///     let id = ctx.param("id").map(str::to_owned).unwrap_or_default();
    ///     ctx.set_body(id);
    /// }
    ///
    /// let router = Router::with("hello".to_owned()).nest("/api", |api| api.nest("/users", users));
    /// let server = Server::builder().build_router(router)?;
    /// assert_eq!(server.call(&Request::new("GET", "/api/users")?)?.body(), b"hello");
    /// assert_eq!(server.call(&Request::new("GET", "/api/users/7")?)?.body(), b"7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nest(self, prefix: impl Into<String>, add: impl FnOnce(Self) -> Self) -> Self {
        let group = add(Self::with_shared(self.state.clone())).group;
        self.inner(prefix.into(), None, group)
    }

    /// Adds the routes that `add` adds, to say something of them together; without a prefix. It has no paths but those
    /// of its routes, and so no fallback.
    ///
    /// ```
    /// use anthill_http::{Handler, Request, RequestCtx, Router, Server};
    ///
    /// fn members_only(next: impl Handler) -> impl Handler {
    ///     move |ctx: &mut RequestCtx| match ctx.header("authorization") {
    ///         Some(_) => next.handle(ctx), // and look at it
    ///         None => ctx.error("who are you?", 401),
    ///     }
    /// }
    /// let router = Router::new()
    ///     .get("/", |ctx: &mut RequestCtx| ctx.set_body("for all"))
    ///     .group(|group| group.wrap(members_only).get("/club", |ctx: &mut RequestCtx| ctx.set_body("for some")));
    /// let server = Server::builder().build_router(router)?;
    /// assert_eq!(server.call(&Request::new("GET", "/")?)?.status_code(), 200);
    /// assert_eq!(server.call(&Request::new("GET", "/club")?)?.status_code(), 401);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group(self, add: impl FnOnce(Self) -> Self) -> Self {
        self.nest("", add)
    }

    /// Adds the routes that `add` adds, for requests to this host: a name, or `{name}.example.org`, whose first label
    /// is a parameter. Case and port do not matter; behind a
    /// [trusted proxy](crate::ServerBuilder::trusted_proxies) it is the host that the client has asked for.
    ///
    /// Such a host has these routes alone; those for all hosts are for the others. What is to be on several is a
    /// function that adds it to each. A host has one group.
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx, Router, Server};
    /// fn shop(ctx: &mut RequestCtx) {
    ///     let tenant = ctx.param("tenant").map(str::to_owned).unwrap_or_default();
    ///     ctx.set_body(tenant);
    /// }
    /// let router = Router::new()
    ///     .get("/", |ctx: &mut RequestCtx| ctx.set_body("whoever you are"))
    ///     .host("{tenant}.example.org", |shops| shops.get("/", shop));
    /// let server = Server::builder().build_router(router)?;
    /// assert_eq!(server.call(&Request::new("GET", "http://ants.example.org/")?)?.body(), b"ants");
    /// assert_eq!(server.call(&Request::new("GET", "http://example.org/")?)?.body(), b"whoever you are");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn host(self, pattern: impl Into<String>, add: impl FnOnce(Self) -> Self) -> Self {
        let group = add(Self::with_shared(self.state.clone())).group;
        self.inner(String::new(), Some(pattern.into()), group)
    }

    /// Adds all routes of another router, which may share another state, behind `prefix` (`""`: none).
    pub fn nest_router<T>(self, prefix: impl Into<String>, router: Router<T>) -> Self {
        self.inner(prefix.into(), None, router.group)
    }

    fn inner(mut self, prefix: String, host: Option<String>, group: RouteGroup) -> Self {
        self.group.items.push(GroupItem::Group { prefix, host, group });
        self
    }
}

/// What routes have in common.
impl<S: Send + Sync + 'static> Router<S> {
    /// Puts a wrapper around all routes of this router, or of this group, also those that are added later, and around
    /// the 405 of their paths. The first is the outermost. It is called once; what it keeps, all routes share.
    ///
    /// In a group with a prefix, and in that of a host, they are around its 404, too, so nobody gets past a wrapper by
    /// another method or spelling; see [`nest`](Self::nest) for whose paths they are. A group without a prefix has
    /// nothing but its routes. (Where files lie on a system that knows no case, `/ADMIN` may be the folder `/admin`,
    /// and is none of the paths below it.)
    ///
    /// A wrapper is a plain function, as for any [`Handler`](crate::Handler). It knows the route already
    /// ([`RequestCtx::route`](crate::RequestCtx::route), [`param`](crate::RequestCtx::param)), and to change path or
    /// method changes nothing of that.
    ///
    /// ```
    /// use anthill_http::{Handler, Request, RequestCtx, Router, Server};
    ///
    /// fn tagged(name: &'static str, next: impl Handler) -> impl Handler {
    ///     move |ctx: &mut RequestCtx| {
    ///         next.handle(ctx);
    ///         let route = ctx.route().unwrap_or("nothing");
    ///         ctx.response.append_header(name, route);
    ///     }
    /// }
    /// let router = Router::new()
    ///     .wrap(|next| tagged("X-Outer", next))
    ///     .wrap(|next| tagged("X-Inner", next))
    ///     .get("/users/{id}", |_: &mut RequestCtx| {});
    /// let server = Server::builder().build_router(router)?;
    ///
    /// let found = server.call(&Request::new("GET", "/users/7")?)?;
    /// assert_eq!(found.header_str("x-outer"), Some("/users/{id}"));
    /// let tags = found.headers().iter().filter(|(name, _)| name.starts_with("X-")).map(|(name, _)| name);
    /// assert!(tags.eq(["X-Inner", "X-Outer"]), "the inner one has come to its end first");
    ///
    /// let missing = server.call(&Request::new("GET", "/")?)?;
    /// assert_eq!((missing.status_code(), missing.header_str("x-outer")), (404, Some("nothing")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wrap<H: Handler>(mut self, wrapper: impl FnOnce(Arc<dyn Handler>) -> H + Send + 'static) -> Self {
        self.group.wraps.push(Wrap::new(wrapper));
        self
    }

    /// Answers requests whose path has no route: in a group with a prefix, at and below that, in that of a host, for
    /// that host. When not set, that of the group around it does, which for a host is none, or a 404 with a short text.
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx, Router, Server};
    /// let router = Router::new()
    ///     .fallback(|ctx: &mut RequestCtx| ctx.error("<p>There is no such page.", 404))
    ///     .nest("/api", |api| api.fallback(|ctx: &mut RequestCtx| ctx.error("{}", 404)));
    /// let server = Server::builder().build_router(router)?;
    /// assert_eq!(server.call(&Request::new("GET", "/api/none")?)?.body(), b"{}");
    /// assert_eq!(server.call(&Request::new("GET", "/apis")?)?.body(), b"<p>There is no such page.");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fallback<Kind>(mut self, handler: impl RouteHandler<S, Kind>) -> Self {
        if self.group.fallback.replace(handler.bind(&self.state)).is_some() {
            self.group.said_twice.push("fallback");
        }
        self
    }

    /// Answers requests whose path has routes, but none for their method; in a group, for its routes. It finds the 405
    /// with its `Allow` and a short text in the response.
    pub fn method_not_allowed<Kind>(mut self, handler: impl RouteHandler<S, Kind>) -> Self {
        if self.group.method_not_allowed.replace(handler.bind(&self.state)).is_some() {
            self.group.said_twice.push("answer to other methods");
        }
        self
    }

    /// Says what is different for requests to these routes: limits, timeouts, whether bodies are streamed. What it does
    /// not say is as in the group around it, and then as
    /// [`header_received`](crate::ServerBuilder::header_received) and the server's options say; a
    /// [route](Route::config) may say more.
    ///
    /// It is asked for before the body is there. So it is only kept by servers that were built of the router
    /// ([`build_router`](crate::ServerBuilder::build_router)), and not where [`Routes`] are put into another handler.
    pub fn config(mut self, config: RequestConfig) -> Self {
        self.group.config = config;
        self
    }

    /// Says what becomes of a path that no route matches, but that one would match with a slash more, or less, at its
    /// end; [`TrailingSlash::Strict`] when not set. It is for the outermost router to say.
    ///
    /// ```
    /// use anthill_http::router::TrailingSlash;
    /// use anthill_http::{Request, RequestCtx, Router, Server};
    /// let router = Router::new().trailing_slash(TrailingSlash::Redirect).get("/docs/", |_: &mut RequestCtx| {});
    /// let server = Server::builder().build_router(router)?;
    /// let response = server.call(&Request::new("GET", "/docs?page=2")?)?;
    /// assert_eq!((response.status_code(), response.header_str("location")), (308, Some("/docs/?page=2")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trailing_slash(mut self, slash: TrailingSlash) -> Self {
        self.group.trailing_slash = Some(slash);
        self
    }

    /// Builds what answers requests. A server is better given the router itself
    /// ([`build_router`](crate::ServerBuilder::build_router)); this is for tests without one, for other handlers around
    /// it, and for [URLs](Routes::url).
    ///
    /// # Errors
    /// When something is wrong with a pattern, or two routes are the same.
    pub fn build(self) -> Result<Routes, RouterError> {
        Routes::of(self.group)
    }
}

impl<S: Send + Sync + 'static> TryFrom<Router<S>> for Routes {
    type Error = RouterError;

    fn try_from(router: Router<S>) -> Result<Self, RouterError> {
        router.build()
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("items", &self.group.items.len()).finish_non_exhaustive()
    }
}
