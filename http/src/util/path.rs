//! From the raw path of a request target to the path that a handler compares with its routes.
//!
//! The idea, in fasthttp's order: escapes are decoded once, and only then are doubled slashes and dot
//! segments removed, so that `%2e%2e%2f` cannot smuggle a `..` past the normalisation.
//!
//! The rules: the result starts with a slash, has no `..` segment and no empty segment, and is text. Bytes
//! that would not be UTF-8 after decoding are written as escapes again (`%FF`). One oddity of fasthttp is
//! kept: a trailing `/.` stays.

use super::percent;
use std::fmt::Write;

/// Whether `raw` has nothing to decode and nothing to remove, so that it is its own normal form.
///
/// May say no for a path that turns out not to change, such as `/.well-known`.
#[inline]
pub(crate) fn is_plain(raw: &[u8]) -> bool {
    // Without early exits, so that the compiler can look at many bytes at once; paths are short.
    let changes = raw.windows(2).fold(false, |changes, pair| {
        let starts_segment = (pair[0] == b'/') & ((pair[1] == b'/') | (pair[1] == b'.'));
        changes | starts_segment | (pair[1] == b'%') | (pair[1] >= 0x80)
    });
    raw.first() == Some(&b'/') && !changes
}

/// Writes the normal form of `raw` into `out`, whose memory is used again.
pub(crate) fn normalize_into(out: &mut String, raw: &[u8]) {
    let mut bytes = std::mem::take(out).into_bytes();
    bytes.clear();
    if raw.first() != Some(&b'/') {
        bytes.push(b'/');
    }
    percent::append_decoded(&mut bytes, raw);
    remove_dot_segments(&mut bytes);
    *out = String::from_utf8(bytes).unwrap_or_else(|invalid| escape_invalid(invalid.as_bytes()));
}

/// Removes empty, `.` and `..` segments in place from a path that starts with a slash. Never goes above the
/// root.
fn remove_dot_segments(path: &mut Vec<u8>) {
    let mut kept = 0;
    let mut position = 0;
    while position < path.len() {
        // Invariant: `path[position]` is the slash before the next segment, and `path[..kept]` is normal and
        // does not end with a slash.
        let start = position + 1;
        let end = memchr::memchr(b'/', &path[start..]).map_or(path.len(), |length| start + length);
        let is_last = end == path.len();
        match &path[start..end] {
            b".." => {
                kept = memchr::memrchr(b'/', &path[..kept]).unwrap_or(0);
                if is_last {
                    kept = push_slash(path, kept);
                }
            }
            b"." if !is_last => {}
            b"" if !is_last => {}
            segment => {
                let length = segment.len() + 1;
                path.copy_within(position..end, kept);
                kept += length;
            }
        }
        position = end;
    }
    path.truncate(kept);
}

/// Ends the kept part with a slash.
fn push_slash(path: &mut [u8], kept: usize) -> usize {
    path[kept] = b'/';
    kept + 1
}

/// `bytes` as text, with what is not UTF-8 written as escapes.
fn escape_invalid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing into a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(raw: impl AsRef<[u8]>) -> String {
        let mut out = "left over from an earlier request".to_owned();
        normalize_into(&mut out, raw.as_ref());
        out
    }

    #[test]
    fn normal_forms() {
        for (raw, expected) in [
            ("", "/"),
            ("/", "/"),
            ("/aa//bb", "/aa/bb"),
            ("//aa///bb//", "/aa/bb/"),
            ("/a/./b", "/a/b"),
            ("/./a", "/a"),
            ("/a/b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/b/../", "/a/"),
            ("/..", "/"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/../../b", "/b"),
            ("/a/.../b", "/a/.../b"),
            ("/a/.", "/a/."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a%20b/../c", "/c"),
            ("/a%20b+c", "/a b+c"),
            ("/%2e%2e%2fetc", "/etc"),
            ("/a%2f%2fb", "/a/b"),
            ("/%zz%4", "/%zz%4"),
            ("/%2541", "/%41"),
            ("/%ff%c3%a4", "/%FFä"),
            ("aaa", "/aaa"),
            ("*", "/*"),
            ("/ä", "/ä"),
        ] {
            assert_eq!(normal(raw), expected, "{raw:?}");
            assert!(!is_plain(raw.as_bytes()) || raw == expected, "{raw:?} is not plain");
        }
    }

    #[test]
    fn ordinary_paths_are_plain() {
        for path in ["/", "/index.html", "/a/b.c/d..e", "/a/", "/a-b_c~d"] {
            assert!(is_plain(path.as_bytes()), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_is_normal(raw in "[/.a%2eEfF0-]{0,24}") {
            let once = normal(&raw);
            prop_assert!(once.starts_with('/'));
            prop_assert!(once.split('/').all(|segment| segment != ".."), "{once:?}");
            prop_assert!(!once.contains("//"));
            let mut again = once.clone().into_bytes();
            remove_dot_segments(&mut again);
            prop_assert_eq!(again, once.as_bytes());
            if !once.contains('%') {
                prop_assert_eq!(normal(&once), once);
            }
        }

        #[test]
        fn any_bytes_become_a_normal_path(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            let path = normal(&raw);
            prop_assert!(path.starts_with('/'));
            prop_assert!(path.split('/').all(|segment| segment != ".."), "{path:?}");
            if is_plain(&raw) {
                prop_assert_eq!(path.as_bytes(), raw);
            }
        }
    }
}
