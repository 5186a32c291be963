//! The small grammar that header fields share: tokens, optional white space, comma lists, canonical names.
//!
//! Source: RFC 9110 sections 5.6.1 (lists), 5.6.2 (tokens), 5.6.3 (white space).

use super::byte_set::{ByteSet, alphanumerics_and};
use super::words;

/// Whether `byte` may stand in a token, such as a method or a field name.
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[byte as usize]
}

/// Whether `bytes` is a token: not empty, nothing but token bytes.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// `bytes` without spaces and tabs at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma list, trimmed, the empty ones left out.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Appends `name` with the first letter and each letter after a hyphen in upper case and the others in lower
/// case (`foO-bAr` becomes `Foo-Bar`). Bytes that cannot stand in a name become hyphens.
pub(crate) fn append_canonical_name(out: &mut Vec<u8>, name: &[u8]) {
    if is_canonical(name) {
        // What a program sets is spelled so mostly, and then copying is all.
        out.extend_from_slice(name);
        return;
    }
    let mut starts_word = true;
    out.extend(name.iter().map(|&byte| {
        let cased = CANONICAL[usize::from(starts_word)][byte as usize];
        starts_word = cased == b'-';
        cased
    }));
}

/// Whether `name` is spelled as [`append_canonical_name`] would write it.
pub(crate) fn is_canonical(name: &[u8]) -> bool {
    is_plainly_canonical(name) || is_canonical_by_bytes(name)
}

/// The same of names that are of letters and hyphens, as nearly all are.
#[inline]
fn is_plainly_canonical(name: &[u8]) -> bool {
    let mut start = 1;
    words::all(name, |word| words::are_words(word, &mut start))
}

fn is_canonical_by_bytes(name: &[u8]) -> bool {
    let mut starts_word = true;
    name.iter().all(|&byte| {
        let is_same = CANONICAL[usize::from(starts_word)][byte as usize] == byte;
        starts_word = byte == b'-';
        is_same
    })
}

/// The canonical form of each byte, within a word and at its start.
static CANONICAL: [[u8; 256]; 2] = {
    let mut canonical = [[b'-'; 256]; 2];
    let mut byte = 0;
    while byte < 256 {
        if TOKEN_BYTES[byte] {
            canonical[0][byte] = (byte as u8).to_ascii_lowercase();
            canonical[1][byte] = (byte as u8).to_ascii_uppercase();
        }
        byte += 1;
    }
    canonical
};

/// Appends `text` with every control byte except the tab replaced by a space, so that it stays on one line.
pub(crate) fn append_one_line(out: &mut Vec<u8>, text: &[u8]) {
    let start = out.len();
    out.extend_from_slice(text);
    // Looked for first, because there is hardly ever one, and looking is the cheaper half.
    if words::all(text, |word| !words::may_have_control(word)) {
        return;
    }
    for byte in &mut out[start..] {
        if is_control(*byte) {
            *byte = b' ';
        }
    }
}

/// Whether `byte` is a control byte other than the tab.
#[inline]
pub(crate) fn is_control(byte: u8) -> bool {
    ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f)
}

static TOKEN_BYTES: ByteSet = alphanumerics_and(b"!#$%&'*+-.^_`|~");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens() {
        for good in [&b"GET"[..], b"foobar", b"X-Y_z.1", b"!#$%&'*+-.^_`|~"] {
            assert!(is_token(good), "{good:?}");
        }
        for bad in [&b""[..], b"a b", b"a:", b"G(ET", b"\xc3\xa4", b"a\t", b"\x7f", b"a\0"] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }

    #[test]
    fn trims_spaces_and_tabs_only() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t"), b"");
        assert_eq!(trim(b"\ra\n"), b"\ra\n");
    }

    #[test]
    fn lists_skip_empty_elements() {
        let elements: Vec<&[u8]> = list(b" a ,, b\t,c d, ").collect();
        assert_eq!(elements, [&b"a"[..], b"b", b"c d"]);
        assert_eq!(list(b"").count(), 0);
    }

    #[test]
    fn canonical_names() {
        for (name, expected) in [
            ("foO-bAr", "Foo-Bar"),
            ("ETag", "Etag"),
            ("WWW-Authenticate", "Www-Authenticate"),
            ("x", "X"),
            ("a\r\nb: c", "A--B--C"),
            ("-a--b", "-A--B"),
        ] {
            let mut out = Vec::new();
            append_canonical_name(&mut out, name.as_bytes());
            assert_eq!(out, expected.as_bytes(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn canonical_is_what_stays_as_it_is(
            name in prop_oneof!["[A-Za-z0-9-]{0,30}", "([A-Z][a-z0-9]{0,9}-){0,3}[A-Z]?[a-z_]{0,9}", "[ -\u{ff}]{0,20}"],
        ) {
            let mut spelled = Vec::new();
            append_canonical_name(&mut spelled, name.as_bytes());
            prop_assert_eq!(is_canonical(name.as_bytes()), spelled == name.as_bytes());
            prop_assert_eq!(is_canonical(name.as_bytes()), is_canonical_by_bytes(name.as_bytes()));
            prop_assert!(is_canonical(&spelled));
        }

        #[test]
        fn one_line_differs_in_its_control_bytes_alone(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut line = Vec::new();
            append_one_line(&mut line, &text);
            let expected: Vec<u8> = text.iter().map(|&byte| if is_control(byte) { b' ' } else { byte }).collect();
            prop_assert_eq!(line, expected);
        }
    }

    #[test]
    fn one_line_has_no_control_bytes() {
        let mut out = b"kept\n".to_vec();
        append_one_line(&mut out, b"a\r\nb\0c\td\x7f\xff");
        assert_eq!(out, b"kept\na  b c\td \xff");
    }
}
