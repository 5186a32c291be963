//! A `Set-Cookie` field as a client reads it.
//!
//! The idea: the algorithm of RFC 6265 section 5.2, with fasthttp's refusals on top. A wrong
//! domain or path would send the cookie to somebody else, so these refuse it; an age or a date that cannot be
//! read only shortens its life, so these are ignored, and so are attributes that we do not know.

use super::{Cookie, CookieError, SameSite, check, date, text};
use crate::util::cut::cut;
use crate::util::token::trim;

/// The greatest age, in seconds: some 8000 years. Who adds it to a clock gets a time, and no overflow.
pub(super) const MAX_AGE_LIMIT: u64 = date::LATEST;

impl Cookie {
    /// Reads the value of a `Set-Cookie` field.
    ///
    /// Names of attributes have any case, spaces and tabs around parts do not count, the last of several
    /// attributes of the same name counts, and quotes around an attribute's value are removed. A first part
    /// without `=` is a value with an empty name. A path that does not start with a slash counts as none.
    ///
    /// # Errors
    ///
    /// [`Empty`](CookieError::Empty) without name and value, [`ControlByte`](CookieError::ControlByte) if one
    /// is anywhere in `field`, [`InvalidName`](CookieError::InvalidName),
    /// [`InvalidValue`](CookieError::InvalidValue) for tabs within it, [`InvalidDomain`](CookieError::InvalidDomain)
    /// for stray quotes, backslashes and tabs, and [`InvalidPath`](CookieError::InvalidPath) for bytes that are not
    /// printable ASCII.
    ///
    /// ```
    /// use anthill_http::cookie::CookieError;
    /// use anthill_http::Cookie;
    ///
    /// let cookie = Cookie::parse("sid=42; Path=/shop; HTTPONLY; Max-Age=60; Priority=High")?;
    /// assert_eq!((cookie.name(), cookie.value()), (&b"sid"[..], &b"42"[..]));
    /// assert_eq!(cookie.to_string(), "sid=42; max-age=60; path=/shop; HttpOnly");
    ///
    /// assert_eq!(Cookie::parse("sid=4\t2"), Err(CookieError::InvalidValue));
    /// # Ok::<(), CookieError>(())
    /// ```
    pub fn parse(field: impl AsRef<[u8]>) -> Result<Self, CookieError> {
        let field = field.as_ref();
        if field.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(CookieError::ControlByte);
        }
        let (pair, mut rest) = cut(field, b';');
        let (name, value) = text::split_pair(pair);
        if name.is_empty() && value.is_empty() {
            return Err(CookieError::Empty);
        }
        if !check::name_is_readable(name) {
            return Err(CookieError::InvalidName);
        }
        if !check::value_is_readable(value) {
            return Err(CookieError::InvalidValue);
        }
        let mut cookie = Self { name: name.to_vec(), value: value.to_vec(), ..Self::default() };
        while let Some(attributes) = rest {
            let (attribute, after) = cut(attributes, b';');
            cookie.read_attribute(attribute)?;
            rest = after;
        }
        Ok(cookie)
    }

    /// The name of the cookie that the value of a `Set-Cookie` field sets, without reading the rest of it.
    ///
    /// ```
    /// assert_eq!(anthill_http::Cookie::name_of(b"sid=42; path=/"), b"sid");
    /// ```
    pub fn name_of(field: &[u8]) -> &[u8] {
        text::split_pair(cut(field, b';').0).0
    }

    fn read_attribute(&mut self, attribute: &[u8]) -> Result<(), CookieError> {
        let (name, value) = match text::split_pair(attribute) {
            // Without `=` the text is the attribute's name.
            (b"", name) if !attribute.contains(&b'=') => (name, &b""[..]),
            pair => pair,
        };
        let value = trim(Self::unquote(value));
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("Max-Age") {
            self.max_age = max_age(value).or(self.max_age);
        } else if is("Expires") {
            self.expires = date::parse(value).or(self.expires);
        } else if is("Domain") {
            if !check::domain_is_readable(value) {
                return Err(CookieError::InvalidDomain);
            }
            self.domain = value.to_vec();
        } else if is("Path") {
            if !check::path_is_readable(value) {
                return Err(CookieError::InvalidPath);
            }
            self.path = if value.starts_with(b"/") { value.to_vec() } else { Vec::new() };
        } else if is("HttpOnly") {
            self.http_only = true;
        } else if is("Secure") {
            self.secure = true;
        } else if is("SameSite") {
            self.same_site = same_site(value).or(self.same_site);
        } else if is("Partitioned") {
            self.partitioned = true;
        }
        Ok(())
    }
}

/// Seconds; a negative age is zero and one too great is the greatest (RFC 6265 section 5.2.2).
fn max_age(value: &[u8]) -> Option<u64> {
    let (is_negative, digits) = match value {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let append = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    let seconds = digits.iter().fold(0, append);
    Some(if is_negative { 0 } else { seconds.min(MAX_AGE_LIMIT) })
}

fn same_site(value: &[u8]) -> Option<SameSite> {
    let modes = [
        ("", SameSite::Default),
        ("Lax", SameSite::Lax),
        ("Strict", SameSite::Strict),
        ("None", SameSite::None),
    ];
    modes.into_iter().find(|(name, _)| value.eq_ignore_ascii_case(name.as_bytes())).map(|(_, mode)| mode)
}
