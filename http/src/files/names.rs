//! Which decoded paths name something that may be served.
//!
//! The rule: it is decided here, once, on the very bytes that are opened. A path is never decoded again.

/// Why a path names nothing that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadPath {
    /// It has a NUL in it.
    Nul,
    /// It goes to the folder above.
    Above,
    /// Nothing can be there: a hidden name, a name that means something else to the system, an empty one.
    Nothing,
}

/// How the names of compressed copies that were made begin, and of the folder that they lie in. Nothing of such a name
/// is served or listed, by whichever path.
pub(super) const OF_MADE_COPIES: &str = ".anthill-copies";

/// Whether this is one of them, as file systems see it that know no case.
fn is_of_made_copies(name: &[u8]) -> bool {
    name.get(..OF_MADE_COPIES.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(OF_MADE_COPIES.as_bytes()))
}

/// Checks a path that may begin with a slash and end with one, and returns it without them.
///
/// Names that begin with a dot are refused unless `shows_hidden`; `.well-known` at the root is not hidden (RFC 8615).
pub(super) fn check(path: &[u8], shows_hidden: bool) -> Result<&[u8], BadPath> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    if memchr::memchr(0, path).is_some() {
        return Err(BadPath::Nul);
    }
    if path.is_empty() {
        return Ok(path);
    }
    let mut names = path.split(|&byte| byte == b'/');
    let verdicts = names.by_ref().enumerate().map(|(depth, name)| match name {
        b".." => Err(BadPath::Above),
        b"" | b"." => Err(BadPath::Nothing),
        b".well-known" if depth == 0 => Ok(()),
        [b'.', ..] if !shows_hidden => Err(BadPath::Nothing),
        name if is_of_made_copies(name) => Err(BadPath::Nothing),
        // There `a\..\..\b` is more than one name, and so all of it is looked at again.
        name if cfg!(windows) && memchr::memchr(b'\\', name).is_some() => Err(BadPath::Above),
        name if cfg!(windows) && !is_plain_on_windows(name) => Err(BadPath::Nothing),
        _ => Ok(()),
    });
    // One that goes above is worse than whatever else there is.
    let mut worst = Ok(path);
    for verdict in verdicts {
        match verdict {
            Err(BadPath::Above) => return Err(BadPath::Above),
            Err(bad) => worst = Err(bad),
            Ok(()) => {}
        }
    }
    worst
}

/// Whether on Windows this is the name of a file and nothing else: no drive (`c:`), no alternate stream
/// (`a.txt::$DATA`), no device (`con`, `nul.txt`, `com1`), nothing that names the same file as another spelling
/// (`a.txt.`, `a.txt `), above all not a short name (`GIT~1` for `.git`), by which a hidden one could be had.
///
/// Source: "Naming Files, Paths, and Namespaces" of the Windows documentation; for short names \[MS-FSCC\] 2.1.5.2.1.
pub(super) fn is_plain_on_windows(name: &[u8]) -> bool {
    let has_meaning = |byte: &u8| *byte < b' ' || b"<>:\"/\\|?*".contains(byte);
    if name.is_empty() || name.iter().any(has_meaning) || matches!(name.last(), Some(b'.' | b' ')) {
        return false;
    }
    let stem = name.split(|&byte| byte == b'.').next().unwrap_or_default();
    if is_shortened(stem) {
        return false;
    }
    let stem = stem.trim_ascii_end().to_ascii_lowercase();
    let is_device = match &*stem {
        b"con" | b"prn" | b"aux" | b"nul" | b"conin$" | b"conout$" => true,
        [b'c', b'o', b'm', number @ ..] | [b'l', b'p', b't', number @ ..] => {
            // The superscripts 1, 2 and 3 are digits to it.
            matches!(number, [b'0'..=b'9'] | [0xc2, 0xb9 | 0xb2 | 0xb3])
        }
        _ => false,
    };
    !is_device
}

/// Whether this is how the system shortens names, up to their dot: `~` and a number at the end, 8 characters at most.
fn is_shortened(stem: &[u8]) -> bool {
    let Some(tilde) = memchr::memrchr(b'~', stem) else { return false };
    let number = &stem[tilde + 1..];
    let characters = String::from_utf8_lossy(stem).chars().count();
    characters <= 8 && !number.is_empty() && number.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_may_be_served() {
        for (path, expected) in [
            ("", ""),
            ("/", ""),
            ("/a", "a"),
            ("/a/", "a"),
            ("a/b c", "a/b c"),
            ("/.well-known/x", ".well-known/x"),
            ("/a..b/c..", "a..b/c.."),
        ] {
            assert_eq!(
                check(path.as_bytes(), false).map(String::from_utf8_lossy),
                Ok(expected.into()),
                "{path}"
            );
        }
        assert_eq!(check(b"/.a/..b", true), Ok(&b".a/..b"[..]));
    }

    #[test]
    fn paths_that_may_not() {
        for path in
            ["/.anthill-copies", "/.anthill-copies/x", "/a/.anthill-copies.1-2.gz", "/x/.Anthill-Copies/y"]
        {
            assert_eq!(check(path.as_bytes(), true), Err(BadPath::Nothing), "{path}");
        }
        for (path, expected) in [
            ("/a\0", BadPath::Nul),
            ("\0", BadPath::Nul),
            ("/..", BadPath::Above),
            ("/../a", BadPath::Above),
            ("a/../b", BadPath::Above),
            ("/.a/..", BadPath::Above),
            ("/a//b", BadPath::Nothing),
            ("//a", BadPath::Nothing),
            ("/a//", BadPath::Nothing),
            ("/.", BadPath::Nothing),
            ("/a/.", BadPath::Nothing),
            ("/.git/config", BadPath::Nothing),
            ("/a/.well-known", BadPath::Nothing),
            ("/.well-known/.a", BadPath::Nothing),
        ] {
            assert_eq!(check(path.as_bytes(), false), Err(expected), "{path:?}");
        }
    }

    #[test]
    fn names_that_mean_more_on_windows() {
        for name in [
            "a:b",
            "c:",
            "a.txt::$DATA",
            "con",
            "CON",
            "con.txt",
            "Nul.tar.gz",
            "aux ",
            "aux .x",
            "com1",
            "LPT9.x",
            "COM\u{b9}",
            "a.",
            "a ",
            "a\\b",
            "..\\a",
            "a|b",
            "a?",
            "a*",
            "<",
            "\u{1}",
            "",
            "conin$",
            "GIT~1",
            "git~1",
            "ENV~1",
            "HTACCE~1",
            "HT1F2A~9",
            "WEB~12.CON",
            "A~123456.TXT",
            "\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}~1",
        ] {
            assert!(!is_plain_on_windows(name.as_bytes()), "{name:?}");
        }
        for name in [
            "a",
            "a.txt",
            "console",
            "com",
            "com10",
            "lpt",
            "a b",
            "null",
            "\u{e4}",
            "com1x.txt",
            "a~",
            "a~b",
            "~",
            "a.b~1",
            "backup-of~1",
            "notes~1x",
        ] {
            assert!(is_plain_on_windows(name.as_bytes()), "{name:?}");
        }
    }
}
