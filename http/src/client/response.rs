//! A response as a client has it: the head in full, the body as it arrives.

#[cfg(feature = "ws")]
use super::arriving::UpgradedConn;
use super::arriving::{ArrivingBody, BodyArrival};
use super::conn::ClientSocket;
use super::error::{ClientError, ClientErrorKind};
use super::stock::Leased;
use crate::proto::Rest;
use crate::values::coding::{ContentDecoder, can_undo};
use crate::values::headers::{Fields, Headers};
use crate::values::uri::Uri;
use crate::values::version::Version;
#[cfg(feature = "tls-no-provider")]
use crate::wire::tls_info::TlsInfo;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
#[cfg(feature = "tls-no-provider")]
use std::sync::Arc;

/// The most that [`read_body`](ClientResponse::read_body) and [`text`](ClientResponse::text) collect unless
/// [`max_response_body_size`](super::ClientBuilder::max_response_body_size) says otherwise: 10 MiB.
pub(crate) const COLLECTED_BYTES_MAX: u64 = 10 * 1024 * 1024;

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
    remote: SocketAddr,
    local: Option<SocketAddr>,
    conn_requests: u64,
    is_request_sent: bool,
    uri: Option<Box<Uri>>,
    #[cfg(feature = "tls-no-provider")]
    tls: Option<Arc<TlsInfo>>,
    body: ResponseBody,
}

/// The body, as the user gets it.
#[allow(clippy::large_enum_variant, reason = "most bodies are as they were sent, and cost no allocation")]
enum ResponseBody {
    AsSent(ArrivingBody),
    /// Without its content coding.
    Decoded {
        reader: Box<BufReader<ContentDecoder<ArrivingBody>>>,
        max: Option<u64>,
        /// Whether any of it has come.
        has_begun: bool,
    },
    /// It could not be decoded.
    Failed(ClientErrorKind),
}

/// The memory of a head that nobody needs any more.
#[derive(Default)]
pub(crate) struct SpareHead {
    headers: Headers,
    reason: Vec<u8>,
}

impl ClientResponse {
    /// The response whose head is in the connection. If `decodes`, its content coding is undone, if it has one that can
    /// be; what the head says of that is removed, and the limit of the body counts what comes out. The head is kept in
    /// the memory of `spare`.
    pub(crate) fn new(leased: Leased, mut arrival: BodyArrival, decodes: bool, spare: SpareHead) -> Self {
        let mut response = Self::head_of(&leased.conn, spare);
        let codings = response.codings_to_undo(&leased.conn, decodes);
        let max = if codings.is_some() { arrival.max.take() } else { None };
        let bounds = (max, arrival.ratio_max);
        response.take_body(ArrivingBody::new(leased, arrival), codings, bounds);
        response
    }

    /// As [`new`](Self::new), of a response that is whole in the connection, which stays where it is. Its body may have
    /// `max` bytes, and so many for each one of a content coding.
    pub(crate) fn whole(
        conn: &ClientSocket,
        max: Option<u64>,
        ratio_max: Option<u32>,
        decodes: bool,
    ) -> Self {
        let mut response = Self::head_of(conn, SpareHead::default());
        let codings = response.codings_to_undo(conn, decodes);
        response.take_body(ArrivingBody::whole(conn, max), codings, (max, ratio_max));
        response
    }

    /// The response whose head is in the connection, as yet without its body.
    fn head_of(conn: &ClientSocket, spare: SpareHead) -> Self {
        let head = conn.found.head;
        let SpareHead { mut headers, mut reason } = spare;
        headers.copy_from(conn.found.header_fields(&conn.input));
        reason.clear();
        reason.extend_from_slice(head.reason.within(conn.input.unread()));
        Self {
            status: head.status,
            version: head.version,
            reason,
            headers,
            remote: conn.remote,
            local: conn.way.local,
            conn_requests: conn.requests,
            is_request_sent: conn.session.is_request_sent(),
            uri: None,
            #[cfg(feature = "tls-no-provider")]
            tls: conn.tls_info().cloned(),
            body: ResponseBody::Failed(ClientErrorKind::ConnectionClosed),
        }
    }

    /// The codings of the body that is in the connection which are to be undone, if there are such. There may be no
    /// body, of a response to HEAD for example.
    fn codings_to_undo(&self, conn: &ClientSocket, decodes: bool) -> Option<Vec<u8>> {
        let has_body = conn.found.rest != Rest::None || conn.found.raw > conn.found.body.start;
        if decodes && has_body { known_codings(&self.headers) } else { None }
    }

    /// Gets its body, which has these codings that are to be undone. Of the bounds the first counts what comes out of
    /// them, the second that for each byte that came.
    fn take_body(
        &mut self,
        body: ArrivingBody,
        codings: Option<Vec<u8>>,
        (max, ratio_max): (Option<u64>, Option<u32>),
    ) {
        let Some(codings) = codings else {
            self.body = ResponseBody::AsSent(body);
            return;
        };
        self.headers.remove("Content-Encoding");
        self.headers.remove("Content-Length");
        let bounded = |decoder: ContentDecoder<_>| {
            let decoder = decoder.max_decoded_bytes(max).max_ratio(ratio_max);
            let reader = Box::new(BufReader::new(decoder));
            ResponseBody::Decoded { reader, max, has_begun: false }
        };
        let decoder = ContentDecoder::new(codings, body);
        self.body = decoder.map_or(ResponseBody::Failed(ClientErrorKind::Decode), bounded);
    }

    /// Gives the memory of its head away, and lets its connection go.
    pub(crate) fn take_spare(&mut self) -> SpareHead {
        self.body = ResponseBody::Failed(ClientErrorKind::ConnectionClosed);
        self.status = 0;
        SpareHead { headers: std::mem::take(&mut self.headers), reason: std::mem::take(&mut self.reason) }
    }

    /// It is not wanted. Of its body little is read, so that its connection serves another request, and nothing
    /// decoded.
    pub(crate) fn pass_over(mut self) {
        match &mut self.body {
            ResponseBody::AsSent(body) => body.pass_over(),
            ResponseBody::Decoded { reader, .. } => reader.get_mut().get_mut().pass_over(),
            ResponseBody::Failed(_) => {}
        }
    }

    /// The connection, when another protocol follows on it.
    #[cfg(feature = "ws")]
    pub(crate) fn take_upgraded(&mut self) -> Option<UpgradedConn> {
        match &mut self.body {
            ResponseBody::AsSent(body) => body.take_upgraded(),
            ResponseBody::Decoded { .. } | ResponseBody::Failed(_) => None,
        }
    }

    /// Says where it came from.
    pub(crate) fn came_from(mut self, uri: Uri) -> Self {
        self.uri = Some(Box::new(uri));
        self
    }

    /// The status code: a final one; or 101 to a request that asked for another protocol, whose connection cannot be
    /// had but for a WebSocket (`Client::websocket`).
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
        match &self.body {
            ResponseBody::AsSent(body) => body.trailers().fields(),
            ResponseBody::Decoded { reader, .. } => reader.get_ref().get_ref().trailers().fields(),
            ResponseBody::Failed(_) => Fields::new(b"", &[]),
        }
    }

    /// The URL that it came from, after all redirects, of a client that goes to any host; `None` of a client of one
    /// host, to which requests say only what they want of it.
    pub fn uri(&self) -> Option<&Uri> {
        self.uri.as_deref()
    }

    /// The address of the server's end of the connection, or of the proxy's; `0.0.0.0:0` where there is none that can
    /// be known, as of a Unix socket.
    pub fn remote_addr(&self) -> SocketAddr {
        self.remote
    }

    /// The address of our end of the connection, if the system says.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local
    }

    /// What was agreed on with the server when the connection was encrypted; `None`: it is not.
    #[cfg(feature = "tls-no-provider")]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// How many requests its connection has carried, the one for this response included.
    pub fn conn_requests(&self) -> u64 {
        self.conn_requests
    }

    /// Whether all of the request had been sent when the response was there. A server may answer before it has read
    /// all: what it does not want, what it cannot, or what it has seen enough of.
    pub fn is_request_sent(&self) -> bool {
        self.is_request_sent
    }

    /// How many bytes of the body are left to read; `None` when only the server knows, what comes out of a content
    /// coding is to be seen, or the body has failed.
    pub fn remaining(&self) -> Option<u64> {
        match &self.body {
            ResponseBody::AsSent(body) => body.remaining(),
            ResponseBody::Decoded { .. } | ResponseBody::Failed(_) => None,
        }
    }

    /// The body, if it is as it was sent.
    pub(crate) fn body_as_sent(&mut self) -> Option<&mut ArrivingBody> {
        match &mut self.body {
            ResponseBody::AsSent(body) => Some(body),
            _ => None,
        }
    }

    /// What of the body has come and was not read.
    pub(crate) fn arrived(&self) -> &[u8] {
        match &self.body {
            ResponseBody::AsSent(body) => body.window(),
            ResponseBody::Decoded { reader, .. } => reader.buffer(),
            ResponseBody::Failed(_) => &[],
        }
    }

    /// What is left of the body, as bytes.
    ///
    /// At most [`max_response_body_size`](super::ClientBuilder::max_response_body_size) of them, or 10 MiB if that
    /// is not set.
    ///
    /// # Errors
    /// [`TooLarge`](ClientErrorKind::TooLarge) when there is more, and those of reading.
    pub fn read_body(&mut self) -> Result<Vec<u8>, ClientError> {
        let reserved = self.remaining().unwrap_or(0).min(RESERVED_BYTES_MAX);
        let mut collected = Vec::with_capacity(usize::try_from(reserved).unwrap_or(0));
        self.read_body_into(&mut collected)?;
        Ok(collected)
    }

    /// As [`read_body`](Self::read_body), behind what `into` has already, and in its memory.
    ///
    /// # Errors
    /// Those of [`read_body`](Self::read_body). What came before stays in `into`.
    pub fn read_body_into(&mut self, into: &mut Vec<u8>) -> Result<(), ClientError> {
        let mut left = self.body.max().unwrap_or(COLLECTED_BYTES_MAX);
        loop {
            let window = self.fill()?;
            let count = window.len();
            if count == 0 {
                return Ok(());
            }
            if count as u64 > left {
                return Err(self.fail(ClientErrorKind::TooLarge));
            }
            into.extend_from_slice(window);
            left -= count as u64;
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

    /// Receives until something is there to be read, or the body has ended.
    pub(crate) fn fill(&mut self) -> Result<&[u8], ClientError> {
        if let Err(error) = self.body.fill() {
            // What comes out of a decoder that has failed is nothing, which is not to look like the end.
            if matches!(self.body, ResponseBody::Decoded { .. }) {
                self.fail(error.kind());
            }
            return Err(error.at(self.remote));
        }
        Ok(self.arrived())
    }

    /// Nothing more is to be had of it, and its connection is closed.
    fn fail(&mut self, kind: ClientErrorKind) -> ClientError {
        match &mut self.body {
            ResponseBody::AsSent(body) => body.fail(kind),
            _ => {
                self.body = ResponseBody::Failed(kind);
                ClientError::new(kind).at(self.remote)
            }
        }
    }
}

impl ResponseBody {
    /// Receives until something is there to be read, or it has ended.
    fn fill(&mut self) -> Result<(), ClientError> {
        match self {
            Self::AsSent(body) => body.fill(),
            Self::Decoded { reader, has_begun, .. } => {
                if !*has_begun {
                    let body = reader.get_mut().get_mut();
                    body.fill()?;
                    // Of nothing nothing is made, however the server calls it; a decoder would miss its beginning.
                    *has_begun = !body.window().is_empty();
                    if !*has_begun {
                        return Ok(());
                    }
                }
                reader.fill_buf().map(drop).map_err(ClientError::of_reading)
            }
            Self::Failed(kind) => Err(ClientError::new(*kind)),
        }
    }

    /// The most bytes that it may have.
    fn max(&self) -> Option<u64> {
        match self {
            Self::AsSent(body) => body.max(),
            Self::Decoded { max, .. } => *max,
            Self::Failed(_) => None,
        }
    }
}

/// The content codings of a response, if it has some, and all of them can be undone.
fn known_codings(headers: &Headers) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = headers.get_all("Content-Encoding").collect();
    let codings = lines.join(&b","[..]);
    // A decoder of nothing would bound nothing: such a body is as it was sent.
    can_undo(&codings).then_some(codings)
}

impl Read for ClientResponse {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for ClientResponse {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.fill()?)
    }

    fn consume(&mut self, count: usize) {
        match &mut self.body {
            ResponseBody::AsSent(body) => body.advance(count),
            ResponseBody::Decoded { reader, .. } => reader.consume(count),
            ResponseBody::Failed(_) => {}
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
