//! Functions of the user's that decide about requests and values.

use std::borrow::Cow;
use std::sync::Arc;

use crate::config::hooks::{ExpectHandler, HeaderHook};
use crate::config::options::ServerBuilder;
use crate::config::request_config::RequestConfig;
use crate::ctx::{FormValue, RequestCtx};
use crate::message::request::Request;

/// Hooks.
impl ServerBuilder {
    /// Looks up what [`RequestCtx::form_value`] is asked for (fasthttp's `FormValueFunc`): the values of the
    /// body before those of the query by [`RequestCtx::form_value_body_first`], or by a function of your own. It must
    /// not call `form_value` itself.
    ///
    /// ```
    /// use anthill_http::{RequestCtx, Server};
    /// let body_first = Server::builder().form_value_func(RequestCtx::form_value_body_first);
    /// let trimmed = Server::builder().form_value_func(|ctx, name| {
    ///     let value = ctx.form_value_query_first(name)?;
    ///     Some(value.trim_ascii().to_vec().into())
    /// });
    /// # let _ = (body_first, trimmed);
    /// ```
    pub fn form_value_func(
        mut self,
        look_up: impl for<'a> Fn(&'a mut RequestCtx, &str) -> Option<Cow<'a, [u8]>> + Send + Sync + 'static,
    ) -> Self {
        self.ctx.form_value = Some(FormValue::new(look_up));
        self
    }

    /// Says whether [`redirect`](RequestCtx::redirect) resolves what it is given against the URI of the request, so
    /// that an absolute one is sent, without user information; no when not set: it is sent as given.
    ///
    /// The host is that of the request and the scheme [`RequestCtx::scheme`]. What cannot be resolved (`mailto:…`, or
    /// no host to resolve it against) is sent as it is.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// let server = anthill_http::Server::builder().absolute_redirects(true).build(|ctx| ctx.redirect("/login", 303))?;
    /// let running = server.start("127.0.0.1:0")?;
    /// let mut client = std::net::TcpStream::connect(running.local_addr())?;
    /// client.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n")?;
    /// let mut response = String::new();
    /// client.read_to_string(&mut response)?;
    /// assert!(response.contains("\r\nLocation: http://example.org/login\r\n"));
    /// # server.shutdown(std::time::Duration::from_secs(10))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn absolute_redirects(mut self, resolves: bool) -> Self {
        self.ctx.resolves_redirects = resolves;
        self
    }

    /// Decides on each request with `Expect: 100-continue`, before its client sends the body: 100 asks for the body,
    /// any other status is the answer, with an empty body, and the connection ends (fasthttp's `ExpectHandler`). The
    /// context has the request's head and the connection's addresses. User values that are set here are there for the
    /// handler; changes to the request and to the response are not.
    ///
    /// Without it, every such client is asked for the body.
    ///
    /// ```
    /// let server = anthill_http::Server::builder()
    ///     .expect_handler(|ctx| if ctx.header("authorization").is_some() { 100 } else { 401 })
    ///     .build(|ctx| ctx.set_body("stored"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn expect_handler(mut self, decide: impl Fn(&mut RequestCtx) -> u16 + Send + Sync + 'static) -> Self {
        self.hooks.expectation = Some(ExpectHandler(Arc::new(decide)));
        self
    }

    /// Decides, when the head of a request has arrived, what is different for it: limits, timeouts, whether its body is
    /// streamed (fasthttp's `HeaderReceived`). Called for every request, also for those without a body, and
    /// before an [`expect_handler`](Self::expect_handler). What a route of a router says of itself comes after it, and
    /// counts more.
    ///
    /// ```
    /// use anthill_http::{RequestConfig, Server};
    /// let server = Server::builder()
    ///     .header_received(|request| match request.path() {
    ///         "/upload" => RequestConfig::new().stream_request_body(true),
    ///         _ => RequestConfig::new().max_request_body_size(64 * 1024),
    ///     })
    ///     .build(|ctx| ctx.set_body("received"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn header_received(
        mut self,
        decide: impl Fn(&Request) -> RequestConfig + Send + Sync + 'static,
    ) -> Self {
        self.hooks.header_received = Some(HeaderHook(Arc::new(decide)));
        self
    }

    /// An [`expect_handler`](Self::expect_handler) that says yes or no: false answers 417 (fasthttp's
    /// `ContinueHandler`). An [`expect_handler`](Self::expect_handler) comes before it.
    pub fn continue_handler(mut self, decide: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.continues =
            Some(ExpectHandler(Arc::new(move |ctx| if decide(&ctx.request) { 100 } else { 417 })));
        self
    }
}
