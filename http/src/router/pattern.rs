//! What stands for paths in a program: `/users/{id}/files/{*path}`.
//!
//! The rule: a pattern that no path can ever match is refused, with what was probably meant.

use crate::ctx::UrlPart;
use crate::util::byte_set::{ByteSet, alphanumerics_and};
use crate::util::intern::intern;
use crate::util::percent::append_encoded;
use std::fmt;

/// What all that is left is called where nobody asks for it.
const BELOW: &str = "below";

/// What stands as it is in a segment of a path (RFC 3986 `pchar`).
pub(super) static SEGMENT: ByteSet = alphanumerics_and(b"-._~!$&'()*+,;=:@");

/// A pattern, taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern {
    pub(super) segments: Vec<PatternSegment>,
    /// What its parameters are called, in order.
    pub(super) names: Vec<&'static str>,
}

/// What stands between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternSegment {
    /// Text, the same for all paths. Empty behind a last slash.
    Text(String),
    /// A parameter.
    Param,
    /// All that is left.
    Rest,
}

impl Pattern {
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let Some(path) = pattern.strip_prefix('/') else {
            return Err("a path starts with a slash".to_owned());
        };
        let mut parsed = Self::default();
        let count = path.split('/').count();
        for (index, segment) in path.split('/').enumerate() {
            let is_last = index + 1 == count;
            parsed.push(segment, is_last)?;
        }
        Ok(parsed)
    }

    /// The one path that it matches, if it has no parameters.
    pub(super) fn text(&self) -> Option<String> {
        let mut path = String::new();
        for segment in &self.segments {
            let PatternSegment::Text(text) = segment else { return None };
            path.push('/');
            path.push_str(text);
        }
        Some(path)
    }

    /// Whether it takes whatever is left of a path.
    pub(super) fn has_rest(&self) -> bool {
        self.segments.last() == Some(&PatternSegment::Rest)
    }

    /// This as a prefix: itself, with a slash behind it, and all that is below that.
    pub(super) fn all_below(&self) -> [Self; 3] {
        let slash = PatternSegment::Text(String::new());
        let with = |end: Option<PatternSegment>| {
            let mut pattern = self.clone();
            pattern.segments.extend(end);
            pattern
        };
        let mut below = with(Some(PatternSegment::Rest));
        below.names.push(BELOW);
        [with(None), with(Some(slash)), below]
    }

    /// The same for all patterns that match the same paths.
    pub(super) fn shape(&self) -> String {
        self.written(|_| "")
    }

    /// Where it has parameters: the shape of what is before each, and whether it is all that is left.
    pub(super) fn places(&self) -> Vec<(String, bool)> {
        let mut places = Vec::new();
        let mut before = Self::default();
        for segment in &self.segments {
            if !matches!(segment, PatternSegment::Text(_)) {
                places.push((before.shape(), *segment == PatternSegment::Rest));
            }
            before.segments.push(segment.clone());
        }
        places
    }

    /// The pattern, with what `name` makes of the names of its parameters.
    fn written(&self, name: impl Fn(&'static str) -> &'static str) -> String {
        let mut names = self.names.iter().map(|known| name(known));
        let mut next = || names.next().unwrap_or_default();
        let text = |text: &str| text.replace('{', "{{").replace('}', "}}");
        let mut written = String::new();
        for segment in &self.segments {
            written.push('/');
            match segment {
                PatternSegment::Text(literal) => written.push_str(&text(literal)),
                PatternSegment::Param => written.push_str(&format!("{{{}}}", next())),
                PatternSegment::Rest => written.push_str(&format!("{{*{}}}", next())),
            }
        }
        written
    }

    fn push(&mut self, segment: &str, is_last: bool) -> Result<(), String> {
        check_text(segment, is_last)?;
        let (before, rest) = text_and_rest(segment)?;
        let Some(rest) = rest else {
            self.segments.push(PatternSegment::Text(before));
            return Ok(());
        };
        let (name, rest) =
            rest.split_once('}').ok_or("a `{` has no `}`; to have a brace in a path write `{{`")?;
        let (after, more) = text_and_rest(rest)?;
        if more.is_some() {
            return Err(format!("{segment:?} has two parameters; a segment may have one"));
        }
        let (name, is_rest) = name.strip_prefix('*').map_or((name, false), |name| (name, true));
        check_name(name)?;
        if is_rest && !is_last {
            return Err(format!("`{{*{name}}}` takes all that is left, so it is the last segment"));
        }
        if !(before.is_empty() && after.is_empty()) {
            return Err(format!(
                "{segment:?} has text beside its parameter, which is all of a segment; what text is in it is for the \
                 handler to look at"
            ));
        }
        if self.names.contains(&name) {
            return Err(format!("it has two parameters {name:?}"));
        }
        self.names.push(intern(name));
        self.segments.push(if is_rest { PatternSegment::Rest } else { PatternSegment::Param });
        Ok(())
    }

    /// What URLs are made of.
    pub(super) fn url_parts(&self) -> Vec<UrlPart> {
        let mut parts = Vec::new();
        let mut text = Vec::new();
        let mut names = self.names.iter();
        for segment in &self.segments {
            text.push(b'/');
            if let PatternSegment::Text(literal) = segment {
                append_encoded(&mut text, literal.as_bytes(), &SEGMENT);
                continue;
            }
            push_text(&mut parts, &mut text);
            let name = names.next().copied().unwrap_or_default();
            parts.push(if *segment == PatternSegment::Rest {
                UrlPart::Rest(name)
            } else {
                UrlPart::Param(name)
            });
        }
        push_text(&mut parts, &mut text);
        parts
    }
}

/// As it is written.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(|name| name))
    }
}

fn push_text(parts: &mut Vec<UrlPart>, text: &mut Vec<u8>) {
    if !text.is_empty() {
        // All that was appended is ASCII.
        parts.push(UrlPart::Text(String::from_utf8(std::mem::take(text)).unwrap_or_default()));
    }
}

/// The text up to the first parameter, with its doubled braces undone, and what is behind the parameter's brace.
fn text_and_rest(segment: &str) -> Result<(String, Option<&str>), String> {
    let mut text = String::new();
    let mut rest = segment;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        match rest.strip_prefix(brace) {
            Some(after) => {
                text.push_str(brace);
                rest = after;
            }
            None if brace == "{" => return Ok((text, Some(rest))),
            None => return Err("a `}` has no `{`; to have a brace in a path write `}}`".to_owned()),
        }
    }
    text.push_str(rest);
    Ok((text, None))
}

/// Refuses what paths never have once they are decoded and in normal form.
fn check_text(segment: &str, is_last: bool) -> Result<(), String> {
    let problem = match segment {
        "" if !is_last => "it has two slashes in a row, which no path has",
        "." | ".." => "paths have no dot segments",
        _ if segment.starts_with([':', '*']) => {
            "a parameter is written `{name}`, and all that is left `{*name}`"
        }
        _ if segment.contains(['?', '#']) => "a path ends before its `?` or `#`",
        _ if segment.chars().any(char::is_control) => "it has a control character",
        _ if has_escape(segment) => "paths are decoded, so write the character itself in place of its escape",
        _ => return Ok(()),
    };
    Err(problem.to_owned())
}

fn has_escape(segment: &str) -> bool {
    let is_escape = |three: &[u8]| three[0] == b'%' && three[1..].iter().all(u8::is_ascii_hexdigit);
    segment.as_bytes().windows(3).any(is_escape)
}

pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() {
        return Err("a parameter has no name".to_owned());
    }
    if name.contains(':') {
        return Err(format!(
            "{name:?} is no name; what a value may be is up to the handler, by `parse_param`"
        ));
    }
    if !name.bytes().all(is_fine) {
        return Err(format!("{name:?} is no name: letters, digits, `_` and `-` are"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> PatternSegment {
        PatternSegment::Text(text.to_owned())
    }

    #[test]
    fn patterns_are_taken_apart() {
        for (pattern, segments, names) in [
            ("/", vec![text("")], vec![]),
            ("/a/", vec![text("a"), text("")], vec![]),
            ("/a/{id}", vec![text("a"), PatternSegment::Param], vec!["id"]),
            ("/{a}/{b-c}", vec![PatternSegment::Param; 2], vec!["a", "b-c"]),
            ("/{major}/{*rest}", vec![PatternSegment::Param, PatternSegment::Rest], vec!["major", "rest"]),
            ("/{{a}}/{b}", vec![text("{a}"), PatternSegment::Param], vec!["b"]),
            ("/straße/a b", vec![text("straße"), text("a b")], vec![]),
            ("/a:b/100%/x*", vec![text("a:b"), text("100%"), text("x*")], vec![]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap_or_else(|problem| panic!("{pattern}: {problem}"));
            assert_eq!(parsed.to_string(), pattern);
            assert_eq!((parsed.segments, parsed.names), (segments, names), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (pattern, words) in [
            ("", "starts with a slash"),
            ("users", "starts with a slash"),
            ("{id}", "starts with a slash"),
            ("//", "two slashes"),
            ("/a//b", "two slashes"),
            ("/a/../b", "dot segments"),
            ("/.", "dot segments"),
            ("/:id", "`{name}`"),
            ("/*rest", "`{*name}`"),
            ("/a?b", "`?`"),
            ("/a#b", "`?` or `#`"),
            ("/a%20b", "decoded"),
            ("/a\nb", "control"),
            ("/{}", "no name"),
            ("/{*}", "no name"),
            ("/{a b}", "is no name"),
            ("/{id:[0-9]+}", "parse_param"),
            ("/{id", "no `}`"),
            ("/id}", "no `{`"),
            ("/{a}{b}", "two parameters"),
            ("/{a}-{b}", "two parameters"),
            ("/{a}/{a}", "two parameters \"a\""),
            ("/{*rest}/x", "last segment"),
            ("/{*rest}/", "last segment"),
            ("/x{*rest}", "text beside"),
            ("/{*rest}.png", "text beside"),
            ("/{name}.png", "\"{name}.png\""),
            ("/@{name}", "\"@{name}\""),
            ("/{name}}}", "text beside"),
        ] {
            let problem = Pattern::parse(pattern).expect_err(pattern);
            assert!(problem.contains(words), "{pattern}: {problem}");
        }
    }

    #[test]
    fn patterns_of_the_same_paths_have_one_shape() {
        let shape = |pattern: &str| Pattern::parse(pattern).unwrap().shape();
        assert_eq!(shape("/{a}/v/{*c}"), shape("/{x}/v/{*z}"));
        for pattern in ["/{a}/v", "/{a}/v/", "/{a}/v/{c}", "/{a}/{b}/{*c}", "/{a}/{{}}/{*c}"] {
            assert_ne!(shape(pattern), shape("/{a}/v/{*c}"), "{pattern}");
        }
        let below = Pattern::parse("/{a}").unwrap().all_below().map(|pattern| pattern.to_string());
        assert_eq!(below, ["/{a}", "/{a}/", "/{a}/{*below}"]);
    }
}
