//! A response as a client has it: the head in full, the body as it arrives.
//!
//! The rules: the connection is given back at the moment at which the body was read to its end, and closed when the
//! response is dropped before. A body that broke off is an error, never a short body.

use super::conn::Allowed;
use super::error::{ClientError, ClientErrorKind};
use super::stock::Leased;
use crate::proto::{Limits, Rest};
use crate::values::headers::{Fields, Headers};
use crate::values::version::Version;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::net::SocketAddr;

/// The most that [`read_body`](ClientResponse::read_body) and [`text`](ClientResponse::text) collect unless
/// [`max_response_body_size`](super::HostClientBuilder::max_response_body_size) says otherwise: 10 MiB.
const COLLECTED_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// The most that is reserved before any of it has come.
const RESERVED_BYTES_MAX: u64 = 64 * 1024;

/// A response that a client has received: the head, and a body that arrives while it is read.
///
/// [`text`](Self::text) and [`read_body`](Self::read_body) collect the body; as a [`Read`] and a [`BufRead`] it is
/// streamed. Read to its end, its connection serves the next request. Dropped before, it is closed.
///
/// ```
/// use anthill_http::{Request, Server};
/// use anthill_http::client::HostClient;
/// use std::io::Read;
///
/// let running = Server::new(|ctx| ctx.set_body("six legs"))?.start("127.0.0.1:0")?;
/// let client = HostClient::new(running.local_addr().to_string())?;
/// let request = Request::new("GET", "/")?;
/// let mut response = client.send(&request)?;
/// assert_eq!((response.status_code(), response.header_str("content-length")), (200, Some("8")));
/// let mut first = [0; 3];
/// response.read_exact(&mut first)?;
/// assert_eq!((&first, response.text()?.as_str()), (b"six", " legs"));
/// assert_eq!(client.send(&request)?.conn_requests(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Reading reports a [`ClientError`] inside of an [`io::Error`]: of kind `UnexpectedEof` when the connection ended
/// before the body, `InvalidData` when the body is malformed or larger than allowed, `TimedOut` when time was up. An
/// error stays: reading again reports it again.
pub struct ClientResponse {
    status: u16,
    version: Version,
    reason: Vec<u8>,
    headers: Headers,
    trailers: Headers,
    remote: SocketAddr,
    local: Option<SocketAddr>,
    conn_requests: u64,
    body: ArrivingBody,
}

/// The body, as long as not all of it was read.
struct ArrivingBody {
    leased: Option<Leased>,
    /// How much of what is decoded was read.
    cursor: usize,
    /// Bytes of the body that were decoded before those that are in the connection's buffer.
    passed: u64,
    max: Option<u64>,
    limits: Limits,
    allowed: Allowed,
    failed: Option<ClientErrorKind>,
}

impl ClientResponse {
    /// The response whose head is in the connection.
    pub(crate) fn new(
        leased: Leased,
        limits: Limits,
        max: Option<u64>,
        allowed: Allowed,
    ) -> Result<Self, ClientError> {
        let conn = &leased.conn;
        let head = conn.found.head;
        let mut headers = Headers::new();
        headers.copy_from(conn.found.header_fields(&conn.input));
        let mut response = Self {
            status: head.status,
            version: head.version,
            reason: head.reason.within(conn.input.unread()).to_vec(),
            headers,
            trailers: Headers::new(),
            remote: conn.remote,
            local: conn.local,
            conn_requests: conn.requests,
            body: ArrivingBody {
                leased: Some(leased),
                cursor: 0,
                passed: 0,
                max,
                limits,
                allowed,
                failed: None,
            },
        };
        response.check_size()?;
        if response.body.window().is_empty() {
            response.settle();
        }
        Ok(response)
    }

    /// The status code: a final one, or 101.
    pub fn status_code(&self) -> u16 {
        self.status
    }

    /// Whether the status is of the class 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The version of HTTP that the server speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The reason phrase as it was sent; it means nothing.
    pub fn reason(&self) -> &[u8] {
        &self.reason
    }

    /// The header fields in their order.
    pub fn headers(&self) -> Fields<'_> {
        self.headers.fields()
    }

    /// The value of the first header field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name)
    }

    /// As [`header`](Self::header), if it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.headers.get_str(name)
    }

    /// The trailer fields that followed a chunked body. Empty until the body was read to its end.
    pub fn trailers(&self) -> Fields<'_> {
        self.trailers.fields()
    }

    /// The address of the server's end of the connection.
    pub fn remote_addr(&self) -> SocketAddr {
        self.remote
    }

    /// The address of our end of the connection, if the system says.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local
    }

    /// How many requests its connection has carried, the one for this response included.
    pub fn conn_requests(&self) -> u64 {
        self.conn_requests
    }

    /// How many bytes of the body are left to read; `None` when only the server knows.
    pub fn remaining(&self) -> Option<u64> {
        let Some(leased) = &self.body.leased else { return Some(0) };
        let here = self.body.window().len() as u64;
        match &leased.conn.found.rest {
            Rest::None => Some(here),
            Rest::Missing { decoder, .. } => decoder.missing().map(|missing| missing.saturating_add(here)),
            Rest::Failed => None,
        }
    }

    /// What is left of the body, as bytes.
    ///
    /// At most [`max_response_body_size`](super::HostClientBuilder::max_response_body_size) of them, or 10 MiB if that
    /// is not set.
    ///
    /// # Errors
    /// [`TooLarge`](ClientErrorKind::TooLarge) when there is more, and those of reading.
    pub fn read_body(&mut self) -> Result<Vec<u8>, ClientError> {
        let reserved = self.remaining().unwrap_or(0).min(RESERVED_BYTES_MAX);
        let most = self.body.max.unwrap_or(COLLECTED_BYTES_MAX);
        let mut collected = Vec::with_capacity(usize::try_from(reserved).unwrap_or(0));
        loop {
            self.fill()?;
            let window = self.body.window();
            if window.is_empty() {
                return Ok(collected);
            }
            if (collected.len() + window.len()) as u64 > most {
                return Err(self.fail(ClientErrorKind::TooLarge));
            }
            collected.extend_from_slice(window);
            let count = window.len();
            self.consume(count);
        }
    }

    /// As [`read_body`](Self::read_body), as text: what is not UTF-8 becomes U+FFFD, whatever the server
    /// says of its encoding.
    ///
    /// # Errors
    /// Those of [`read_body`](Self::read_body).
    pub fn text(&mut self) -> Result<String, ClientError> {
        let bytes = self.read_body()?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Receives until something is in the window, or the body has ended.
    fn fill(&mut self) -> Result<(), ClientError> {
        while self.body.window().is_empty() {
            if let Some(kind) = self.body.failed {
                return Err(ClientError::new(kind).at(self.remote));
            }
            if self.body.is_here() {
                self.settle();
                return Ok(());
            }
            if let Err(error) = self.body.receive() {
                self.fail(error.kind());
                return Err(error);
            }
            self.check_size()?;
        }
        Ok(())
    }

    /// Requires that the body is not larger than allowed, as far as that is known.
    fn check_size(&mut self) -> Result<(), ClientError> {
        let Some((max, leased)) = self.body.max.zip(self.body.leased.as_ref()) else { return Ok(()) };
        let found = &leased.conn.found;
        let missing = match &found.rest {
            Rest::Missing { decoder, .. } => decoder.missing().unwrap_or(0),
            Rest::None | Rest::Failed => 0,
        };
        let size = self.body.passed.saturating_add(found.body.len() as u64).saturating_add(missing);
        if size > max { Err(self.fail(ClientErrorKind::TooLarge)) } else { Ok(()) }
    }

    /// Nothing more is to be had of the connection, which is closed.
    fn fail(&mut self, kind: ClientErrorKind) -> ClientError {
        self.body.leased = None;
        self.body.failed = Some(kind);
        ClientError::new(kind).at(self.remote)
    }

    /// The body was read to its end, if all of it is here: takes what followed it, and gives the connection back.
    fn settle(&mut self) {
        if !self.body.is_here() {
            return;
        }
        if let Some(leased) = &self.body.leased {
            self.trailers.copy_from(leased.conn.found.trailer_fields(&leased.conn.input));
        }
        self.body.end();
    }
}

impl ArrivingBody {
    /// What was decoded and not read.
    fn window(&self) -> &[u8] {
        let Some(leased) = &self.leased else { return &[] };
        let body = &leased.conn.found.body;
        leased.conn.input.unread().get(body.start + self.cursor..body.end).unwrap_or_default()
    }

    /// Whether all of it has arrived, or nothing is awaited any more.
    fn is_here(&self) -> bool {
        self.leased.as_ref().is_none_or(|leased| leased.conn.is_body_here())
    }

    fn receive(&mut self) -> Result<(), ClientError> {
        let Some(leased) = &mut self.leased else { return Ok(()) };
        self.passed += leased.conn.found.body.len() as u64;
        self.cursor = 0;
        leased.conn.receive_body(&self.limits, &self.allowed)
    }

    /// Ends the exchange: the connection goes back if all of the body has come and another request can be sent on it.
    fn end(&mut self) {
        let Some(mut leased) = self.leased.take() else { return };
        if leased.conn.is_body_here() && leased.conn.finish().is_none() {
            leased.give_back();
        }
    }
}

impl Drop for ArrivingBody {
    fn drop(&mut self) {
        self.end();
    }
}

impl Read for ClientResponse {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for ClientResponse {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill()?;
        Ok(self.body.window())
    }

    fn consume(&mut self, count: usize) {
        self.body.cursor += count.min(self.body.window().len());
        if self.body.window().is_empty() {
            self.settle();
        }
    }
}

impl fmt::Debug for ClientResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientResponse")
            .field("status", &self.status)
            .field("version", &self.version)
            .field("remote", &self.remote)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
