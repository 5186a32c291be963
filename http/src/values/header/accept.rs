//! Which media types a client takes.
//!
//! Source: RFC 9110 section 12.5.1. A bare `*` counts as `*/*`, since old clients send it.
//!
//! The rule: the most specific range that matches decides, wherever it stands; among equals the first. A field
//! without a well-formed member says nothing, so everything is acceptable.

use super::params::Params;
use super::quality::{Quality, Weighted, best, quality_list};
use crate::util::token;

/// The `Accept` field of a request, to ask what it accepts.
///
/// ```
/// use anthill_http::header::Accept;
/// let accepted = Accept::new(["text/*;q=0.5, text/html, application/json;q=0.9, image/*;q=0"]);
/// assert_eq!(accepted.preferred(["application/json", "text/html"]), Some("text/html"));
/// assert_eq!(accepted.preferred(["text/plain", "application/json"]), Some("application/json"));
/// assert_eq!(accepted.preferred(["image/png"]), None);
/// ```
#[derive(Clone, Debug)]
pub struct Accept<L> {
    lines: L,
}

impl<'a, T, L> Accept<L>
where
    T: AsRef<[u8]> + ?Sized + 'a,
    L: Iterator<Item = &'a T> + Clone,
{
    /// From the values of all `Accept` fields, or an array of one value.
    pub fn new(lines: impl IntoIterator<IntoIter = L, Item = &'a T>) -> Self {
        Self { lines: lines.into_iter() }
    }

    /// How much the client wants `media_type`, such as `text/html` or `text/html; charset=utf-8`.
    ///
    /// Everything is compared in any case. A range with parameters matches types that have at least these.
    pub fn quality(&self, media_type: &str) -> Quality {
        let (essence, _) = media_type.split_once(';').unwrap_or((media_type, ""));
        let essence = token::trim(essence.as_bytes());
        let mut is_silent = true;
        let mut decisive: Option<(Specificity, Quality)> = None;
        for member in quality_list(self.lines.clone()) {
            let Some(range) = MediaRange::parse(&member) else { continue };
            is_silent = false;
            let Some(specificity) = range.matches(&member, essence, media_type.as_bytes()) else { continue };
            if decisive.is_none_or(|(highest, _)| specificity > highest) {
                decisive = Some((specificity, member.quality()));
            }
        }
        let unlisted = if is_silent { Quality::ONE } else { Quality::ZERO };
        decisive.map_or(unlisted, |(_, quality)| quality)
    }

    /// Whether the client takes `media_type` at all.
    pub fn accepts(&self, media_type: &str) -> bool {
        self.quality(media_type).is_acceptable()
    }

    /// The offered type that the client wants most; among equals the one that is offered first. `None` when
    /// it takes none of them.
    pub fn preferred<O: AsRef<str>>(&self, offered: impl IntoIterator<Item = O>) -> Option<O> {
        best(offered, |media_type| self.quality(media_type))
    }
}

/// How narrow a range is: its kind, then the number of its parameters.
type Specificity = (u8, usize);

/// What stands before the parameters of a member.
enum MediaRange<'a> {
    Any,
    /// With its slash: `text/`.
    Type(&'a [u8]),
    Exact(&'a [u8]),
}

impl<'a> MediaRange<'a> {
    fn parse(member: &Weighted<'a>) -> Option<Self> {
        let range = member.value();
        if range == b"*" || range == b"*/*" {
            return Some(Self::Any);
        }
        let slash = memchr::memchr(b'/', range)?;
        let (main, sub) = (&range[..slash], &range[slash + 1..]);
        if main == b"*" || !token::is_token(main) || !token::is_token(sub) {
            return None;
        }
        Some(if sub == b"*" { Self::Type(&range[..=slash]) } else { Self::Exact(range) })
    }

    /// How narrowly the range matches, if it does.
    fn matches(&self, member: &Weighted<'_>, essence: &[u8], media_type: &[u8]) -> Option<Specificity> {
        let kind = match self {
            Self::Any => 0,
            Self::Type(prefix) => {
                let start = essence.get(..prefix.len())?;
                start.eq_ignore_ascii_case(prefix).then_some(1)?
            }
            Self::Exact(range) => essence.eq_ignore_ascii_case(range).then_some(2)?,
        };
        let has = |name: &str, value: &[u8]| {
            Params::new(media_type).any(|(own, raw)| {
                own.eq_ignore_ascii_case(name)
                    && Params::unescape(raw).eq_ignore_ascii_case(&Params::unescape(value))
            })
        };
        let mut count = 0;
        for (name, value) in member.params() {
            if !has(name, value) {
                return None;
            }
            count += 1;
        }
        Some((kind, count))
    }
}
