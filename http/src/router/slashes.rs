//! Paths with escaped slashes.
//!
//! The idea: `%2F` may be no separator but a byte of its segment (RFC 3986 2.2), so `/files/a%2Fb` is the file `a/b`.
//! What stands for it in a path that is searched is a byte that is in no text.
//!
//! The rule: such a path is only searched where what [`Request::path`](crate::Request::path) says leads nowhere, for
//! that is what handlers and wrappers look at. Where there are dot segments nothing is kept: they take away what is
//! between two separators.

use crate::util::{path, percent};
use std::borrow::Cow;

/// A slash that separates nothing.
pub(super) const KEPT_SLASH: u8 = 0xff;

/// Whether a raw path has escaped slashes.
pub(super) fn has_escaped_slash(raw: &[u8]) -> bool {
    memchr::memchr_iter(b'%', raw).any(|at| matches!(raw[at..], [_, b'2', b'F' | b'f', ..]))
}

/// Writes the normal form of `raw` into `out`, with its escaped slashes as [`KEPT_SLASH`]. False: that cannot be.
pub(super) fn keep_slashes(out: &mut Vec<u8>, raw: &[u8]) -> bool {
    out.clear();
    for (index, segment) in raw.split(|&byte| byte == b'/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        let start = out.len();
        percent::append_decoded(out, segment);
        let text = match percent::text_of(&out[start..]) {
            Cow::Borrowed(_) => None,
            Cow::Owned(text) => Some(text),
        };
        if let Some(text) = text {
            out.truncate(start);
            out.extend_from_slice(text.as_bytes());
        }
        let decoded = &mut out[start..];
        let has_slash = decoded.contains(&b'/');
        let mut parts = decoded.split(|&byte| byte == b'/');
        if parts.any(|part| part == b".." || (has_slash && part == b".")) {
            return false;
        }
        for byte in decoded.iter_mut().filter(|byte| **byte == b'/') {
            *byte = KEPT_SLASH;
        }
    }
    path::remove_empty_and_dot_segments(out);
    true
}

/// What stands in such a path, as text.
pub(super) fn kept_text(bytes: &[u8]) -> String {
    let bytes = bytes.iter().map(|&byte| if byte == KEPT_SLASH { b'/' } else { byte }).collect();
    // All but the slashes was text.
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(raw: &str) -> Option<String> {
        let mut out = b"left over".to_vec();
        let is_kept = keep_slashes(&mut out, raw.as_bytes());
        is_kept.then(|| {
            String::from_utf8(
                out.iter()
                    .flat_map(|&byte| if byte == KEPT_SLASH { "<>".bytes().collect() } else { vec![byte] })
                    .collect(),
            )
            .unwrap()
        })
    }

    #[test]
    fn escaped_slashes_are_kept() {
        for (raw, expected) in [
            ("/a%2Fb/c", Some("/a<>b/c")),
            ("/%2f", Some("/<>")),
            ("/a%2F%2fb//x", Some("/a<><>b/x")),
            ("/x/./a%2Fb", Some("/x/a<>b")),
            ("/x/%2e%2e/a%2Fb", None),
            ("/a/%2F/..", None),
            ("/a%252Fb", Some("/a%2Fb")),
            ("/%ff%2F%c3%a4", Some("/%FF<>ä")),
            ("/a%2F..%2Fb", None),
            ("/a%2F%2e%2e", None),
            ("/.%2Fa", None),
            ("/a/..%2fb", None),
            ("/a%2F.../b", Some("/a<>.../b")),
        ] {
            assert_eq!(kept(raw).as_deref(), expected, "{raw}");
        }
    }

    #[test]
    fn escapes_are_seen() {
        for raw in ["/a%2Fb", "%2f", "/%%2F", "/%25%2F"] {
            assert!(has_escaped_slash(raw.as_bytes()), "{raw}");
        }
        for raw in ["/a", "/%2", "/%2E", "/%252F", "/2F"] {
            assert!(!has_escaped_slash(raw.as_bytes()), "{raw}");
        }
    }

    proptest! {
        /// Whoever looks at the one sees no other way than who looks at the other.
        #[test]
        fn both_forms_lead_the_same_way(raw in "/[/.a%2eEfF0-]{0,24}") {
            let mut out = Vec::new();
            if keep_slashes(&mut out, raw.as_bytes()) {
                let mut path = String::new();
                path::normalize_into(&mut path, raw.as_bytes());
                let mut slashed = kept_text(&out).into_bytes();
                path::remove_empty_and_dot_segments(&mut slashed);
                prop_assert_eq!(slashed, path.into_bytes());
            }
        }
    }
}
