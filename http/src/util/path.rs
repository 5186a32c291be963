//! From the raw path of a request target to the path that a handler compares with its routes.
//!
//! The idea, in fasthttp's order: escapes are decoded once, and only then are doubled slashes and dot
//! segments removed, so that `%2e%2e%2f` cannot smuggle a `..` past the normalisation.
//!
//! The rules: the result starts with a slash, has no `..` segment and no empty segment, and is text. Bytes
//! that would not be UTF-8 after decoding are written as escapes again (`%FF`). One oddity of fasthttp is
//! kept: a trailing `/.` stays.

use super::byte_set::ByteSet;
use super::percent;

/// Where the path at the front of `raw` ends (at a `?`, a `#`, or with it), and whether it has nothing to decode and
/// nothing to remove, so that it is its own normal form.
///
/// May say no for a path that turns out not to change, such as `/.well-known`.
#[inline]
pub(crate) fn look_over(raw: &[u8]) -> (usize, bool) {
    let mut is_plain = raw.first() == Some(&b'/');
    let mut position = 0;
    while let Some(&byte) = raw.get(position) {
        // One look-up settles nearly all bytes.
        if NOTABLE[byte as usize] {
            match byte {
                b'?' | b'#' => break,
                b'/' | b'.' => is_plain &= raw.get(position.wrapping_sub(1)) != Some(&b'/'),
                _ => is_plain = false,
            }
        }
        position += 1;
    }
    (position, is_plain)
}

/// The bytes of a raw path that end it, or that may not stand as they are in its normal form.
static NOTABLE: ByteSet = {
    let mut notable = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        notable[byte] = byte >= 0x80 || matches!(byte as u8, b'?' | b'#' | b'/' | b'.' | b'%');
        byte += 1;
    }
    notable
};

/// Whether all of `path` is its own normal form; see [`look_over`].
pub(crate) fn is_plain(path: &[u8]) -> bool {
    look_over(path) == (path.len(), true)
}

/// Writes the normal form of `raw` into `out`, whose memory is used again.
pub(crate) fn normalize_into(out: &mut String, raw: &[u8]) {
    let mut bytes = std::mem::take(out).into_bytes();
    normalize_bytes_into(&mut bytes, raw);
    *out =
        String::from_utf8(bytes).unwrap_or_else(|invalid| percent::text_of(invalid.as_bytes()).into_owned());
}

/// Writes the normal form of `raw` into `out` before it is made text, so that no byte looks like its escape.
pub(crate) fn normalize_bytes_into(out: &mut Vec<u8>, raw: &[u8]) {
    out.clear();
    if raw.first() != Some(&b'/') {
        out.push(b'/');
    }
    percent::append_decoded(out, raw);
    remove_empty_and_dot_segments(out);
}

/// Removes `.` and `..` segments in place from a path that is empty or starts with a slash and is not decoded (RFC 3986
/// section 5.2.4). Empty segments stay; `%2e` is a dot, as in the URL standard.
pub(crate) fn remove_dot_segments(path: &mut Vec<u8>) {
    remove_segments(path, |segment, _| match dots(segment) {
        Some(1) => Segment::Nothing,
        Some(2) => Segment::Parent,
        _ => Segment::Name,
    });
}

/// Removes empty, `.` and `..` segments in place from a decoded path that starts with a slash.
pub(crate) fn remove_empty_and_dot_segments(path: &mut Vec<u8>) {
    remove_segments(path, |segment, is_last| match segment {
        b".." => Segment::Parent,
        b"." | b"" if !is_last => Segment::Nothing,
        _ => Segment::Name,
    });
}

/// How many dots a segment of nothing but dots, plain or as escapes, has.
fn dots(segment: &[u8]) -> Option<usize> {
    let mut count = 0;
    let mut rest = segment;
    loop {
        rest = match rest {
            [] => return Some(count),
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => return None,
        };
        count += 1;
    }
}

/// What a segment does to the path before it.
enum Segment {
    /// It is appended.
    Name,
    /// It is left out.
    Nothing,
    /// It takes the segment before it away.
    Parent,
}

/// Applies the segments of a path that starts with a slash one after the other, in place. Never goes above the root;
/// when the last segment leaves no name, the path ends with a slash. `kind` is told whether a segment is the last.
fn remove_segments(path: &mut Vec<u8>, kind: impl Fn(&[u8], bool) -> Segment) {
    let mut kept = 0;
    let mut position = 0;
    while position < path.len() {
        // Invariant: `path[position]` is the slash before the next segment, and `path[..kept]` is normal and
        // does not end with the slash of an unfinished segment.
        let start = position + 1;
        let end = memchr::memchr(b'/', &path[start..]).map_or(path.len(), |length| start + length);
        let is_last = end == path.len();
        let kind = kind(&path[start..end], is_last);
        match kind {
            Segment::Name => {
                path.copy_within(position..end, kept);
                kept += end - position;
            }
            Segment::Nothing => {}
            Segment::Parent => kept = memchr::memrchr(b'/', &path[..kept]).unwrap_or(0),
        }
        if is_last && !matches!(kind, Segment::Name) {
            path[kept] = b'/';
            kept += 1;
        }
        position = end;
    }
    path.truncate(kept);
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

    /// The examples of RFC 3986 section 5.4 and what they leave open.
    #[test]
    fn dot_segments_of_raw_paths() {
        for (raw, expected) in [
            ("/", "/"),
            ("/a/b/c/./../../g", "/a/g"),
            ("/b/c/..", "/b/"),
            ("/b/c/.", "/b/c/"),
            ("/..", "/"),
            ("/.", "/"),
            ("/../g", "/g"),
            ("/b/c/g.", "/b/c/g."),
            ("/b/c/..g", "/b/c/..g"),
            ("/b/c/.../g", "/b/c/.../g"),
            ("/a//b/", "/a//b/"),
            ("/a//../b", "/a/b"),
            ("//..//b", "//b"),
            ("/a/%2e%2E/b/%2e", "/b/"),
            ("/a/.%2e", "/"),
            ("/a/%2e%2e%2fb", "/a/%2e%2e%2fb"),
            ("/a%2F../b", "/a%2F../b"),
        ] {
            let mut path = raw.as_bytes().to_vec();
            remove_dot_segments(&mut path);
            assert_eq!(String::from_utf8_lossy(&path), expected, "{raw:?}");
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
            remove_empty_and_dot_segments(&mut again);
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
