//! Contexts for handlers that are called without a server.

use super::draft::{Draft, draft_settings};
use super::failing::fail;
use super::response::TestResponse;
use crate::ctx::{Handler, RequestCtx};
use std::fmt;
use std::net::SocketAddr;

/// A context for the request `line`, a method and a URL, to call a handler with, without a server.
///
/// ```
/// use anthill_http::RequestCtx;
/// use anthill_http::testing::ctx;
///
/// fn greet(ctx: &mut RequestCtx) {
///     let name = ctx.query_arg_str("name").unwrap_or_default().into_owned();
///     ctx.set_body(format!("hello {name}"));
/// }
/// let mut ctx = ctx("GET /?name=ann");
/// greet(&mut ctx);
/// assert_eq!(ctx.response.body(), b"hello ann");
/// ```
///
/// # Panics
/// When it is no such line.
#[track_caller]
pub fn ctx(line: &str) -> RequestCtx {
    CtxBuilder::new(line).build()
}

/// What `handler` answers to the request in `ctx`, with all of its body, whatever that is made of: a function that
/// writes it, a reader, a file. There is no server: a panic of the handler is the test's.
///
/// ```
/// use anthill_http::RequestCtx;
/// use anthill_http::testing::{CtxBuilder, answer};
/// use std::io::Write;
///
/// fn count(ctx: &mut RequestCtx) {
///     let to: u32 = ctx.query_arg_str("to").and_then(|to| to.parse().ok()).unwrap_or(0);
///     ctx.response.set_body_writer(move |out| (1..=to).try_for_each(|number| writeln!(out, "{number}")));
/// }
/// answer(&count, CtxBuilder::new("GET /count").query("to", "3").build()).assert_status(200).assert_text("1\n2\n3\n");
/// ```
pub fn answer(handler: &(impl Handler + ?Sized), mut ctx: RequestCtx) -> TestResponse {
    let request = ctx.request.clone();
    handler.handle(&mut ctx);
    TestResponse::of_ctx(&mut ctx, request)
}

/// A context that is being put together, for a handler that is called without a server.
///
/// ```
/// use anthill_http::RequestCtx;
/// use anthill_http::testing::{CtxBuilder, answer};
///
/// // A handler with a state is a function of both.
/// fn rename(ctx: &mut RequestCtx, suffix: &str) {
///     let id = ctx.param("id").unwrap_or("none").to_owned();
///     let name = ctx.form_value_str("name").map(|name| name.into_owned()).unwrap_or_default();
///     ctx.set_body(format!("{id} is {name}{suffix}"));
/// }
/// let ctx = CtxBuilder::new("POST /users/7").param("id", "7").form([("name", "ann")]).build();
/// answer(&|ctx: &mut RequestCtx| rename(ctx, "!"), ctx).assert_text("7 is ann!");
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until build is called"]
pub struct CtxBuilder {
    draft: Draft,
    remote: Option<SocketAddr>,
    #[cfg(feature = "router")]
    params: Vec<(String, String)>,
    #[cfg(feature = "router")]
    route: Option<String>,
}

impl CtxBuilder {
    /// One for the request `line`: a method and a URL. What is wrong with it is said when it is built.
    pub fn new(line: &str) -> Self {
        let (method, url) = line.split_once(' ').unwrap_or((line, ""));
        Self {
            draft: Draft::new(method, url),
            remote: None,
            #[cfg(feature = "router")]
            params: Vec::new(),
            #[cfg(feature = "router")]
            route: None,
        }
    }

    draft_settings!();

    /// Where the client is: [`RequestCtx::remote_addr`]. When not set that is not known.
    pub fn remote_addr(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.remote = Some(addr.into());
        self
    }

    /// A parameter of the request's route, as a router would have found it. (A handler that is a router finds its own.)
    #[cfg(feature = "router")]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the request's route is called: [`RequestCtx::route`].
    #[cfg(feature = "router")]
    pub fn route(mut self, route: &str) -> Self {
        self.route = Some(route.to_owned());
        self
    }

    /// The context.
    ///
    /// # Panics
    /// When something of the request is not valid; the message says what.
    #[track_caller]
    pub fn build(self) -> RequestCtx {
        if let Some(problem) = self.draft.problem {
            fail(format_args!("the request is not valid: {problem}"));
        }
        #[cfg_attr(not(feature = "router"), allow(unused_mut, reason = "a router adds to it"))]
        let mut ctx = RequestCtx::for_request(self.draft.request, self.remote);
        #[cfg(feature = "router")]
        {
            for (name, value) in &self.params {
                ctx.push_param(name, value);
            }
            if let Some(route) = &self.route {
                ctx.set_route(crate::util::intern::intern(route));
            }
        }
        ctx
    }
}

impl fmt::Debug for CtxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without fields and query, which may have secrets.
        f.debug_struct("CtxBuilder")
            .field("method", &self.draft.request.method())
            .field("path", &self.draft.request.path())
            .finish_non_exhaustive()
    }
}
