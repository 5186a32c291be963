//! Cookies in both directions: what a server sets, and what a client sends back.
//!
//! The idea: [`Cookie`] is one `Set-Cookie` field, [`RequestCookies`] reads the `Cookie` fields of a request
//! and [`CookieLine`] writes one. All three see a cookie as two byte strings and agree on how they are split.
//!
//! The rules: bytes are never encoded, decoded or unquoted, so that what a server sets is what it gets back.
//! And whatever is set, it stays one cookie: what would begin another line, attribute or cookie is made
//! harmless when it is set, not when it is written.
//!
//! Source: RFC 6265, its successor draft (RFC 6265bis) where it says more, and fasthttp's forms.

mod check;
mod date;
mod error;
mod line;
mod parse;
mod request;
mod text;
mod write;

pub use error::CookieError;
pub use line::CookieLine;
pub use request::RequestCookies;

use crate::util::path::remove_empty_and_dot_segments;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2009-11-10 23:00 UTC, in seconds since the Unix epoch: fasthttp's date for cookies that are to go away.
const DELETION_DATE: u64 = 1_257_894_000;

/// Whether a cookie goes with requests that another site caused (RFC 6265bis section 4.1.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// `SameSite` without a value: whatever the browser does by default, which is [`Lax`](Self::Lax) in most.
    Default,
    /// With requests of the same site, and when a user follows a link to it.
    Lax,
    /// With requests of the same site only.
    Strict,
    /// With all requests. Browsers want such cookies to be [secure](Cookie::set_secure).
    None,
}

/// A cookie as a server sets it: the value of one `Set-Cookie` field.
///
/// Setters never fail. Control bytes and `;` become spaces, and spaces and tabs at both ends are removed,
/// because no reader would see them ([`try_new`](Self::try_new) refuses both). Setters return the cookie, so that calls
/// can follow each other. Whether a browser will take the cookie is what [`validate`](Self::validate) says.
///
/// ```
/// use anthill_http::cookie::SameSite;
/// use anthill_http::Cookie;
/// use std::time::Duration;
///
/// let mut cookie = Cookie::new("sid", "31d4d96e");
/// cookie.set_max_age(Duration::from_secs(3600)).set_path("/").set_http_only(true).set_same_site(SameSite::Lax);
/// assert_eq!(cookie.to_string(), "sid=31d4d96e; max-age=3600; path=/; HttpOnly; SameSite=Lax");
/// assert_eq!(Cookie::parse(cookie.to_string()), Ok(cookie));
///
/// let harmless = Cookie::new("lang", "en; Domain=evil.example\r\nSet-Cookie: sid=forged");
/// assert_eq!(harmless.to_string(), "lang=en  Domain=evil.example  Set-Cookie: sid=forged");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Cookie {
    name: Vec<u8>,
    value: Vec<u8>,
    // Seconds.
    max_age: Option<u64>,
    // Seconds since the Unix epoch.
    expires: Option<u64>,
    // Empty when there is no such attribute.
    domain: Vec<u8>,
    path: Vec<u8>,
    http_only: bool,
    secure: bool,
    same_site: Option<SameSite>,
    partitioned: bool,
}

impl Cookie {
    /// A cookie for the browser's session, without attributes. See [`set_name`](Self::set_name) and
    /// [`set_value`](Self::set_value) for the bytes that are not taken as they are.
    pub fn new(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let mut cookie = Self::default();
        cookie.set_name(name).set_value(value);
        cookie
    }

    /// As [`new`](Self::new), for a name and a value that are to be sent as they are.
    ///
    /// # Errors
    /// [`Empty`](CookieError::Empty) without a name; [`InvalidName`](CookieError::InvalidName) and
    /// [`InvalidValue`](CookieError::InvalidValue) when they have bytes that would be sent as others: control bytes,
    /// `;`, spaces at the ends, and `=` in the name.
    ///
    /// ```
    /// use anthill_http::Cookie;
    /// use anthill_http::cookie::CookieError;
    /// assert!(Cookie::try_new("prefs", r#"{"theme":"dark"}"#).is_ok());
    /// assert_eq!(Cookie::try_new("prefs", "a;b"), Err(CookieError::InvalidValue));
    /// ```
    pub fn try_new(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Self, CookieError> {
        let cookie = Self::new(&name, &value);
        if name.as_ref().is_empty() {
            Err(CookieError::Empty)
        } else if cookie.name != name.as_ref() {
            Err(CookieError::InvalidName)
        } else if cookie.value != value.as_ref() {
            Err(CookieError::InvalidValue)
        } else {
            Ok(cookie)
        }
    }

    /// A cookie that makes a client delete the one it has: an empty value and a date that has passed.
    ///
    /// A client deletes only a cookie with the same domain and path, so give it those the cookie was set with.
    ///
    /// ```
    /// use anthill_http::Cookie;
    /// let mut gone = Cookie::expired("sid");
    /// gone.set_path("/");
    /// assert_eq!(gone.to_string(), "sid=; expires=Tue, 10 Nov 2009 23:00:00 GMT; path=/");
    /// ```
    pub fn expired(name: impl AsRef<[u8]>) -> Self {
        let mut cookie = Self::new(name, "");
        cookie.expire();
        cookie
    }

    /// Turns this cookie into one that makes a client delete it; see [`expired`](Self::expired).
    pub fn expire(&mut self) -> &mut Self {
        self.value.clear();
        self.max_age = None;
        self.expires = Some(DELETION_DATE);
        self
    }

    /// Removes everything and keeps the memory.
    pub fn clear(&mut self) {
        let Self { mut name, mut value, mut domain, mut path, .. } = std::mem::take(self);
        for part in [&mut name, &mut value, &mut domain, &mut path] {
            part.clear();
        }
        *self = Self { name, value, domain, path, ..Self::default() };
    }

    /// `value` without the pair of double quotes around it, if there is one.
    ///
    /// Such quotes belong to a cookie's value (RFC 6265bis section 5.6), although they mean nothing. fasthttp
    /// removes them while it parses; here this is the call that does.
    ///
    /// ```
    /// use anthill_http::Cookie;
    /// assert_eq!(Cookie::unquote(b"\"a b\""), b"a b");
    /// assert_eq!(Cookie::unquote(b"\"a b"), b"\"a b");
    /// ```
    pub fn unquote(value: &[u8]) -> &[u8] {
        match value {
            [b'"', inside @ .., b'"'] => inside,
            _ => value,
        }
    }
}

/// Reading.
impl Cookie {
    /// The name; empty for a cookie that is a value alone.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// As [`name`](Self::name), if it is UTF-8.
    pub fn name_str(&self) -> Option<&str> {
        std::str::from_utf8(self.name()).ok()
    }

    /// The value, with the double quotes around it if it has them; see [`unquote`](Self::unquote).
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// As [`value`](Self::value), if it is UTF-8.
    pub fn value_str(&self) -> Option<&str> {
        std::str::from_utf8(self.value()).ok()
    }

    /// For how long the cookie is to be kept from now on. Zero asks the client to delete it.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age.map(Duration::from_secs)
    }

    /// Until when the cookie is to be kept, unless [`max_age`](Self::max_age) says something else.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
    }

    /// The domain as it was set or received, if there is one. A leading dot means nothing (RFC 6265 section
    /// 5.2.3).
    pub fn domain(&self) -> Option<&[u8]> {
        (!self.domain.is_empty()).then_some(&self.domain)
    }

    /// As [`domain`](Self::domain), if it is UTF-8.
    pub fn domain_str(&self) -> Option<&str> {
        std::str::from_utf8(self.domain()?).ok()
    }

    /// The path, if there is one; it then starts with a slash.
    pub fn path(&self) -> Option<&[u8]> {
        (!self.path.is_empty()).then_some(&self.path)
    }

    /// As [`path`](Self::path), if it is UTF-8.
    pub fn path_str(&self) -> Option<&str> {
        std::str::from_utf8(self.path()?).ok()
    }

    /// Whether the cookie is hidden from scripts.
    pub fn http_only(&self) -> bool {
        self.http_only
    }

    /// Whether the cookie goes over encrypted connections only.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// Whether the cookie goes with requests that another site caused; `None` without this attribute.
    pub fn same_site(&self) -> Option<SameSite> {
        self.same_site
    }

    /// Whether the cookie is kept apart for each site that embeds this one.
    pub fn partitioned(&self) -> bool {
        self.partitioned
    }
}

/// Changing.
impl Cookie {
    /// Sets the name. `=`, which would end it, becomes a space as control bytes and `;` do.
    ///
    /// With an empty name the cookie is a value alone, which browsers take but few programs expect.
    pub fn set_name(&mut self, name: impl AsRef<[u8]>) -> &mut Self {
        self.name.clear();
        text::append_name(&mut self.name, name.as_ref());
        self
    }

    /// Sets the value. Control bytes and `;` become spaces; nothing else is changed or escaped.
    ///
    /// Encode what may be anything, for example as base64: servers (this one and fasthttp too) drop a cookie
    /// whose value has `\` or `"` in it, other than one pair of quotes around the whole.
    pub fn set_value(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        self.value.clear();
        text::append_value(&mut self.value, value.as_ref());
        self
    }

    /// Sets for how long the cookie is to be kept, which wins over [`expires`](Self::set_expires). `None`, the
    /// default, is for as long as that or the browser's session; zero makes the client delete the cookie.
    ///
    /// Fractions of a second are rounded up. fasthttp's negative age is zero here, and its 0 is `None`.
    pub fn set_max_age(&mut self, max_age: impl Into<Option<Duration>>) -> &mut Self {
        self.max_age = max_age.into().map(|age| {
            let begun = u64::from(age.subsec_nanos() > 0);
            age.as_secs().saturating_add(begun).min(parse::MAX_AGE_LIMIT)
        });
        self
    }

    /// Sets until when the cookie is to be kept. `None`, the default, is until the browser's session ends.
    ///
    /// The date is written in whole seconds from 1970 to 9999; earlier and later ones become the nearest of
    /// these.
    pub fn set_expires(&mut self, expires: impl Into<Option<SystemTime>>) -> &mut Self {
        self.expires = expires.into().map(|time| {
            let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            since_epoch.as_secs().min(date::LATEST)
        });
        self
    }

    /// Sets the domain whose hosts get the cookie. Empty, the default, is the host that sets it and no other.
    pub fn set_domain(&mut self, domain: impl AsRef<[u8]>) -> &mut Self {
        self.domain.clear();
        text::append_value(&mut self.domain, domain.as_ref());
        self
    }

    /// Sets the path below which the cookie is sent. Empty, the default, is the folder of the request's path.
    ///
    /// The path gets a leading slash and loses doubled slashes and dot segments. Bytes that cannot stand in it
    /// are percent-encoded. Escapes in it stay, because browsers compare paths without decoding them.
    ///
    /// ```
    /// let mut cookie = anthill_http::Cookie::new("a", "b");
    /// assert_eq!(cookie.set_path("shop//old/../new;x\r\n").path(), Some(&b"/shop/new%3Bx%0D%0A"[..]));
    /// ```
    pub fn set_path(&mut self, path: impl AsRef<[u8]>) -> &mut Self {
        let path = path.as_ref();
        self.path.clear();
        match path {
            b"" => return self,
            [b'/', ..] => {}
            _ => self.path.push(b'/'),
        }
        text::append_path(&mut self.path, path);
        remove_empty_and_dot_segments(&mut self.path);
        self
    }

    /// Hides the cookie from scripts. Default: it is not hidden.
    pub fn set_http_only(&mut self, http_only: bool) -> &mut Self {
        self.http_only = http_only;
        self
    }

    /// Lets the cookie go over encrypted connections only. Default: over all.
    pub fn set_secure(&mut self, secure: bool) -> &mut Self {
        self.secure = secure;
        self
    }

    /// Sets whether the cookie goes with requests that another site caused. Default: no such attribute.
    ///
    /// [`SameSite::None`] makes the cookie [secure](Self::set_secure) too, since browsers refuse it otherwise.
    pub fn set_same_site(&mut self, same_site: impl Into<Option<SameSite>>) -> &mut Self {
        self.same_site = same_site.into();
        self.secure |= self.same_site == Some(SameSite::None);
        self
    }

    /// Keeps the cookie apart for each site that embeds this one. Default: it is not.
    ///
    /// `true` also makes the cookie [secure](Self::set_secure) and its path `/`; `false` leaves both alone.
    pub fn set_partitioned(&mut self, partitioned: bool) -> &mut Self {
        self.partitioned = partitioned;
        if partitioned {
            self.set_secure(true).set_path("/");
        }
        self
    }
}

/// Without the value, which may be a secret.
impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |part: Option<&[u8]>| part.map(|part| String::from_utf8_lossy(part).into_owned());
        f.debug_struct("Cookie")
            .field("name", &String::from_utf8_lossy(&self.name))
            .field("value", &format_args!("({} bytes)", self.value.len()))
            .field("max_age", &self.max_age())
            .field("expires", &self.expires())
            .field("domain", &text(self.domain()))
            .field("path", &text(self.path()))
            .field("http_only", &self.http_only)
            .field("secure", &self.secure)
            .field("same_site", &self.same_site)
            .field("partitioned", &self.partitioned)
            .finish()
    }
}
