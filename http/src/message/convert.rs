//! From and to the types of the crate `http`, for code that speaks those (feature `http`).
//!
//! The idea: conversions are copies, in both directions, of everything that the other type can say.
//!
//! The rules: what cannot be said in the other type is an error where it would change the message (a target, a body
//! that is not there), and is left out where it would not (the spelling of header names, the order of fields with
//! different names, extensions). All values of a name are kept, in their order. Where a request comes to a handler, or
//! leaves one, its extensions go along ([`RequestCtx::extensions_mut`](crate::RequestCtx::extensions_mut)).

use crate::message::request::{Request, RequestError};
use crate::message::response::Response;
use crate::values::headers::{Fields, Headers};
use crate::values::version::Version;
use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// Why a message cannot be expressed in the types of the crate `http`.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConvertError {
    /// Its method, target, or a header field, is not valid there.
    Part(::http::Error),
    /// Its body is not there: a received one that has not arrived completely, or a response's that is a stream.
    Body,
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Part(_) => "the message has a part that the crate http does not take: change it first",
            Self::Body => "the body is not there: read it, or set it as bytes, first",
        })
    }
}

impl std::error::Error for ConvertError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Part(error) => Some(error),
            Self::Body => None,
        }
    }
}

impl<E: Into<::http::Error>> From<E> for ConvertError {
    fn from(error: E) -> Self {
        Self::Part(error.into())
    }
}

/// The host is that of the URI; or, where the URI has none, that of the `Host` field. Extensions are left out.
///
/// ```
/// use anthill_http::Request;
/// let from = http::Request::post("http://example.org/a?b").header("x-id", "7").body("text")?;
/// let request = Request::try_from(from)?;
/// assert_eq!((request.method(), request.path(), request.query()), ("POST", "/a", &b"b"[..]));
/// assert_eq!((request.host(), request.header_str("X-Id")), (&b"example.org"[..], Some("7")));
/// assert_eq!(request.body(), b"text");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<B: AsRef<[u8]>> TryFrom<::http::Request<B>> for Request {
    type Error = RequestError;

    /// # Errors
    /// When the target or the host is not one that a request can have, for instance when there are two hosts.
    fn try_from(from: ::http::Request<B>) -> Result<Self, RequestError> {
        let (parts, body) = from.into_parts();
        let mut request = Self::new(parts.method.as_str(), parts.uri.to_string())?;
        request.set_version(parts.version.into());
        let mut hosts = parts.headers.get_all(::http::header::HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(_), Some(_)) => return Err(RequestError::Host),
            (Some(host), None) if request.host().is_empty() => request.set_host(host)?,
            _ => {}
        }
        for (name, value) in parts.headers.iter().filter(|(name, _)| **name != ::http::header::HOST) {
            request.append_header(name, value);
        }
        request.set_body(body);
        Ok(request)
    }
}

/// The head alone, for bodies that go another way.
///
/// ```
/// let mut request = anthill_http::Request::new("PUT", "/a?b")?;
/// request.append_header("accept", "text/html");
/// request.append_header("accept", "text/plain");
/// let to = http::request::Parts::try_from(&request)?;
/// assert_eq!((to.method, to.uri.path(), to.version), (http::Method::PUT, "/a", http::Version::HTTP_11));
/// assert!(to.headers.get_all("accept").iter().eq(["text/html", "text/plain"]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl TryFrom<&Request> for ::http::request::Parts {
    type Error = ConvertError;

    /// # Errors
    /// [`ConvertError::Part`].
    fn try_from(from: &Request) -> Result<Self, ConvertError> {
        let (mut to, ()) = ::http::Request::new(()).into_parts();
        to.method = ::http::Method::from_bytes(from.method().as_bytes())?;
        to.uri = ::http::Uri::try_from(from.request_uri())?;
        to.version = from.version().into();
        to.headers = from.headers().try_into()?;
        Ok(to)
    }
}

/// ```
/// let mut request = anthill_http::Request::new("PUT", "/a%20b?c")?;
/// request.set_host("h")?;
/// request.set_body("text");
/// let to = http::Request::try_from(&request)?;
/// assert_eq!((to.method(), to.uri().path()), (&http::Method::PUT, "/a%20b"));
/// assert_eq!((to.headers()["host"].as_bytes(), &to.body()[..]), (&b"h"[..], &b"text"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl TryFrom<&Request> for ::http::Request<Vec<u8>> {
    type Error = ConvertError;

    /// # Errors
    /// [`ConvertError`].
    fn try_from(from: &Request) -> Result<Self, ConvertError> {
        if !from.is_body_complete() {
            return Err(ConvertError::Body);
        }
        Ok(Self::from_parts(from.try_into()?, from.body().to_vec()))
    }
}

/// The version is left out: responses are sent as HTTP/1.1. So are extensions, and with them a reason phrase.
///
/// ```
/// use anthill_http::Response;
/// let from = http::Response::builder().status(201).header("location", "/7").body("made")?;
/// let response = Response::from(from);
/// assert_eq!((response.status_code(), response.header("Location")), (201, Some(&b"/7"[..])));
/// assert_eq!(response.body(), b"made");
/// # Ok::<(), http::Error>(())
/// ```
impl<B: AsRef<[u8]>> From<::http::Response<B>> for Response {
    fn from(from: ::http::Response<B>) -> Self {
        let (parts, body) = from.into_parts();
        let mut response = Self::new();
        response.set_status_code(parts.status);
        *response.headers_mut() = Headers::from(&parts.headers);
        response.set_body(body);
        response
    }
}

/// A reason phrase that was set is left out.
impl TryFrom<&Response> for ::http::Response<Vec<u8>> {
    type Error = ConvertError;

    /// # Errors
    /// [`ConvertError`].
    fn try_from(from: &Response) -> Result<Self, ConvertError> {
        if from.is_body_stream() {
            return Err(ConvertError::Body);
        }
        let mut to = Self::new(from.body().to_vec());
        *to.status_mut() = ::http::StatusCode::from_u16(from.status_code())?;
        *to.headers_mut() = from.headers().try_into()?;
        Ok(to)
    }
}

/// ```
/// use anthill_http::Headers;
/// let mut map = http::HeaderMap::new();
/// map.append("vary", "accept".parse()?);
/// map.append("vary", "cookie".parse()?);
/// let headers = Headers::from(&map);
/// assert!(headers.get_all("Vary").eq([&b"accept"[..], b"cookie"]));
/// assert_eq!(http::HeaderMap::try_from(&headers)?, map);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl From<&HeaderMap> for Headers {
    fn from(map: &HeaderMap) -> Self {
        map.iter().collect()
    }
}

impl TryFrom<Fields<'_>> for HeaderMap {
    type Error = ::http::Error;

    /// # Errors
    /// When a name is longer than 64 KiB, or there are more than 32768 fields.
    fn try_from(fields: Fields<'_>) -> Result<Self, ::http::Error> {
        let mut map = Self::new();
        for (name, value) in fields {
            map.try_append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_bytes(value)?)?;
        }
        Ok(map)
    }
}

impl TryFrom<&Headers> for HeaderMap {
    type Error = ::http::Error;

    /// # Errors
    /// As from [`Fields`].
    fn try_from(headers: &Headers) -> Result<Self, ::http::Error> {
        headers.fields().try_into()
    }
}

impl From<Version> for ::http::Version {
    fn from(version: Version) -> Self {
        match version {
            Version::Http10 => Self::HTTP_10,
            Version::Http11 => Self::HTTP_11,
        }
    }
}

/// HTTP/0.9 counts as 1.0. HTTP/2 and 3, whose messages mean the same as those of 1.1, count as that.
impl From<::http::Version> for Version {
    fn from(version: ::http::Version) -> Self {
        match version {
            ::http::Version::HTTP_09 | ::http::Version::HTTP_10 => Self::Http10,
            _ => Self::Http11,
        }
    }
}
