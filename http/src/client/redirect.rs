//! What a redirect makes of a request.
//!
//! The rules (RFC 9110 section 15.4): 303 asks for another resource, by GET unless it was HEAD; POST becomes GET at 301
//! and 302, as everywhere; everything else stays as it is, its body included. What is meant for one origin (scheme,
//! host, port) alone is not told to another, and what was left out once stays out on the way back. Nothing that was
//! asked for over TLS goes on without.

use super::error::{ClientError, ClientErrorKind, RedirectFault};
use crate::message::request::Request;
use crate::values::uri::Uri;

/// Where a redirect leads, and what of the request goes along.
#[derive(Debug)]
pub(crate) struct Hop {
    pub(crate) uri: Uri,
    pub(crate) is_other_origin: bool,
    /// What the method becomes; `None`: what it is.
    method: Option<&'static str>,
}

/// Fields that are meant for one origin alone.
const ORIGIN_FIELDS: &[&str] = &[
    "Authorization",
    "Cookie",
    "Cookie2",
    "Origin",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Referer",
    "Www-Authenticate",
];

/// Whether a field is meant for one origin alone.
pub(crate) fn is_for_one_origin(name: &str) -> bool {
    is_among(ORIGIN_FIELDS, name)
}

/// Fields that speak of a body, beside all whose names begin with `Content-`.
const BODY_FIELDS: &[&str] =
    &["Digest", "Expect", "Last-Modified", "Repr-Digest", "Trailer", "Transfer-Encoding"];

fn speaks_of_body(name: &str) -> bool {
    let start = name.get(..8).unwrap_or_default();
    start.eq_ignore_ascii_case("Content-") || is_among(BODY_FIELDS, name)
}

fn is_among(fields: &[&str], name: &str) -> bool {
    fields.iter().any(|field| field.eq_ignore_ascii_case(name))
}

impl Hop {
    /// Where a response of this status leads to a request of this method for `uri`; `None`: it is no redirect that a
    /// client follows.
    pub(crate) fn of(
        uri: &Uri,
        method: &str,
        status: u16,
        location: Option<&[u8]>,
    ) -> Result<Option<Self>, ClientError> {
        let method = match (status, method) {
            (303, "GET" | "HEAD") | (307 | 308, _) => None,
            (303, _) | (301 | 302, "POST") => Some("GET"),
            (301 | 302, _) => None,
            _ => return Ok(None),
        };
        let fault = |fault| ClientError::new(ClientErrorKind::Redirect(fault));
        let location = location.ok_or_else(|| fault(RedirectFault::NoLocation))?;
        let mut next = uri.clone();
        // Of what is no URL nobody knows what of it may be told.
        next.update(location).map_err(|_| fault(RedirectFault::BadLocation))?;
        // RFC 9110 section 10.2.2.
        if !location.contains(&b'#') {
            next.set_fragment(uri.fragment());
        }
        if next.host().is_empty() {
            return Err(fault(RedirectFault::BadLocation));
        }
        match (uri.scheme(), next.scheme()) {
            ("https", "http") => return Err(ClientError::redirect(RedirectFault::Downgrade, &next, None)),
            (_, "http" | "https") => {}
            _ => return Err(ClientError::redirect(RedirectFault::Scheme, &next, None)),
        }
        // A server says where to go, and not as whom.
        next.set_username("");
        next.set_password("");
        let is_other_origin = origin(uri) != origin(&next);
        Ok(Some(Self { uri: next, is_other_origin, method }))
    }

    /// Whether the body stays behind.
    pub(crate) fn drops_body(&self) -> bool {
        self.method.is_some()
    }

    /// The request that follows `request`, without a body.
    pub(crate) fn request_after(&self, request: &Request) -> Result<Request, ClientError> {
        let refuse =
            |error| ClientError::because(ClientErrorKind::Redirect(RedirectFault::BadLocation), error);
        let mut next = Request::new(self.method.unwrap_or(request.method()), target_of(&self.uri))
            .and_then(|mut next| next.set_host(self.uri.host()).map(|()| next))
            .map_err(refuse)?;
        next.set_version(request.version());
        for (name, value) in request.headers().iter() {
            let stays = name.eq_ignore_ascii_case("Host")
                || self.is_other_origin && is_for_one_origin(name)
                || self.drops_body() && speaks_of_body(name);
            if !stays {
                next.append_header(name, value);
            }
        }
        Ok(next)
    }
}

/// Scheme, host and port.
fn origin(uri: &Uri) -> (&str, &[u8], u16) {
    (uri.scheme(), uri.hostname(), port_of(uri))
}

/// What is asked for of the host of a URL: the path as it was written, and the query, in ASCII.
pub(crate) fn target_of(uri: &Uri) -> Vec<u8> {
    let mut target = Vec::new();
    for byte in uri.request_uri() {
        if byte.is_ascii() {
            target.push(byte);
        } else {
            target.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    target
}

/// The port of a URL, the usual one if it does not say.
pub(crate) fn port_of(uri: &Uri) -> u16 {
    uri.port().unwrap_or(if uri.scheme() == "https" { 443 } else { 80 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, method: &str, status: u16, location: &str) -> Result<Option<Hop>, RedirectFault> {
        let mut uri = Uri::parse(from).expect("a URL");
        uri.set_path_normalizing(false);
        Hop::of(&uri, method, status, Some(location.as_bytes())).map_err(|error| match error.kind() {
            ClientErrorKind::Redirect(fault) => fault,
            other => panic!("{other:?}"),
        })
    }

    fn next(request: &Request, from: &str, status: u16, location: &str) -> Request {
        let hop =
            hop(from, request.method(), status, location).expect("it can be followed").expect("a redirect");
        hop.request_after(request).expect("a request")
    }

    #[test]
    fn where_it_leads() {
        for (from, location, to) in [
            ("http://h/a/b?c", "d", "http://h/a/d"),
            ("http://h/a#top", "/x%2Fy", "http://h/x%2Fy#top"),
            ("http://h/a#top", "/x#own", "http://h/x#own"),
            ("http://h:81/a", "//other/", "http://other/"),
            ("http://h/", "https://u:p@h/", "https://h/"),
        ] {
            let hop = hop(from, "GET", 302, location).expect("it can be followed").expect("a redirect");
            assert_eq!(hop.uri.to_string(), to);
        }
        for (from, location, fault) in [
            ("https://h/", "http://h/", RedirectFault::Downgrade),
            ("http://h/", "ftp://h/", RedirectFault::Scheme),
            ("http://h/", "http:///", RedirectFault::BadLocation),
            ("http://h/", "http://[::/", RedirectFault::BadLocation),
        ] {
            assert_eq!(hop(from, "GET", 307, location).map(|_| ()), Err(fault), "{location}");
        }
        let uri = Uri::parse("http://h/").expect("a URL");
        let error = Hop::of(&uri, "GET", 308, None).map(drop).expect_err("it does not say where to");
        assert_eq!(error.kind(), ClientErrorKind::Redirect(RedirectFault::NoLocation));
        for status in [200, 300, 304, 305, 306, 404] {
            assert!(hop("http://h/", "GET", status, "/x").expect("it is none").is_none());
        }
    }

    #[test]
    fn which_method_and_whose_body() {
        for (method, status, expected, drops_body) in [
            ("POST", 301, "GET", true),
            ("POST", 302, "GET", true),
            ("PUT", 301, "PUT", false),
            ("PUT", 303, "GET", true),
            ("HEAD", 303, "HEAD", false),
            ("POST", 307, "POST", false),
            ("POST", 308, "POST", false),
        ] {
            let hop =
                hop("http://h/", method, status, "/x").expect("it can be followed").expect("a redirect");
            let request = Request::new(method, "/").expect("a request");
            assert_eq!(hop.request_after(&request).expect("a request").method(), expected);
            assert_eq!(hop.drops_body(), drops_body, "{method} {status}");
        }
    }

    #[test]
    fn what_is_told_to_whom() {
        let mut request = Request::new("POST", "/").expect("a request");
        for (name, value) in [
            ("Authorization", "secret"),
            ("Cookie", "a=b"),
            ("Referer", "/x"),
            ("Content-Type", "t"),
            ("content-disposition", "t"),
            ("Repr-Digest", "d"),
            ("X", "y"),
        ] {
            request.append_header(name, value);
        }
        let names =
            |request: &Request| request.headers().names().map(str::to_owned).collect::<Vec<_>>().join(" ");
        let same = "Host Authorization Cookie Referer Content-Type Content-Disposition Repr-Digest X";
        assert_eq!(names(&next(&request, "http://h/", 307, "http://h:80/b")), same);
        // A name is the same in any case; with a dot at its end it is another one.
        assert_eq!(names(&next(&request, "http://h/", 307, "HTTP://H/b")), same);
        for elsewhere in ["http://h./", "http://h:81/", "https://h/", "http://sub.h/", "//other/"] {
            let next = next(&request, "http://h/", 307, elsewhere);
            assert_eq!(names(&next), "Host Content-Type Content-Disposition Repr-Digest X", "{elsewhere}");
        }
        assert_eq!(names(&next(&request, "http://h/", 303, "/b")), "Host Authorization Cookie Referer X");
        // And back: what is gone is gone.
        let there = next(&request, "http://h/", 307, "//other/");
        let back = next(&there, "http://other/", 307, "http://h/");
        assert_eq!(names(&back), "Host Content-Type Content-Disposition Repr-Digest X");
    }
}
