//! What one call is to do beside what the client does anyway.

use super::body::SendBody;
use super::conn::InformationalHook;
use super::error::ClientError;
use super::response::{ClientResponse, SpareHead};
use crate::message::request::Request;
use crate::values::headers::Headers;
use anthill_pool::CancelToken;
use std::fmt;
use std::time::Duration;

/// One call of a client, to be told more about before it is [sent](Self::send); made by
/// [`Client::call`](super::Client::call) and [`HostClient::call`](super::HostClient::call).
///
/// ```
/// use anthill_http::Request;
/// use anthill_http::client::{CancelToken, ClientErrorKind, HostClient};
/// use std::time::Duration;
///
/// // It takes connections, and never answers.
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let client = HostClient::new(listener.local_addr()?.to_string())?;
/// let request = Request::new("GET", "/")?;
///
/// let error = client.call(&request).timeout(Duration::from_millis(20)).send().unwrap_err();
/// assert!(error.is_timeout());
///
/// let token = CancelToken::new();
/// let other = token.clone();
/// let canceller = std::thread::spawn(move || other.cancel());
/// let error = client.call(&request).cancel_with(&token).send().unwrap_err();
/// assert_eq!(error.kind(), ClientErrorKind::Cancelled);
/// canceller.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Told of interim responses:
///
/// ```
/// use anthill_http::{Request, Server};
/// use anthill_http::client::HostClient;
///
/// let running = Server::new(|ctx| {
///     ctx.response.append_header("Link", "</style.css>; rel=preload; as=style");
///     let _ = ctx.early_hints();
///     ctx.set_body("page");
/// })?
/// .start("127.0.0.1:0")?;
/// let client = HostClient::new(running.local_addr().to_string())?;
/// let mut hints = Vec::new();
/// let request = Request::new("GET", "/")?;
/// let told = |status, fields: anthill_http::header::Fields<'_>| hints.push((status, fields.len()));
/// assert_eq!(client.call(&request).on_informational(told).send()?.text()?, "page");
/// assert_eq!(hints, [(103, 1)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is sent before send is called"]
pub struct PreparedCall<'a> {
    client: &'a dyn RunCall,
    request: &'a Request,
    options: CallOptions<'a>,
}

/// A client: it carries calls out. Calls that were put together may go to another thread.
pub(super) trait RunCall: Sync {
    fn run_call<'r>(
        &self,
        request: &'r Request,
        options: CallOptions<'r>,
    ) -> Result<ClientResponse, ClientError>;
}

/// What whoever puts a call together is told in the same words, whatever he puts it together with; that has
/// [`CallOptions`].
macro_rules! call_settings {
    () => {
        /// How long it may take, from `send` to the last byte of the body and over all redirects, instead of the
        /// client's [`timeout`](crate::client::ClientBuilder::timeout). Zero fails at once.
        pub fn timeout(mut self, limit: std::time::Duration) -> Self {
            self.options.limit = Some(limit);
            self
        }

        /// Has the call end when `token` is cancelled, wherever it is then: with the error
        /// [`Cancelled`](crate::client::ClientErrorKind::Cancelled), and nothing under way any more but perhaps the
        /// look-up of a name. That holds until the body of the response was read to its end. A
        /// [`SendBody`](crate::client::SendBody) whose reader blocks is not woken.
        pub fn cancel_with(mut self, token: &crate::client::CancelToken) -> Self {
            self.options.token = Some(token.clone());
            self
        }

        /// Has the body wait until the server asks for it (`Expect: 100-continue`, RFC 9110 section 10.1.1), for so
        /// long at most, because it may not know how to ask. So a body that is not wanted is not sent. A server that
        /// refuses the expectation (417) is asked again without it.
        ///
        /// A request with such a field of its own waits for a second. Without a body nothing is expected.
        pub fn expect_continue(mut self, wait: std::time::Duration) -> Self {
            self.options.expects = crate::client::call::BodyExpectation::For(wait);
            self
        }

        /// Has `hook` told of each interim response (1xx) before the final one: its status and its header fields. There
        /// may be 16 of them, each bound like the head of a response. For an example see
        /// [`PreparedCall`](crate::client::PreparedCall).
        pub fn on_informational(
            mut self,
            hook: impl FnMut(u16, crate::values::headers::Fields<'_>) + Send + 'a,
        ) -> Self {
            self.options.on_informational = Some(Box::new(hook));
            self
        }
    };
}
pub(super) use call_settings;

/// What was said of a call.
#[derive(Default)]
pub(crate) struct CallOptions<'a> {
    /// `None`: the client's.
    pub(crate) limit: Option<Duration>,
    pub(crate) token: Option<CancelToken>,
    /// In the place of the request's own.
    pub(crate) body: Option<SendBody<'a>>,
    pub(crate) expects: BodyExpectation,
    pub(crate) on_informational: Option<InformationalHook<'a>>,
    /// In whose memory the head of the response is kept.
    pub(crate) spare: SpareHead,
    /// Whether it opens a WebSocket: redirects are handed back, whatever the client does with them, and a proxy of HTTP
    /// is to give a connection (RFC 6455 section 4.1).
    pub(crate) opens_socket: bool,
    /// Whether a redirect has led to another origin than the user's.
    pub(crate) is_elsewhere: bool,
    /// Fields that it has beside those of the request, which has none of their names.
    pub(crate) added: Headers,
    /// It is somebody else's request, of which nothing is added or undone.
    pub(crate) is_passed_on: bool,
}

impl CallOptions<'_> {
    /// Whether there is a body to be sent, again if it was sent before.
    pub(crate) fn can_send_body(&self) -> bool {
        self.body.as_ref().is_none_or(SendBody::can_begin)
    }
}

/// Whether the server is to ask for the body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum BodyExpectation {
    /// If a field of the request says so.
    #[default]
    AsTheRequestSays,
    /// It has so long to do it.
    For(Duration),
    /// It does not understand that.
    No,
}

impl<'a> PreparedCall<'a> {
    pub(super) fn new(client: &'a dyn RunCall, request: &'a Request) -> Self {
        Self { client, request, options: CallOptions::default() }
    }

    /// Within these limits, as far as there are any.
    pub(super) fn within(mut self, limit: Option<Duration>, token: Option<&CancelToken>) -> Self {
        self.options.limit = limit;
        self.options.token = token.cloned();
        self
    }

    call_settings!();

    /// Sends `body` in the place of the request's own, read while it is sent.
    pub fn body(mut self, body: SendBody<'a>) -> Self {
        self.options.body = Some(body);
        self
    }

    /// Sends the request, and waits for the head of the response.
    ///
    /// # Errors
    /// See [`ClientErrorKind`](super::ClientErrorKind). When it returns with one, whatever it has begun has ended, but
    /// perhaps the look-up of a name.
    pub fn send(self) -> Result<ClientResponse, ClientError> {
        self.client.run_call(self.request, self.options)
    }

    /// As [`send`](Self::send), with the response in the place of another one, and in its memory: so a call over a
    /// connection that is there already takes none of its own. What was not read of the other one's body is lost, and
    /// its connection closed.
    ///
    /// ```
    /// use anthill_http::{Request, Server};
    /// use anthill_http::client::HostClient;
    ///
    /// let running = Server::new(|ctx| ctx.set_body("six legs"))?.start("127.0.0.1:0")?;
    /// let client = HostClient::new(running.local_addr().to_string())?;
    /// let request = Request::new("GET", "/")?;
    /// let (mut response, mut body) = (client.send(&request)?, Vec::new());
    /// for _ in 0..3 {
    ///     body.clear();
    ///     response.read_body_into(&mut body)?;
    ///     assert_eq!(body, b"six legs");
    ///     client.call(&request).send_into(&mut response)?;
    /// }
    /// assert_eq!(response.conn_requests(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`send`](Self::send). `response` has the status 0 then, no fields, and a body that cannot be read.
    pub fn send_into(mut self, response: &mut ClientResponse) -> Result<(), ClientError> {
        self.options.spare = response.take_spare();
        *response = self.client.run_call(self.request, self.options)?;
        Ok(())
    }
}

impl fmt::Debug for PreparedCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedCall")
            // Without its fields, which may have secrets.
            .field("method", &self.request.method())
            .field("timeout", &self.options.limit)
            .field("body", &self.options.body)
            .field("expects", &self.options.expects)
            .finish_non_exhaustive()
    }
}
