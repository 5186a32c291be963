//! A request of the client of any host, put together step by step.
//!
//! The rule: what is wrong is remembered, the first thing of it, and said when the request is to be sent.

use super::body::SendBody;
use super::call::{BodyExpectation, CallOptions};
use super::error::{ClientError, ClientErrorKind};
use super::multipart_form::MultipartForm;
use super::redirect::target_of;
use super::response::ClientResponse;
use crate::message::request::Request;
use crate::util::token;
use crate::values::args::Args;
use crate::values::headers::Fields;
use crate::values::uri::Uri;
use anthill_pool::CancelToken;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A request that is being built; made by [`Client::get`](super::Client::get) and the
/// like.
///
/// ```
/// use anthill_http::Server;
/// use anthill_http::client::Client;
/// use std::time::Duration;
///
/// let running = Server::new(|ctx| {
///     let said = format!("{:?} {:?}", ctx.request.header_str("Authorization"), ctx.request.body_str());
///     ctx.set_body(said);
/// })?
/// .start("127.0.0.1:0")?;
///
/// let client = Client::new();
/// let mut response = client
///     .post(&format!("http://{}/", running.local_addr()))
///     .header("Accept", "text/plain")
///     .bearer_auth("token")
///     .form([("name", "a b"), ("kind", "&")])
///     .timeout(Duration::from_secs(10))
///     .send()?;
/// assert_eq!(response.text()?, r#"Some("Bearer token") Some("name=a+b&kind=%26")"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is sent before send is called"]
pub struct RequestBuilder<'a> {
    client: &'a dyn RunRequest,
    uri: Uri,
    request: Request,
    options: CallOptions<'a>,
    failed: Option<ClientError>,
}

/// A client that goes where a URL says.
pub(super) trait RunRequest {
    fn run_request<'r>(
        &self,
        uri: Uri,
        request: &'r Request,
        options: CallOptions<'r>,
    ) -> Result<ClientResponse, ClientError>;
}

fn refuse(why: impl Into<Box<dyn Error + Send + Sync>>) -> ClientError {
    ClientError::because(ClientErrorKind::InvalidRequest, why)
}

/// What a method and a URL begin with.
fn begin(method: &str, url: &str) -> Result<(Uri, Request), ClientError> {
    let mut uri = Uri::parse(url).map_err(refuse)?;
    uri.set_path_normalizing(false);
    if uri.host().is_empty() {
        return Err(refuse("its URL has no host: write it with its scheme, http://host/path"));
    }
    let mut request = Request::new(method, "/").map_err(refuse)?;
    request.set_host(uri.host()).map_err(refuse)?;
    Ok((uri, request))
}

impl<'a> RequestBuilder<'a> {
    pub(super) fn new(client: &'a dyn RunRequest, method: &str, url: &str) -> Self {
        let (uri, request, failed) = match begin(method, url) {
            Ok((uri, request)) => (uri, request, None),
            Err(error) => (Uri::new(), Request::empty(), Some(error)),
        };
        Self { client, uri, request, options: CallOptions::default(), failed }
    }

    /// Adds a header field, keeping others of the same name; `Host` says who is asked for, and not who is asked.
    ///
    /// A name that is no token, and a value with control characters, is an error. Length and framing of the body are
    /// what they are, whatever is said of them here.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = (name.as_ref(), value.as_ref());
        let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if !token::is_token(name) || value.iter().any(is_control) {
            return self.refused(refuse("a header field has an invalid name, or control characters"));
        }
        if name.eq_ignore_ascii_case(b"Host") {
            return match self.request.set_host(value) {
                Ok(()) => self,
                Err(error) => self.refused(refuse(error)),
            };
        }
        self.request.append_header(name, value);
        self
    }

    /// Adds an argument to the query of the URL, escaped as it must be.
    pub fn query(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.uri.query_args_mut().append(key, value);
        self
    }

    /// Authorises by user and password (RFC 7617), in the place of those in the URL.
    pub fn basic_auth(mut self, user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        if user.as_ref().contains(&b':') {
            return self.refused(refuse("a user with a colon cannot be told from his password"));
        }
        let credentials = [user.as_ref(), b":", password.as_ref()].concat();
        self.request.set_header("Authorization", format!("Basic {}", STANDARD.encode(credentials)));
        self
    }

    /// Authorises by a token (RFC 6750).
    pub fn bearer_auth(mut self, token: impl AsRef<str>) -> Self {
        let token = token.as_ref();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return self.refused(refuse("a bearer token has characters that it must not have"));
        }
        self.request.set_header("Authorization", format!("Bearer {token}"));
        self
    }

    /// The body, in memory. Without a `Content-Type` of its own it is `application/octet-stream`.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.typed("application/octet-stream", body.into())
    }

    /// A body that is read while it is sent.
    pub fn send_body(mut self, body: SendBody<'a>) -> Self {
        self.options.body = Some(body);
        self
    }

    /// The body is a form of names and values, `application/x-www-form-urlencoded`.
    pub fn form<K: AsRef<[u8]>, V: AsRef<[u8]>>(self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut args = Args::new();
        for (key, value) in pairs {
            args.append(key, value);
        }
        self.typed("application/x-www-form-urlencoded", args.to_bytes())
    }

    /// The body is a form with files, `multipart/form-data`.
    pub fn multipart(mut self, form: MultipartForm<'a>) -> Self {
        let (content_type, body) = form.into_body();
        self.request.set_header("Content-Type", content_type);
        self.send_body(body)
    }

    /// How long it may take, from [`send`](Self::send) to the last byte of the body and over all redirects, instead of
    /// the client's [`timeout`](super::ClientBuilder::timeout). Zero fails at once.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.limit = Some(limit);
        self
    }

    /// As [`PreparedCall::cancel_with`](super::PreparedCall::cancel_with).
    pub fn cancel_with(mut self, token: &CancelToken) -> Self {
        self.options.token = Some(token.clone());
        self
    }

    /// As [`PreparedCall::expect_continue`](super::PreparedCall::expect_continue).
    pub fn expect_continue(mut self, wait: Duration) -> Self {
        self.options.expects = BodyExpectation::For(wait);
        self
    }

    /// As [`PreparedCall::on_informational`](super::PreparedCall::on_informational).
    pub fn on_informational(mut self, hook: impl FnMut(u16, Fields<'_>) + 'a) -> Self {
        self.options.on_informational = Some(Box::new(hook));
        self
    }

    /// Sends the request, and waits for the head of the response.
    ///
    /// # Errors
    /// [`InvalidRequest`](ClientErrorKind::InvalidRequest) when something of it cannot be sent; nothing was, then. For
    /// the others see [`ClientErrorKind`]. When it returns, whatever it has begun has ended.
    pub fn send(self) -> Result<ClientResponse, ClientError> {
        let Self { client, uri, mut request, options, failed } = self.with_credentials_of_url();
        if let Some(error) = failed {
            return Err(error);
        }
        request.set_request_uri(target_of(&uri)).map_err(refuse)?;
        client.run_request(uri, &request, options)
    }

    /// Takes the user and the password of the URL, unless the request authorises itself.
    fn with_credentials_of_url(self) -> Self {
        if self.uri.userinfo().is_empty() || self.request.headers().contains("Authorization") {
            return self;
        }
        let (user, password) = (self.uri.username().into_owned(), self.uri.password().into_owned());
        self.basic_auth(user, password)
    }

    fn typed(mut self, content_type: &str, body: Vec<u8>) -> Self {
        if !self.request.headers().contains("Content-Type") {
            self.request.set_header("Content-Type", content_type);
        }
        self.request.set_body_vec(body);
        self
    }

    fn refused(mut self, error: ClientError) -> Self {
        self.failed.get_or_insert(error);
        self
    }
}

impl fmt::Debug for RequestBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without fields, query and user, which may have secrets.
        f.debug_struct("RequestBuilder")
            .field("method", &self.request.method())
            .field("host", &String::from_utf8_lossy(self.uri.host()))
            .field("path", &self.uri.path())
            .finish_non_exhaustive()
    }
}
