//! From which pages browsers may open a WebSocket.
//!
//! The idea: a browser sends a user's cookies along whatever page opens the WebSocket, and no other rule of browsers
//! stops a page of somebody else's. So who serves browsers must look at the field `Origin`. Programs send none, and are
//! not meant.
//!
//! Source: RFC 6455 section 10.2; RFC 6454 for the field.

use crate::util::origin::WebOrigin;

/// From which pages browsers may open a WebSocket: what is made of the field `Origin`. Requests without one, as
/// programs send them, are always allowed.
///
/// ```
/// use anthill_http::websocket::OriginPolicy;
/// let origins = OriginPolicy::List(vec!["https://example.com".into(), "http://localhost:3000".into()]);
/// # assert!(origins != OriginPolicy::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OriginPolicy {
    /// Pages of the host that is asked, by name and port; a port that is the scheme's own need not be said. Whether by
    /// `http` or `https` does not matter, because the encryption may end at a proxy in front. Such a proxy must pass
    /// the host on as the browser has said it, or [report it](crate::ServerBuilder::trusted_proxies).
    #[default]
    SameHost,
    /// Pages of these origins, such as `https://example.com`, in any case, with or without the scheme's own port.
    /// `null` is the origin of pages without one, such as files.
    List(Vec<String>),
    /// All pages. For WebSockets that do nothing in the name of a user whom a browser knows.
    Any,
}

impl OriginPolicy {
    pub(super) fn allows<'a>(&self, mut origins: impl Iterator<Item = &'a [u8]>, host: &[u8]) -> bool {
        let origin = match (self, origins.next(), origins.next()) {
            (Self::Any, ..) | (_, None, _) => return true,
            (_, Some(origin), None) => origin,
            _ => return false,
        };
        match (self, WebOrigin::read(origin)) {
            (Self::List(allowed), None) => {
                allowed.iter().any(|allowed| allowed == "null" && origin == b"null")
            }
            (Self::List(allowed), Some(origin)) => allowed.iter().any(|allowed| {
                WebOrigin::read(allowed.as_bytes()).is_some_and(|allowed| allowed.is(&origin))
            }),
            (_, None) => false,
            (_, Some(origin)) => origin.is_of(host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(policy: &OriginPolicy, origin: &str, host: &str) -> bool {
        policy.allows([origin.as_bytes()].into_iter(), host.as_bytes())
    }

    #[test]
    fn pages_of_the_same_host() {
        for (origin, host, expected) in [
            ("http://example.com", "example.com", true),
            ("https://EXAMPLE.com", "example.COM", true),
            ("https://example.com", "example.com:443", true),
            ("https://example.com:443", "example.com", true),
            ("http://example.com", "example.com:80", true),
            ("http://example.com:8080", "example.com:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://example.com", "example.com:443", false),
            ("https://example.com", "example.com:80", false),
            ("http://example.com:8080", "example.com", false),
            ("http://evil.com", "example.com", false),
            ("http://example.com.evil.com", "example.com", false),
            ("http://evil.com/example.com", "example.com", false),
            ("http://example.com@evil.com", "example.com", false),
            ("http://example.com/", "example.com", false),
            ("http://example.com#", "example.com", false),
            ("null", "example.com", false),
            ("null", "null", false),
            ("", "example.com", false),
            ("example.com", "example.com", false),
            ("://example.com", "example.com", false),
            ("http://", "", false),
            ("file://", "example.com", false),
        ] {
            assert_eq!(is_allowed(&OriginPolicy::SameHost, origin, host), expected, "{origin:?} {host:?}");
        }
    }

    #[test]
    fn pages_of_a_list() {
        let list = ["https://a.example", "http://b.example:3000", "null", "nonsense"];
        let list = OriginPolicy::List(list.map(str::to_owned).to_vec());
        for (origin, expected) in [
            ("https://a.example", true),
            ("HTTPS://A.example:443", true),
            ("http://a.example", false),
            ("https://a.example:444", false),
            ("http://b.example:3000", true),
            ("http://b.example", false),
            ("null", true),
            ("nonsense", false),
            ("https://host.example", false),
        ] {
            assert_eq!(is_allowed(&list, origin, "host.example"), expected, "{origin:?}");
        }
        assert!(!is_allowed(&OriginPolicy::List(Vec::new()), "https://a.example", "a.example"));
    }

    #[test]
    fn whoever_is_no_browser_is_not_meant() {
        for policy in [OriginPolicy::SameHost, OriginPolicy::List(Vec::new()), OriginPolicy::Any] {
            assert!(policy.allows([].into_iter(), b"example.com"));
        }
        assert!(is_allowed(&OriginPolicy::Any, "null", "example.com"));
        let twice = [&b"http://example.com"[..]; 2];
        assert!(!OriginPolicy::SameHost.allows(twice.into_iter(), b"example.com"), "which of the two?");
    }
}
