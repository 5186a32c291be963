//! Patterns for paths: `*` stands for any number of bytes, `?` for one, all others for themselves.
//!
//! The rule: matching takes time in proportion to the lengths of both at most.

/// Chooses paths.
#[derive(Clone, Debug)]
pub(super) struct PathPattern {
    pattern: Box<[u8]>,
    /// Whether it is about whole paths. Otherwise it is about their last names.
    is_of_path: bool,
}

impl PathPattern {
    /// One with a slash in it is about the path from the root on, without it about the name alone.
    pub(super) fn new(pattern: &str) -> Self {
        let is_of_path = pattern.contains('/');
        Self { pattern: pattern.strip_prefix('/').unwrap_or(pattern).as_bytes().into(), is_of_path }
    }

    /// Whether it means this path, which does not begin with a slash.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        matches(&self.pattern, if self.is_of_path { path } else { name })
    }
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    // Behind which star of the pattern we are, and up to where in the text it goes.
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, in_text));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[in_text] => (at, in_text) = (at + 1, in_text + 1),
            _ => match &mut star {
                Some((behind, until)) => {
                    *until += 1;
                    (at, in_text) = (*behind, *until);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Whether a name has a part that only a hash can be: of eight letters and digits or more, separated by dots, hyphens
/// or underscores from what stands before it, with a digit among them, and last before the extension, as bundlers write
/// them (`app.3f2a9c1b.js`, `index-BX4d5fgh.css`).
pub(super) fn has_hashed_name(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let Some((stem, _extension)) = memchr::memrchr(b'.', name).map(|dot| name.split_at(dot)) else {
        return false;
    };
    let Some(mark) = stem.iter().rposition(|byte| matches!(byte, b'.' | b'-' | b'_')) else { return false };
    let hash = &stem[mark + 1..];
    let is_hex = hash.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte));
    // Eight digits are a date.
    let has = |kind: fn(&u8) -> bool| hash.iter().any(kind);
    mark > 0
        && (8..=64).contains(&hash.len())
        && hash.iter().all(u8::is_ascii_alphanumeric)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && (is_hex || (has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_paths() {
        for (pattern, chosen, left) in [
            ("*", &["", "a", "a/b"][..], &[][..]),
            ("*.html", &["a.html", "a/b.html", ".html"], &["a.htm", "a.html/b"]),
            ("a?c", &["abc", "x/a.c"], &["ac", "abbc"]),
            ("/assets/*", &["assets/", "assets/a", "assets/a/b.css"], &["assets", "a", "x/assets/a"]),
            ("assets/*.js", &["assets/a.js", "assets/b/c.js"], &["assets/a.css", "a.js"]),
            ("index.html", &["index.html", "a/index.html"], &["index.htm"]),
            ("/index.html", &["index.html"], &["a/index.html"]),
            ("*a*b", &["ab", "xaxb", "aabb"], &["ba", "abx"]),
        ] {
            let parsed = PathPattern::new(pattern);
            for path in chosen {
                assert!(parsed.matches(path.as_bytes()), "{pattern} {path}");
            }
            for path in left {
                assert!(!parsed.matches(path.as_bytes()), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn many_stars_end() {
        let pattern = PathPattern::new(&"*a".repeat(2_000));
        assert!(!pattern.matches("a".repeat(1_999).as_bytes()));
        assert!(pattern.matches("a".repeat(2_000).as_bytes()));
    }

    #[test]
    fn names_with_hashes() {
        for name in ["app.3f2a9c1b.js", "a/index-BX4d5fgh.css", "main_0a1b2c3d4e5f.js", "x.9F8e7D6c.map"] {
            assert!(has_hashed_name(name.as_bytes()), "{name}");
        }
        for name in [
            "app.js",
            "index.html",
            "report-20240131.pdf",
            "jquery-3.7.1.min.js",
            "a.deadbeef",
            "3f2a9c1b.js",
            ".3f2a9c1b.js",
            "my-document1.txt",
            "abcdefgh-ijklmnop.js",
            "a.3f2a9c1.js",
            "",
        ] {
            assert!(!has_hashed_name(name.as_bytes()), "{name}");
        }
    }
}
