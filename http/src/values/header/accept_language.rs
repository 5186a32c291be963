//! Which languages a client takes.
//!
//! Source: RFC 9110 section 12.5.4 with the basic filtering of RFC 4647 section 3.3.1: the range `de` matches
//! the tags `de` and `de-CH`, the range `de-CH` does not match the tag `de`.
//!
//! The rule: the longest range that matches decides, wherever it stands; among equals the first. A field without
//! a well-formed member says nothing, so everything is acceptable.

use super::quality::{Quality, best, quality_list};

/// The `Accept-Language` field of a request, to ask what it accepts.
///
/// ```
/// use anthill_http::header::AcceptLanguage;
/// let accepted = AcceptLanguage::new(["de-CH, de;q=0.8, *;q=0.1, fr;q=0"]);
/// assert_eq!(accepted.preferred(["en", "de-AT", "de-CH"]), Some("de-CH"));
/// assert_eq!(accepted.preferred(["en", "de-AT"]), Some("de-AT"));
/// assert_eq!(accepted.preferred(["fr-CA", "en"]), Some("en"));
/// ```
#[derive(Clone, Debug)]
pub struct AcceptLanguage<L> {
    lines: L,
}

impl<'a, T, L> AcceptLanguage<L>
where
    T: AsRef<[u8]> + ?Sized + 'a,
    L: Iterator<Item = &'a T> + Clone,
{
    /// From the values of all `Accept-Language` fields, or an array of one value.
    pub fn new(lines: impl IntoIterator<IntoIter = L, Item = &'a T>) -> Self {
        Self { lines: lines.into_iter() }
    }

    /// How much the client wants the language `tag`, such as `en` or `de-CH`, in any case.
    pub fn quality(&self, tag: &str) -> Quality {
        let mut is_silent = true;
        let mut decisive: Option<(usize, Quality)> = None;
        for member in quality_list(self.lines.clone()) {
            let range = member.value();
            let length = if range == b"*" { 0 } else { range.len() };
            if length > 0 && !is_language_range(range) {
                continue;
            }
            is_silent = false;
            let matches = length == 0 || is_prefix_of_tag(range, tag.as_bytes());
            if matches && decisive.is_none_or(|(longest, _)| length > longest) {
                decisive = Some((length, member.quality()));
            }
        }
        let unlisted = if is_silent { Quality::ONE } else { Quality::ZERO };
        decisive.map_or(unlisted, |(_, quality)| quality)
    }

    /// Whether the client takes the language `tag` at all.
    pub fn accepts(&self, tag: &str) -> bool {
        self.quality(tag).is_acceptable()
    }

    /// The offered language that the client wants most; among equals the one that is offered first. `None`
    /// when it takes none of them; most servers then send their default all the same.
    pub fn preferred<O: AsRef<str>>(&self, offered: impl IntoIterator<Item = O>) -> Option<O> {
        best(offered, |tag| self.quality(tag))
    }
}

/// Whether `range` is subtags of one to eight letters and digits, separated by hyphens.
fn is_language_range(range: &[u8]) -> bool {
    range
        .split(|&byte| byte == b'-')
        .all(|subtag| matches!(subtag.len(), 1..=8) && subtag.iter().all(u8::is_ascii_alphanumeric))
}

/// Whether `tag` is `range` or goes on with a hyphen behind it.
fn is_prefix_of_tag(range: &[u8], tag: &[u8]) -> bool {
    tag.get(..range.len()).is_some_and(|start| start.eq_ignore_ascii_case(range))
        && matches!(tag.get(range.len()), None | Some(b'-'))
}
