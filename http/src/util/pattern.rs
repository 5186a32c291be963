//! Patterns by which names are chosen, as a shell's: no more than names of letters, digits and `_` need.
//!
//! The rule: matching takes time in proportion to the lengths of both at most, whatever the pattern is.

use std::fmt;

/// Chooses names; by default all. It matches a name in which it is found; `^` and `$` hold it at the beginning and the
/// end.
#[derive(Clone, Debug)]
pub(crate) struct NamePattern(Vec<NamePiece>);

#[derive(Clone, Debug)]
enum NamePiece {
    Byte(u8),
    One,
    Run,
    Class { is_negated: bool, ranges: Vec<(u8, u8)> },
}

/// Why a pattern is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamePatternError {
    Unclosed,
    Empty,
    Backwards,
    /// A byte that no name has and that means nothing here.
    Byte(u8),
}

impl Default for NamePattern {
    fn default() -> Self {
        Self(vec![NamePiece::Run])
    }
}

impl NamePattern {
    /// Letters, digits and `_` are themselves, `*` any number of bytes, `?` one, `[a-c_]` one of these and `[^a-c]` one
    /// of all others.
    pub(crate) fn parse(pattern: &[u8]) -> Result<Self, NamePatternError> {
        let (rest, at_start) = pattern.strip_prefix(b"^").map_or((pattern, false), |rest| (rest, true));
        let (mut rest, at_end) = rest.strip_suffix(b"$").map_or((rest, false), |rest| (rest, true));
        let mut pieces = Vec::with_capacity(rest.len() + 2);
        pieces.extend((!at_start).then_some(NamePiece::Run));
        while let [first, after @ ..] = rest {
            rest = after;
            pieces.push(match *first {
                b'*' => NamePiece::Run,
                b'?' => NamePiece::One,
                b'[' => {
                    let (class, after) = parse_class(after)?;
                    rest = after;
                    class
                }
                byte if is_plain(byte) => NamePiece::Byte(byte),
                byte => return Err(NamePatternError::Byte(byte)),
            });
        }
        pieces.extend((!at_end).then_some(NamePiece::Run));
        Ok(Self(pieces))
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let (pieces, name) = (&self.0, name.as_bytes());
        let (mut piece, mut at) = (0, 0);
        // Where the last run stands, and up to where it goes.
        let mut run: Option<(usize, usize)> = None;
        loop {
            match pieces.get(piece) {
                Some(NamePiece::Run) => {
                    run = Some((piece, at));
                    piece += 1;
                    continue;
                }
                Some(one) if name.get(at).is_some_and(|byte| one.takes(*byte)) => {
                    (piece, at) = (piece + 1, at + 1);
                    continue;
                }
                None if at == name.len() => return true,
                _ => {}
            }
            // The run takes one more.
            match run {
                Some((place, until)) if until < name.len() => {
                    run = Some((place, until + 1));
                    (piece, at) = (place + 1, until + 1);
                }
                _ => return false,
            }
        }
    }
}

impl NamePiece {
    fn takes(&self, byte: u8) -> bool {
        match self {
            NamePiece::Byte(own) => *own == byte,
            NamePiece::One => true,
            NamePiece::Run => false,
            NamePiece::Class { is_negated, ranges } => {
                ranges.iter().any(|(first, last)| (first..=last).contains(&&byte)) != *is_negated
            }
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What stands behind a `[`, and what follows its `]`.
fn parse_class(text: &[u8]) -> Result<(NamePiece, &[u8]), NamePatternError> {
    let end = memchr::memchr(b']', text).ok_or(NamePatternError::Unclosed)?;
    let (mut inside, after) = (&text[..end], &text[end + 1..]);
    let is_negated = matches!(inside, [b'^' | b'!', ..]);
    if is_negated {
        inside = &inside[1..];
    }
    let mut ranges = Vec::new();
    while let [first, rest @ ..] = inside {
        let (last, rest) = match rest {
            [b'-', last, rest @ ..] => (last, rest),
            _ => (first, rest),
        };
        if let Some(byte) = [first, last].into_iter().find(|byte| !is_plain(**byte)) {
            return Err(NamePatternError::Byte(*byte));
        }
        if last < first {
            return Err(NamePatternError::Backwards);
        }
        ranges.push((*first, *last));
        inside = rest;
    }
    if ranges.is_empty() {
        return Err(NamePatternError::Empty);
    }
    Ok((NamePiece::Class { is_negated, ranges }, after))
}

impl fmt::Display for NamePatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed => f.write_str("a `[` has no `]`"),
            Self::Empty => f.write_str("nothing is between `[` and `]`"),
            Self::Backwards => f.write_str("a range between `[` and `]` goes backwards"),
            Self::Byte(byte) => write!(
                f,
                "no name has `{}`; `*` stands for anything, `?` for one letter, `[a-c]` for one of these, `^` and `$` for \
                 the ends",
                byte.escape_ascii()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_chosen() {
        for (pattern, chosen, left) in [
            ("", &["", "a", "requests"][..], &[][..]),
            ("quest", &["requests", "quest"], &["ques", ""]),
            ("^re", &["requests", "re"], &["are"]),
            ("ts$", &["requests", "ts"], &["tsa", "t"]),
            ("^a$", &["a"], &["", "aa", "ba"]),
            ("^$", &[""], &["a"]),
            ("^a*c$", &["ac", "abc", "acbc"], &["ab", "acb", "c"]),
            ("^a?c$", &["abc", "a_c"], &["ac", "abbc"]),
            ("^[a-c_]$", &["a", "b", "c", "_"], &["d", "", "ab"]),
            ("^[^a-c]$", &["d", "_"], &["a", "c", ""]),
            ("^[!a]b$", &["bb"], &["ab"]),
            ("*a*b*c*", &["abc", "xaxbxcx"], &["acb", "ab"]),
        ] {
            let parsed = NamePattern::parse(pattern.as_bytes()).expect(pattern);
            for name in chosen {
                assert!(parsed.matches(name), "{pattern} {name}");
            }
            for name in left {
                assert!(!parsed.matches(name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern() {
        for (pattern, problem) in [
            ("[", NamePatternError::Unclosed),
            ("a[b-", NamePatternError::Unclosed),
            ("[]", NamePatternError::Empty),
            ("[^]", NamePatternError::Empty),
            ("[z-a]", NamePatternError::Backwards),
            ("[a-]", NamePatternError::Byte(b'-')),
            ("(", NamePatternError::Byte(b'(')),
            (".*", NamePatternError::Byte(b'.')),
            ("a^", NamePatternError::Byte(b'^')),
            ("a$b", NamePatternError::Byte(b'$')),
            ("\u{e4}", NamePatternError::Byte(0xc3)),
            ("a\0", NamePatternError::Byte(0)),
        ] {
            assert_eq!(NamePattern::parse(pattern.as_bytes()).map(|_| ()), Err(problem), "{pattern}");
        }
    }

    /// With many runs as well, no pattern takes longer than its length times that of the name.
    #[test]
    fn many_runs_end() {
        let pattern = NamePattern::parse("*a".repeat(5_000).as_bytes()).expect("a pattern");
        assert!(!pattern.matches(&"a".repeat(4_999)));
        assert!(pattern.matches(&"a".repeat(5_000)));
    }
}
