//! Why a call of a client gave no response, or no whole one.
//!
//! The rule: one kind per thing that a caller may do about it; what was met below is said, and stays reachable.

use crate::proto::ProtoError;
use crate::values::coding::{DecodeLimit, Undecodable};
use crate::values::uri::Uri;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why a call of a client failed.
///
/// [`kind`](Self::kind) is for code, the text for people: it says what happened, what can be done about it, and what
/// was met below. That itself is had by [`get_ref`](Self::get_ref); [`source`](Error::source) is what is below that,
/// since whoever prints an error with its sources would say it twice otherwise.
///
/// ```
/// use anthill_http::Request;
/// use anthill_http::client::{ClientErrorKind, HostClient};
///
/// // Nobody listens there any more.
/// let addr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
/// let client = HostClient::new(addr.to_string())?;
/// let error = client.send(&Request::new("GET", "/")?).unwrap_err();
/// assert_eq!(error.kind(), ClientErrorKind::Connect);
/// assert_eq!(error.addr(), Some(addr));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientError {
    kind: ClientErrorKind,
    addr: Option<SocketAddr>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of failure a [`ClientError`] is. More may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// The request cannot be sent as it is. Nothing was resolved or sent for it.
    InvalidRequest,
    /// The name of the host has no address, or asking for it failed.
    Resolve,
    /// No address took the connection.
    Connect,
    /// The server and this client could not agree on how to encrypt, or the server is not the one that was asked for.
    /// Nothing was sent, unless the server has refused what it was shown only after that: then it may have the request,
    /// and has answered it by nothing but that refusal.
    Tls,
    /// The proxy refused, could not reach the server, or does not speak what a proxy speaks. Nothing was sent to the
    /// server.
    Proxy,
    /// All connections that are allowed were busy for as long as may be waited.
    NoFreeConns,
    /// As many calls of a [`PipelineClient`](super::PipelineClient) as are allowed waited for their responses, for as
    /// long as may be waited. Nothing was sent.
    PipelineOverflow,
    /// A [`LbClient`](super::LbClient) has no client any more that it could ask. Nothing was sent.
    NoAvailableClients,
    /// Time was up. What was begun for the call has ended with it, but perhaps the look-up of a name; and by a
    /// [`PipelineClient`](super::PipelineClient) a request that was begun is sent to its end.
    Timeout(ClientPhase),
    /// It was called off by its token. What goes on then is what goes on behind a [`Timeout`](Self::Timeout).
    Cancelled,
    /// The connection ended before the response was complete. The server may have acted on the request.
    ConnectionClosed,
    /// The response is malformed.
    Protocol(ProtoError),
    /// The head or the body of the response is larger than allowed, or more comes out of the body than may for its size
    /// ([`max_response_ratio`](super::ClientBuilder::max_response_ratio)).
    TooLarge,
    /// The reader that gives the body of the request failed, or gave less than it announced. A connection on which the
    /// request was begun is closed.
    RequestBody,
    /// The body of the response is not in the content coding that it claims to be in.
    Decode,
    /// The body of the response is no JSON, or says something else than what was asked for (feature `json`).
    Json,
    /// A redirect was not followed; the request that led to it was sent. The text says where it leads, without the
    /// query.
    Redirect(RedirectFault),
}

/// What a call was waiting for when its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientPhase {
    /// The addresses of a name.
    Resolve,
    /// A connection to be made.
    Connect,
    /// The server to agree on how to encrypt.
    Tls,
    /// The proxy to reach the server.
    Proxy,
    /// A connection of others to become free.
    FreeConn,
    /// The reader of the request's body to give more.
    RequestBody,
    /// The server to take the request.
    Send,
    /// The head of the response.
    Head,
    /// The body of the response.
    Body,
}

/// Why a redirect was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedirectFault {
    /// There were more than [`max_redirects`](super::ClientBuilder::max_redirects).
    TooMany,
    /// The response does not say where to.
    NoLocation,
    /// Where to is no URL of a host.
    BadLocation,
    /// The scheme is not one of HTTP; or `https`, which takes the feature `tls`.
    Scheme,
    /// It leads from `https` to `http`.
    Downgrade,
    /// The body would have to be sent again, and cannot be.
    BodySpent,
}

impl ClientError {
    pub(crate) fn new(kind: ClientErrorKind) -> Self {
        Self { kind, addr: None, source: None }
    }

    pub(crate) fn because(kind: ClientErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, addr: None, source: Some(source.into()) }
    }

    /// What was asked for cannot be done, and nothing was done for it.
    pub(crate) fn invalid(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::because(ClientErrorKind::InvalidRequest, why)
    }

    /// A redirect to `target` was not followed, for a reason that `why` says if it is there. What may be secret of
    /// that, user and query, is not told.
    pub(crate) fn redirect(fault: RedirectFault, target: &Uri, why: Option<&Self>) -> Self {
        let mut shown = target.clone();
        shown.set_query("");
        shown.set_fragment("");
        let told = match why.and_then(Self::get_ref) {
            Some(why) => format!("it leads to {shown}: {why}"),
            None => format!("it leads to {shown}"),
        };
        Self::because(ClientErrorKind::Redirect(fault), told)
    }

    /// The same for another call that failed of it. What was met below is told, and is not what it was any more.
    pub(crate) fn same(&self) -> Self {
        let source = self.source.as_ref().map(|source| source.to_string().into());
        Self { kind: self.kind, addr: self.addr, source }
    }

    /// What a peer sent is not a response.
    pub(crate) fn protocol(error: ProtoError) -> Self {
        let kind = match error {
            ProtoError::HeadTooLarge
            | ProtoError::TooManyFields
            | ProtoError::TrailersTooLarge
            | ProtoError::BodyTooLarge => ClientErrorKind::TooLarge,
            ProtoError::UnexpectedEnd => ClientErrorKind::ConnectionClosed,
            other => ClientErrorKind::Protocol(other),
        };
        Self::because(kind, error)
    }

    /// What reading a body has failed with.
    pub(crate) fn of_reading(error: io::Error) -> Self {
        if DecodeLimit::of(&error).is_some() {
            return Self::because(ClientErrorKind::TooLarge, error);
        }
        if Undecodable::is_in(&error) {
            return Self::because(ClientErrorKind::Decode, error);
        }
        error.downcast().unwrap_or_else(|error| Self::because(ClientErrorKind::ConnectionClosed, error))
    }

    /// Names the address that the call had to do with.
    pub(crate) fn at(mut self, addr: SocketAddr) -> Self {
        // Of a connection that has none that can be known it is no address.
        if addr.port() > 0 {
            self.addr.get_or_insert(addr);
        }
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ClientErrorKind {
        self.kind
    }

    /// Whether time was up, in whatever phase.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, ClientErrorKind::Timeout(_))
    }

    /// What was met below: an error of the system, of the protocol, of a reader, or a text.
    pub fn get_ref(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.source.as_deref()
    }

    /// The address of the connection that failed, or that was tried last; `None` when it did not come to one.
    pub fn addr(&self) -> Option<SocketAddr> {
        self.addr
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if let Some(addr) = self.addr {
            write!(f, " ({addr})")?;
        }
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().and_then(Error::source)
    }
}

impl fmt::Display for ClientErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidRequest => "the request cannot be sent as it is; nothing was sent",
            Self::Resolve => "the host has no address; check its name and the resolver",
            Self::Connect => "no connection could be made; check that the server listens there",
            Self::Tls => {
                "there is no encrypted connection; check the server's certificate and name, and whom this client trusts"
            }
            Self::Proxy => "the proxy gives no connection to the server; check its address and what it lets through",
            Self::NoFreeConns => {
                "all connections to the host are busy; raise max_conns, or wait for one with conn_wait_timeout"
            }
            Self::PipelineOverflow => {
                "too many calls wait on the pipelined connections; raise max_conns or max_pending_requests, or wait with conn_wait_timeout"
            }
            Self::NoAvailableClients => "no client is left to be asked; add one",
            Self::Timeout(phase) => return write!(f, "time was up while waiting for {phase}"),
            Self::Cancelled => "the call was called off",
            Self::ConnectionClosed => {
                "the server closed the connection before the response was complete; repeat the request if that is safe"
            }
            Self::Protocol(_) => "what the server sent is no response; talk to whoever runs it",
            Self::TooLarge => "the response is larger than allowed; raise the limit if it is to be had",
            Self::RequestBody => "the body of the request could not be had in full; the request was not sent, or broke off",
            Self::Redirect(fault) => return write!(f, "a redirect was not followed: {fault}"),
            Self::Json => "the body of the response is not the JSON that was asked for; look at it as a text",
            Self::Decode => "the body of the response cannot be decompressed; ask for it as it is",
        })
    }
}

impl fmt::Display for ClientPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "the address of the host",
            Self::Connect => "the connection to be made",
            Self::Tls => "the TLS handshake",
            Self::Proxy => "the proxy to reach the server",
            Self::FreeConn => "a free connection",
            Self::RequestBody => "the reader of the request's body",
            Self::Send => "the server to take the request",
            Self::Head => "the response",
            Self::Body => "the body of the response",
        })
    }
}

impl fmt::Display for RedirectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "there were too many in a row; raise max_redirects if that is right",
            Self::NoLocation => "the response does not say where to",
            Self::BadLocation => "where to is no URL of a host that can be asked",
            Self::Scheme => {
                "where to is no URL of HTTP, or one of HTTPS without the feature `tls` of anthill-http"
            }
            Self::Downgrade => "it leads from https to http",
            Self::BodySpent => {
                "the body would have to be sent again; give one that can be, SendBody::repeatable"
            }
        })
    }
}

impl std::error::Error for RedirectFault {}

/// What a reader of a body reports: the error of the client is inside.
impl From<ClientError> for io::Error {
    fn from(error: ClientError) -> Self {
        let kind = match error.kind {
            ClientErrorKind::Timeout(_) => io::ErrorKind::TimedOut,
            ClientErrorKind::ConnectionClosed => io::ErrorKind::UnexpectedEof,
            ClientErrorKind::Cancelled => io::ErrorKind::ConnectionAborted,
            ClientErrorKind::Connect | ClientErrorKind::Proxy | ClientErrorKind::Tls => {
                io::ErrorKind::NotConnected
            }
            ClientErrorKind::InvalidRequest => io::ErrorKind::InvalidInput,
            ClientErrorKind::Protocol(_)
            | ClientErrorKind::TooLarge
            | ClientErrorKind::Decode
            | ClientErrorKind::Json => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_stays_reachable_through_an_error_of_a_reader() {
        let error = ClientError::protocol(ProtoError::BadChunk);
        assert_eq!(error.kind(), ClientErrorKind::Protocol(ProtoError::BadChunk));
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let inner =
            error.get_ref().and_then(|inner| inner.downcast_ref::<ClientError>()).expect("it is inside");
        let source = inner.get_ref().and_then(|source| source.downcast_ref::<ProtoError>());
        assert_eq!(source, Some(&ProtoError::BadChunk));
    }

    #[test]
    fn nothing_is_said_twice_by_an_error_and_its_sources() {
        let lowest = ClientError::because(ClientErrorKind::RequestBody, "the disk is full");
        let error = ClientError::because(ClientErrorKind::ConnectionClosed, io::Error::other(lowest));
        let mut said = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            said = format!("{said}; {source}");
            next = source.source();
        }
        assert_eq!(said.matches("the disk is full").count(), 1, "{said}");
    }

    #[test]
    fn a_redirect_says_where_it_leads_and_no_secrets() {
        let target = Uri::parse("http://user:secret@h:81/a/b?key=secret#secret").expect("a URL");
        let error = ClientError::redirect(RedirectFault::TooMany, &target, None);
        assert!(error.to_string().ends_with(": it leads to http://h:81/a/b"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn limits_and_ends_are_no_faults_of_the_form() {
        let kind = |error| ClientError::protocol(error).kind();
        assert_eq!(kind(ProtoError::HeadTooLarge), ClientErrorKind::TooLarge);
        assert_eq!(kind(ProtoError::TrailersTooLarge), ClientErrorKind::TooLarge);
        assert_eq!(kind(ProtoError::UnexpectedEnd), ClientErrorKind::ConnectionClosed);
    }
}
