//! Origins of pages, as browsers tell them: `https://example.com:8443`.
//!
//! The rule: a port that is the scheme's own is the same as none, and case does not matter.
//!
//! Source: RFC 6454 sections 4 and 6.2.

use super::authority;

/// Scheme, host and port of a page.
pub(crate) struct WebOrigin<'a> {
    scheme: &'a [u8],
    host: &'a [u8],
    port: Option<&'a [u8]>,
}

impl<'a> WebOrigin<'a> {
    /// `https://example.com:8443`. `None` for anything else, such as `null`.
    pub(crate) fn read(text: &'a [u8]) -> Option<Self> {
        let (scheme, rest) = text.split_at(memchr::memmem::find(text, b"://")?);
        let authority = &rest[3..];
        let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
        if !is_scheme || !authority::is_valid(authority) {
            return None;
        }
        let (host, port) = authority::split_port(authority).ok()?;
        Some(Self { scheme, host, port: said_port(scheme, port) })
    }

    /// Whether it is a page by `scheme`.
    pub(crate) fn is_by(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme.as_bytes())
    }

    pub(crate) fn is(&self, other: &WebOrigin<'_>) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme) && self.is_at(other.host, other.port)
    }

    /// Whether it is a page of `host`, whose port may be missing.
    pub(crate) fn is_of(&self, host: &[u8]) -> bool {
        let Ok((host, port)) = authority::split_port(host) else { return false };
        self.is_at(host, said_port(self.scheme, port))
    }

    fn is_at(&self, host: &[u8], port: Option<&[u8]>) -> bool {
        self.host.eq_ignore_ascii_case(host) && self.port == port
    }
}

/// The port, unless it is the scheme's own.
fn said_port<'a>(scheme: &[u8], port: Option<&'a [u8]>) -> Option<&'a [u8]> {
    let own: &[u8] = match scheme {
        _ if scheme.eq_ignore_ascii_case(b"http") => b"80",
        _ if scheme.eq_ignore_ascii_case(b"https") => b"443",
        _ => b"",
    };
    port.filter(|&port| !port.is_empty() && port != own)
}
