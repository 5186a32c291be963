//! Which content codings a client takes.
//!
//! The idea: the field is evaluated anew for each question; lists are short, and nothing needs to be kept.
//!
//! Source: RFC 9110 sections 8.4.1 (aliases), 12.5.3, where fasthttp looks for a substring.
//!
//! The rule: one deviation. Without the field RFC 9110 allows every coding, but old clients that do not send
//! it do not decode either, so only `identity` is taken then, as in fasthttp.

use super::quality::{Quality, best, quality_list};
use crate::util::token;

/// The `Accept-Encoding` field of a request, to ask what it accepts.
///
/// ```
/// use anthill_http::{Headers, header::AcceptEncoding};
/// let headers = Headers::from_iter([("Accept-Encoding", "gzip;q=0.8, br"), ("Accept-Encoding", "zstd;q=0")]);
/// let accepted = AcceptEncoding::new(headers.get_all("Accept-Encoding"));
/// assert!(accepted.accepts("gzip") && !accepted.accepts("zstd"));
/// assert_eq!(accepted.preferred(["zstd", "gzip", "br", "identity"]), Some("br"));
/// assert_eq!(accepted.preferred(["zstd", "identity"]), Some("identity"));
/// ```
#[derive(Clone, Debug)]
pub struct AcceptEncoding<L> {
    lines: L,
}

impl<'a, T, L> AcceptEncoding<L>
where
    T: AsRef<[u8]> + ?Sized + 'a,
    L: Iterator<Item = &'a T> + Clone,
{
    /// From the values of all `Accept-Encoding` fields, or an array of one value.
    pub fn new(lines: impl IntoIterator<IntoIter = L, Item = &'a T>) -> Self {
        Self { lines: lines.into_iter() }
    }

    /// How much the client wants `coding`.
    ///
    /// Names are compared in any case; `x-gzip` and `x-compress` are `gzip` and `compress`. The first member
    /// of that name counts, then `*`. `identity`, no coding, is [`Quality::LEAST`] unless listed or excluded
    /// by `*;q=0`; every other coding is [`Quality::ZERO`].
    pub fn quality(&self, coding: &str) -> Quality {
        let coding = without_alias(coding.as_bytes());
        let mut any = None;
        for member in quality_list(self.lines.clone()) {
            if without_alias(member.value()).eq_ignore_ascii_case(coding) {
                return member.quality();
            }
            if member.value() == b"*" {
                any = any.or(Some(member.quality()));
            }
        }
        let unlisted = if coding.eq_ignore_ascii_case(b"identity") { Quality::LEAST } else { Quality::ZERO };
        any.unwrap_or(unlisted)
    }

    /// Whether the client takes `coding` at all.
    pub fn accepts(&self, coding: &str) -> bool {
        self.quality(coding).is_acceptable()
    }

    /// The offered coding that the client wants most; among equals the one that is offered first.
    ///
    /// `None` when it takes none of them. Offer `identity` if it can be sent without a coding.
    pub fn preferred<O: AsRef<str>>(&self, offered: impl IntoIterator<Item = O>) -> Option<O> {
        let is_plain = self.lines.clone().all(|line| memchr::memchr2(b';', b'"', line.as_ref()).is_none());
        best(offered, |coding| {
            // What most clients send has no weights, so that whatever it names is wanted as much as can be.
            let is_named = is_plain && !coding.is_empty() && self.names(coding.as_bytes());
            if is_named { Quality::ONE } else { self.quality(coding) }
        })
    }

    /// Whether a list without weights has that coding in it.
    fn names(&self, coding: &[u8]) -> bool {
        let coding = without_alias(coding);
        let is_it = |name: &[u8]| without_alias(token::trim(name)).eq_ignore_ascii_case(coding);
        self.lines.clone().any(|line| line.as_ref().split(|byte| *byte == b',').any(is_it))
    }
}

/// The name that RFC 9110 gives to a coding with an old name.
fn without_alias(coding: &[u8]) -> &[u8] {
    if coding.eq_ignore_ascii_case(b"x-gzip") || coding.eq_ignore_ascii_case(b"x-compress") {
        &coding[2..]
    } else {
        coding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// By whichever way it is found.
        #[test]
        fn what_is_preferred_has_the_highest_quality(
            lines in proptest::collection::vec("((br|gzip|x-gzip|zstd|identity|\\*|,|;q=0|;q=0.5| |\"|GZIP|b)[, ]?){0,6}", 0..3),
            offers in proptest::collection::vec("br|gzip|x-gzip|ZSTD|deflate|identity", 0..5),
        ) {
            let accepted = AcceptEncoding::new(&lines);
            let slowly = best(&offers, |coding| accepted.quality(coding));
            prop_assert_eq!(accepted.preferred(&offers), slowly, "{:?}", lines);
        }
    }
}
