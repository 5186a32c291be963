//! A request of the client of any host, put together step by step.
//!
//! The rule: what is wrong is remembered, the first thing of it, and said when the request is to be sent.

use super::any_host::Client;
use super::basic::basic_credentials;
use super::body::SendBody;
use super::call::{CallOptions, call_settings};
use super::error::ClientError;
use super::into_uri::IntoUri;
use super::multipart_form::MultipartForm;
use super::redirect::target_of;
use super::response::ClientResponse;
use crate::message::request::Request;
use crate::util::token;
use crate::values::args::Args;
use crate::values::uri::Uri;
use std::fmt;

/// Its requests.
impl Client {
    /// A GET of `url`, to be told more about before it is sent.
    ///
    /// What is wrong with the URL is said when it is sent.
    pub fn get(&self, url: impl IntoUri) -> RequestBuilder<'_> {
        self.request("GET", url)
    }

    /// A HEAD of `url`; see [`get`](Self::get).
    pub fn head(&self, url: impl IntoUri) -> RequestBuilder<'_> {
        self.request("HEAD", url)
    }

    /// A POST to `url`; see [`get`](Self::get).
    pub fn post(&self, url: impl IntoUri) -> RequestBuilder<'_> {
        self.request("POST", url)
    }

    /// A PUT to `url`; see [`get`](Self::get).
    pub fn put(&self, url: impl IntoUri) -> RequestBuilder<'_> {
        self.request("PUT", url)
    }

    /// A PATCH of `url`; see [`get`](Self::get).
    pub fn patch(&self, url: impl IntoUri) -> RequestBuilder<'_> {
        self.request("PATCH", url)
    }

    /// A DELETE of `url`; see [`get`](Self::get).
    pub fn delete(&self, url: impl IntoUri) -> RequestBuilder<'_> {
        self.request("DELETE", url)
    }

    /// A request with any method for `url`; see [`get`](Self::get).
    pub fn request(&self, method: &str, url: impl IntoUri) -> RequestBuilder<'_> {
        RequestBuilder::new(self, method, url.into_uri())
    }
}

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
///     .post(format!("http://{}/", running.local_addr()))
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
    client: &'a Client,
    uri: Uri,
    request: Request,
    options: CallOptions<'a>,
    /// Whether the `Content-Type` is what follows from the body, and not what the user has said.
    is_type_ours: bool,
    failed: Option<ClientError>,
}

/// What a method and a URL begin with.
fn begin(method: &str, uri: Uri) -> Result<(Uri, Request), ClientError> {
    if uri.host().is_empty() {
        return Err(ClientError::invalid("its URL has no host: write it with its scheme, http://host/path"));
    }
    let mut request = Request::new(method, "/").map_err(ClientError::invalid)?;
    request.set_host(uri.host()).map_err(ClientError::invalid)?;
    Ok((uri, request))
}

impl<'a> RequestBuilder<'a> {
    pub(super) fn new(client: &'a Client, method: &str, url: Result<Uri, ClientError>) -> Self {
        let (uri, request, failed) = match url.and_then(|uri| begin(method, uri)) {
            Ok((uri, request)) => (uri, request, None),
            Err(error) => (Uri::new(), Request::empty(), Some(error)),
        };
        Self { client, uri, request, options: CallOptions::default(), is_type_ours: false, failed }
    }

    /// Adds a header field, keeping others of the same name; `Host` says who is asked for, and not who is asked.
    ///
    /// A name that is no token, and a value with control characters, is an error. Length and framing of the body are
    /// what they are, whatever is said of them here.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = (name.as_ref(), value.as_ref());
        let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if !token::is_token(name) || value.iter().any(is_control) {
            return self
                .refused(ClientError::invalid("a header field has an invalid name, or control characters"));
        }
        if name.eq_ignore_ascii_case(b"Host") {
            return match self.request.set_host(value) {
                Ok(()) => self,
                Err(error) => self.refused(ClientError::invalid(error)),
            };
        }
        if name.eq_ignore_ascii_case(b"Content-Type") && std::mem::take(&mut self.is_type_ours) {
            self.request.remove_header("Content-Type");
        }
        self.request.append_header(name, value);
        self
    }

    /// Adds an argument to the query of the URL, escaped as it must be, behind what is there, which stays as it is.
    ///
    /// ```
    /// # let running = anthill_http::Server::new(|ctx| {
    /// #     let query = ctx.request.query_str().to_owned();
    /// #     ctx.set_body(query);
    /// # })?.start("127.0.0.1:0")?;
    /// # let url = format!("http://{}", running.local_addr());
    /// let client = anthill_http::client::Client::new();
    /// let request = client.get(format!("{url}/?signature=a/b%7E")).query("c", "d e");
    /// assert_eq!(request.send()?.text()?, "signature=a/b%7E&c=d+e");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn query(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let mut added = Args::new();
        added.append(key, value);
        let mut query = self.uri.query().to_vec();
        if !query.is_empty() {
            query.push(b'&');
        }
        query.extend_from_slice(&added.to_bytes());
        self.uri.set_query(query);
        self
    }

    /// Authorises by user and password (RFC 7617), in the place of those in the URL.
    pub fn basic_auth(mut self, user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        if user.as_ref().contains(&b':') {
            return self
                .refused(ClientError::invalid("a user with a colon cannot be told from his password"));
        }
        self.request.set_header("Authorization", basic_credentials(user.as_ref(), password.as_ref()));
        self
    }

    /// Authorises by a token (RFC 6750).
    pub fn bearer_auth(mut self, token: impl AsRef<str>) -> Self {
        let token = token.as_ref();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return self.refused(ClientError::invalid("a bearer token has characters that it must not have"));
        }
        self.request.set_header("Authorization", format!("Bearer {token}"));
        self
    }

    /// The body, in memory. Without a `Content-Type` of its own it is `application/octet-stream`.
    ///
    /// Of several bodies, of whatever kind, that which was said last is sent.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.typed("application/octet-stream", body.into())
    }

    /// A body that is read while it is sent.
    pub fn send_body(mut self, body: SendBody<'a>) -> Self {
        self.set_type(None);
        self.request.set_body_vec(Vec::new());
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
        self = self.send_body(body);
        // Whatever was said before: the boundary is in it.
        self.request.set_header("Content-Type", content_type);
        self.is_type_ours = true;
        self
    }

    call_settings!();

    /// Sends the request, and waits for the head of the response.
    ///
    /// # Errors
    /// [`InvalidRequest`](super::ClientErrorKind::InvalidRequest) when something of it cannot be sent; nothing was,
    /// then. For the others see [`ClientErrorKind`](super::ClientErrorKind). When it returns with one, whatever it has
    /// begun has ended, but perhaps the look-up of a name.
    pub fn send(self) -> Result<ClientResponse, ClientError> {
        let Self { client, uri, mut request, options, failed, .. } = self.with_credentials_of_url();
        if let Some(error) = failed {
            return Err(error);
        }
        request.set_request_uri(target_of(&uri)).map_err(ClientError::invalid)?;
        client.run_request(uri, &request, options)
    }

    /// Says that it opens a WebSocket.
    #[cfg(feature = "ws")]
    pub(super) fn for_socket(mut self) -> Self {
        self.options.opens_socket = true;
        self
    }

    /// Says how long it may take, if nobody else does: neither the user nor the client.
    #[cfg(feature = "ws")]
    pub(super) fn timeout_if_none(mut self, limit: std::time::Duration) -> Self {
        let is_limited = self.options.limit.is_some() || self.client.is_limited();
        self.options.limit = if is_limited { self.options.limit } else { Some(limit) };
        self
    }

    /// The token that calls it off.
    #[cfg(feature = "ws")]
    pub(super) fn token(&self) -> Option<&anthill_pool::CancelToken> {
        self.options.token.as_ref()
    }

    /// Takes the user and the password of the URL, unless the request authorises itself.
    fn with_credentials_of_url(self) -> Self {
        if self.uri.userinfo().is_empty() || self.request.headers().contains("Authorization") {
            return self;
        }
        let (user, password) = (self.uri.username().into_owned(), self.uri.password().into_owned());
        self.basic_auth(user, password)
    }

    pub(super) fn typed(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.set_type(Some(content_type));
        self.options.body = None;
        self.request.set_body_vec(body);
        self
    }

    /// Says of which type the body is, if the user does not.
    fn set_type(&mut self, content_type: Option<&str>) {
        if !self.is_type_ours && self.request.headers().contains("Content-Type") {
            return;
        }
        self.request.remove_header("Content-Type");
        if let Some(content_type) = content_type {
            self.request.set_header("Content-Type", content_type);
        }
        self.is_type_ours = content_type.is_some();
    }

    pub(super) fn refused(mut self, error: ClientError) -> Self {
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
