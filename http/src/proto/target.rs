//! The forms of a request target.
//!
//! The idea: which form a target has is decided once, from the method and the target's own bytes; what is found are
//! parts of it, so nothing is copied.
//!
//! The rule: what has none of the four forms is refused, also where some server would make sense of it.

use super::error::ProtoError;
use crate::util::{authority, path};

/// The parts of a request target (RFC 9112 section 3.2).
pub(crate) struct TargetParts<'a> {
    pub(crate) authority: Option<&'a [u8]>,
    pub(crate) path: &'a [u8],
    pub(crate) path_is_plain: bool,
    pub(crate) query: &'a [u8],
}

/// Splits a target by its form: origin (`/x`), asterisk (`*`), absolute (`http://h/x`), authority (`h:443`,
/// for CONNECT and only there). Everything else is refused.
// PAR-03.
#[inline]
pub(crate) fn split_target<'a>(method: &[u8], target: &'a [u8]) -> Result<TargetParts<'a>, ProtoError> {
    if method == b"CONNECT" {
        if !authority::is_valid_with_port(target) {
            return Err(ProtoError::BadTarget);
        }
        let (path, query) = (&target[..0], &target[..0]);
        return Ok(TargetParts { authority: Some(target), path, path_is_plain: false, query });
    }
    match target {
        [b'/', ..] | [b'*'] => Ok(split_path(None, target)),
        _ => {
            let scheme_end = memchr::memmem::find(target, b"://").ok_or(ProtoError::BadTarget)?;
            if !is_scheme(&target[..scheme_end]) {
                return Err(ProtoError::BadTarget);
            }
            let rest = &target[scheme_end + 3..];
            let end = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
            let (host, path_and_query) = rest.split_at(end);
            if !authority::is_valid(host) {
                return Err(ProtoError::BadHost);
            }
            Ok(split_path(Some(host), path_and_query))
        }
    }
}

/// Splits off the query and the fragment, which a target should not have and which is ignored.
#[inline(always)]
fn split_path<'a>(authority: Option<&'a [u8]>, raw: &'a [u8]) -> TargetParts<'a> {
    let (path_end, path_is_plain) = path::look_over(raw);
    let (path, rest) = raw.split_at(path_end);
    let query = match rest {
        [b'?', query @ ..] => &query[..memchr::memchr(b'#', query).unwrap_or(query.len())],
        _ => &rest[..0],
    };
    TargetParts { authority, path, path_is_plain, query }
}

/// RFC 3986 section 3.1: a letter, then letters, digits, plus, hyphen, dot.
fn is_scheme(scheme: &[u8]) -> bool {
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}
