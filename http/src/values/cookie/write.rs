//! A cookie as the value of a `Set-Cookie` field.
//!
//! The rule: fasthttp's order and letter case, and no byte is changed here; setters have seen to
//! that.

use super::{Cookie, SameSite, text};
use crate::util::date::HttpDate;
use std::fmt;

impl Cookie {
    /// Appends the value of a `Set-Cookie` field.
    ///
    /// The order is name and value, `max-age` or else `expires`, `domain`, `path`, `HttpOnly`, `secure`,
    /// `SameSite`, `Partitioned`.
    ///
    /// ```
    /// let mut out = b"Set-Cookie: ".to_vec();
    /// anthill_http::Cookie::new("lang", "en").set_secure(true).append_to(&mut out);
    /// assert_eq!(out, b"Set-Cookie: lang=en; secure");
    /// ```
    pub fn append_to(&self, out: &mut Vec<u8>) {
        text::append_pair(out, &self.name, &self.value);
        if let Some(seconds) = self.max_age {
            append_attribute(out, "max-age=", itoa::Buffer::new().format(seconds));
        } else if let Some(seconds) = self.expires {
            append_attribute(out, "expires=", HttpDate::new().at(seconds));
        }
        if let Some(domain) = self.domain() {
            append_attribute(out, "domain=", domain);
        }
        if let Some(path) = self.path() {
            append_attribute(out, "path=", path);
        }
        if self.http_only {
            append_attribute(out, "HttpOnly", "");
        }
        if self.secure {
            append_attribute(out, "secure", "");
        }
        match self.same_site {
            None => {}
            Some(SameSite::Default) => append_attribute(out, "SameSite", ""),
            Some(SameSite::Lax) => append_attribute(out, "SameSite=", "Lax"),
            Some(SameSite::Strict) => append_attribute(out, "SameSite=", "Strict"),
            Some(SameSite::None) => append_attribute(out, "SameSite=", "None"),
        }
        if self.partitioned {
            append_attribute(out, "Partitioned", "");
        }
    }
}

/// As [`Cookie::append_to`] writes it; bytes that are not UTF-8 become U+FFFD.
impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.append_to(&mut out);
        f.pad(&String::from_utf8_lossy(&out))
    }
}

fn append_attribute(out: &mut Vec<u8>, name: &str, value: impl AsRef<[u8]>) {
    out.extend_from_slice(b"; ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.as_ref());
}
