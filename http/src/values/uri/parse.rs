//! From the bytes of a URI to its parts.
//!
//! The idea: taking apart only borrows, and checks everything that can be wrong, so that a [`Uri`](super::Uri) is
//! changed only when nothing can fail any more.
//!
//! The rule: the host that is found is the one that every careful reader finds. The authority ends at the first `/`,
//! `?` or `#`, user information at the last `@` before that, and a byte that other readers take for a separator (a
//! backslash, a space) makes it an error. Source: RFC 3986 section 3 and appendix B.

use super::UriError;
use crate::util::authority::{is_sub_delimiter, is_unreserved, split_port};
use crate::util::cut::cut;
use crate::util::percent;

/// The parts of a URI or of a relative reference, checked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts<'a> {
    /// Not there, or empty, when the text does not say.
    pub(super) scheme: Option<&'a [u8]>,
    pub(super) authority: Option<Authority<'a>>,
    pub(super) path: &'a [u8],
    pub(super) query: Option<&'a [u8]>,
    pub(super) fragment: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    /// Empty when there is none.
    pub(super) userinfo: &'a [u8],
    /// With the port if there is one.
    pub(super) host: &'a [u8],
}

/// What two slashes at the beginning are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slashes {
    /// The beginning of an authority, as everywhere but in a request target.
    Authority,
    /// The beginning of a path, as in the target of a request that names its host elsewhere.
    Path,
}

/// Takes `text` apart.
pub(super) fn split(text: &[u8], slashes: Slashes) -> Result<Parts<'_>, UriError> {
    check_controls(text)?;
    let (text, fragment) = cut(text, b'#');
    let (text, query) = cut(text, b'?');
    let (scheme, rest) = match text.iter().position(|&byte| matches!(byte, b':' | b'/')) {
        Some(colon) if text[colon] == b':' => {
            let (scheme, rest) = (&text[..colon], &text[colon + 1..]);
            if !scheme.is_empty() {
                check_scheme(scheme)?;
            }
            if !rest.starts_with(b"//") {
                return Err(UriError::Scheme);
            }
            (Some(scheme), rest)
        }
        _ => (None, text),
    };
    let (authority, path) = match rest {
        [b'/', b'/', rest @ ..] if scheme.is_some() || slashes == Slashes::Authority => {
            let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
            (Some(split_authority(&rest[..end])?), &rest[end..])
        }
        _ => (None, rest),
    };
    Ok(Parts { scheme, authority, path, query, fragment })
}

/// Whether `scheme` is a letter followed by letters, digits, `+`, `-` and `.`.
pub(super) fn check_scheme(scheme: &[u8]) -> Result<(), UriError> {
    let is_valid = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if is_valid { Ok(()) } else { Err(UriError::Scheme) }
}

/// Whether `host` is a host with an optional port, or empty.
pub(super) fn check_host(host: &[u8]) -> Result<(), UriError> {
    check_controls(host)?;
    let (name, port) = split_port(host)?;
    if name.is_empty() && port.is_some() {
        return Err(UriError::Host);
    }
    if !name.starts_with(b"[") && escapes(name).any(|byte| byte.is_ascii()) {
        return Err(UriError::Host);
    }
    Ok(())
}

/// Appends a checked host in the form that is stored: lower case, decoded.
pub(super) fn append_host(out: &mut Vec<u8>, host: &[u8]) {
    let start = out.len();
    percent::append_decoded(out, host);
    out[start..].make_ascii_lowercase();
}

/// The port number that decimal digits say, if it is one.
pub(super) fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn check_controls(text: &[u8]) -> Result<(), UriError> {
    // Without early exits, so that the compiler can look at many bytes at once.
    let found = text.iter().fold(false, |found, byte| found | byte.is_ascii_control());
    if found { Err(UriError::ControlByte) } else { Ok(()) }
}

fn split_authority(authority: &[u8]) -> Result<Authority<'_>, UriError> {
    let (userinfo, host) = match memchr::memrchr(b'@', authority) {
        Some(at) => (&authority[..at], &authority[at + 1..]),
        None => (&[][..], authority),
    };
    let is_userinfo_byte =
        |&byte: &u8| is_unreserved(byte) || is_sub_delimiter(byte) || matches!(byte, b':' | b'%' | b'@');
    if !userinfo.iter().all(is_userinfo_byte) {
        return Err(UriError::Userinfo);
    }
    check_host(host)?;
    if host.is_empty() && !authority.is_empty() {
        return Err(UriError::Host);
    }
    Ok(Authority { userinfo, host })
}

/// The bytes that the escapes of a checked name stand for.
fn escapes(name: &[u8]) -> impl Iterator<Item = u8> {
    name.split(|&byte| byte == b'%').skip(1).filter_map(|rest| match rest {
        [high, low, ..] => Some(percent::hex_value(*high) << 4 | percent::hex_value(*low)),
        _ => None,
    })
}
