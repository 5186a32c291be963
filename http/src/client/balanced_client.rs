//! What all clients can do alike that send a request to somebody: for those who choose among them.

use super::any_host::Client;
use super::error::ClientError;
use super::host::HostClient;
use super::response::ClientResponse;
use crate::message::request::Request;
use anthill_pool::CancelToken;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A client among which a [`LbClient`](super::LbClient) chooses: one of this crate's, or one of the user's that
/// does more.
///
/// ```
/// use anthill_http::{Request, Server};
/// use anthill_http::client::{BalancedClient, CancelToken, ClientError, ClientResponse, HostClient, LbClient};
/// use std::time::Duration;
///
/// /// Says who asks.
/// struct Named(HostClient, &'static str);
///
/// impl BalancedClient for Named {
///     fn send_within(
///         &self,
///         request: &Request,
///         limit: Option<Duration>,
///         token: Option<&CancelToken>,
///     ) -> Result<ClientResponse, ClientError> {
///         let mut request = request.clone();
///         request.set_header("From", self.1);
///         self.0.send_within(&request, limit, token)
///     }
///
///     fn pending_requests(&self) -> usize {
///         self.0.pending_requests()
///     }
/// }
///
/// let running = Server::new(|ctx| {
///     let from = ctx.request.header_str("From").unwrap_or_default().to_owned();
///     ctx.set_body(from);
/// })?
/// .start("127.0.0.1:0")?;
/// let client = LbClient::new([Named(HostClient::new(running.local_addr().to_string())?, "ant")])?;
/// assert_eq!(client.send(&Request::new("GET", "/")?)?.text()?, "ant");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait BalancedClient: Send + Sync {
    /// Sends `request` and waits for the response, for `limit` at most up to the last byte of the body (`None`: as long
    /// as the client does anyway), and until `token` is cancelled.
    ///
    /// # Errors
    /// Those of the client.
    fn send_within(
        &self,
        request: &Request,
        limit: Option<Duration>,
        token: Option<&CancelToken>,
    ) -> Result<ClientResponse, ClientError>;

    /// How many calls have not ended.
    fn pending_requests(&self) -> usize;
}

impl BalancedClient for HostClient {
    fn send_within(
        &self,
        request: &Request,
        limit: Option<Duration>,
        token: Option<&CancelToken>,
    ) -> Result<ClientResponse, ClientError> {
        self.call(request).within(limit, token).send()
    }

    fn pending_requests(&self) -> usize {
        Self::pending_requests(self)
    }
}

impl BalancedClient for Client {
    fn send_within(
        &self,
        request: &Request,
        limit: Option<Duration>,
        token: Option<&CancelToken>,
    ) -> Result<ClientResponse, ClientError> {
        self.call(request).within(limit, token).send()
    }

    fn pending_requests(&self) -> usize {
        let stats = self.stats();
        stats.open.saturating_sub(stats.idle) + stats.waiting
    }
}

impl<C: BalancedClient + ?Sized> BalancedClient for Arc<C> {
    fn send_within(
        &self,
        request: &Request,
        limit: Option<Duration>,
        token: Option<&CancelToken>,
    ) -> Result<ClientResponse, ClientError> {
        (**self).send_within(request, limit, token)
    }

    fn pending_requests(&self) -> usize {
        (**self).pending_requests()
    }
}

/// One call of a [`PipelineClient`](super::PipelineClient) or a [`LbClient`](super::LbClient), to be told more about
/// before it is [sent](Self::send).
///
/// ```
/// use anthill_http::Request;
/// use anthill_http::client::{CancelToken, ClientErrorKind, PipelineClient};
/// use std::time::Duration;
///
/// // It takes connections, and never answers.
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let client = PipelineClient::new(listener.local_addr()?.to_string())?;
/// let request = Request::new("GET", "/")?;
/// let error = client.call(&request).timeout(Duration::from_millis(20)).send().unwrap_err();
/// assert!(error.is_timeout());
///
/// let token = CancelToken::new();
/// token.cancel();
/// let error = client.call(&request).cancel_with(&token).send().unwrap_err();
/// assert_eq!(error.kind(), ClientErrorKind::Cancelled);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is sent before send is called"]
pub struct LimitedCall<'a> {
    client: &'a dyn BalancedClient,
    request: &'a Request,
    limit: Option<Duration>,
    token: Option<CancelToken>,
}

impl<'a> LimitedCall<'a> {
    pub(super) fn new(client: &'a dyn BalancedClient, request: &'a Request) -> Self {
        Self { client, request, limit: None, token: None }
    }

    /// How long it may take, from the call of [`send`](Self::send) to the last byte of the body, instead of the
    /// client's own limit. Zero fails at once.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Has the call end when `token` is cancelled, wherever it is then, with the error
    /// [`Cancelled`](super::ClientErrorKind::Cancelled). Others that share its connection go on.
    pub fn cancel_with(mut self, token: &CancelToken) -> Self {
        self.token = Some(token.clone());
        self
    }

    /// Sends the request, and waits for the response.
    ///
    /// # Errors
    /// Those of the client.
    pub fn send(self) -> Result<ClientResponse, ClientError> {
        self.client.send_within(self.request, self.limit, self.token.as_ref())
    }
}

impl fmt::Debug for LimitedCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitedCall")
            // Without its fields, which may have secrets.
            .field("method", &self.request.method())
            .field("timeout", &self.limit)
            .finish_non_exhaustive()
    }
}
