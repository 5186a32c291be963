//! Which bytes a cookie's parts may have, and whether browsers will take a cookie.
//!
//! The idea: two measures. What is received is taken unless its parts cannot be told apart safely; what is sent is best
//! held to the narrow grammar of RFC 6265 section 4.1.1, because then every reader agrees on it.

use super::{Cookie, CookieError, SameSite};
use crate::util::token;

/// The most bytes of name and value together that browsers take (RFC 6265bis section 5.7).
const LONGEST_PAIR: usize = 4096;

/// The most bytes of an attribute's value that browsers take (RFC 6265bis section 5.6).
const LONGEST_ATTRIBUTE: usize = 1024;

/// Whether a received name is taken.
pub(super) fn name_is_readable(name: &[u8]) -> bool {
    !name.iter().any(u8::is_ascii_control)
}

/// Whether a received value is taken: nothing in it controls. A `;` never gets here, because it ends the value, and all
/// other bytes mean nothing, quotes and backslashes too (RFC 6265bis section 5.6): whatever a setter takes is read
/// again.
pub(super) fn value_is_readable(value: &[u8]) -> bool {
    !value.iter().any(u8::is_ascii_control)
}

/// Whether a received domain is taken: neither quotes nor backslashes either, for no host has these.
pub(super) fn domain_is_readable(domain: &[u8]) -> bool {
    value_is_readable(domain) && !domain.iter().any(|byte| matches!(byte, b'"' | b'\\'))
}

/// Whether a received path is taken.
pub(super) fn path_is_readable(path: &[u8]) -> bool {
    path.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

impl Cookie {
    /// Whether every server and browser will take this cookie and read it alike. Says the first reason if not.
    ///
    /// Name, value and domain are held to RFC 6265 section 4.1.1, which no path can break, and the rest to what
    /// browsers demand (RFC 6265bis sections 4.1.3 and 5.7). A cookie that does not pass may still be understood
    /// by some.
    ///
    /// ```
    /// use anthill_http::cookie::CookieError;
    /// use anthill_http::Cookie;
    /// assert_eq!(Cookie::new("sid", "c2VjcmV0").validate(), Ok(()));
    /// assert_eq!(Cookie::new("cart", "{\"apples\":2}").validate(), Err(CookieError::InvalidValue));
    /// assert_eq!(Cookie::new("__Secure-sid", "x").validate(), Err(CookieError::NotSecure));
    /// ```
    pub fn validate(&self) -> Result<(), CookieError> {
        if self.name().is_empty() && self.value().is_empty() {
            return Err(CookieError::Empty);
        }
        if !token::is_token(self.name()) {
            return Err(CookieError::InvalidName);
        }
        if !Self::unquote(self.value()).iter().all(is_cookie_octet) {
            return Err(CookieError::InvalidValue);
        }
        let is_host_byte = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        if !self.domain().unwrap_or_default().iter().all(is_host_byte) {
            return Err(CookieError::InvalidDomain);
        }
        self.validate_for_browsers()
    }

    fn validate_for_browsers(&self) -> Result<(), CookieError> {
        let is_host_only = starts_with_any_case(self.name(), b"__Host-");
        let must_be_secure = is_host_only
            || starts_with_any_case(self.name(), b"__Secure-")
            || self.partitioned()
            || self.same_site() == Some(SameSite::None);
        if must_be_secure && !self.secure() {
            return Err(CookieError::NotSecure);
        }
        if is_host_only && (self.domain().is_some() || self.path() != Some(b"/")) {
            return Err(CookieError::NotHostOnly);
        }
        let attributes = [self.domain(), self.path()];
        if self.name().len() + self.value().len() > LONGEST_PAIR
            || attributes.into_iter().flatten().any(|value| value.len() > LONGEST_ATTRIBUTE)
        {
            return Err(CookieError::TooLong);
        }
        Ok(())
    }
}

/// `cookie-octet` of RFC 6265 section 4.1.1.
fn is_cookie_octet(byte: &u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

fn starts_with_any_case(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
