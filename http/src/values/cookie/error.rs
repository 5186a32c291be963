//! Why something is not a cookie.

use std::fmt;

/// Why a `Set-Cookie` value cannot be read, or why a cookie should not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CookieError {
    /// There is neither a name nor a value. fasthttp calls it `ErrNoCookies`.
    Empty,
    /// A control byte, such as CR, LF or NUL, is somewhere in the field.
    ControlByte,
    /// The name has bytes that it cannot have.
    InvalidName,
    /// The value has bytes that it cannot have. fasthttp calls it
    /// `ErrInvalidCookieValue`.
    InvalidValue,
    /// The domain has bytes that it cannot have.
    InvalidDomain,
    /// The path has bytes that it cannot have.
    InvalidPath,
    /// `SameSite=None`, `Partitioned` and names that begin with `__Secure-` or `__Host-` need `Secure`.
    NotSecure,
    /// A cookie whose name begins with `__Host-` has a domain, or another path than `/`.
    NotHostOnly,
    /// Name and value together have more than 4096 bytes, or an attribute has more than 1024.
    TooLong,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the cookie is empty: give it a name",
            Self::ControlByte => "the cookie has a control byte in it: remove or encode it",
            Self::InvalidName => {
                "the cookie's name has bytes that cannot be there: use letters, digits, `-` and `_`"
            }
            Self::InvalidValue => {
                "the cookie's value has bytes that cannot be there: encode it, for example as base64"
            }
            Self::InvalidDomain => {
                "the cookie's domain has bytes that cannot be there: give the name of a host"
            }
            Self::InvalidPath => "the cookie's path has bytes that cannot be there: percent-encode them",
            Self::NotSecure => "the cookie needs the secure attribute: set it, or browsers refuse the cookie",
            Self::NotHostOnly => {
                "a cookie called `__Host-...` must have no domain and the path `/`: change these or the name"
            }
            Self::TooLong => "the cookie is longer than browsers take: keep it below 4096 bytes",
        })
    }
}

impl std::error::Error for CookieError {}
