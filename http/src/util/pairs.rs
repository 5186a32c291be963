//! The grammar of queries and of urlencoded forms: pairs separated by `&`, names and values separated by `=`.
//!
//! Source: fasthttp, and the URL standard's `application/x-www-form-urlencoded`.
//!
//! The rule: every input has a reading. The first `=` of a pair separates, a pair without one has no value, and
//! pairs without a byte of name or value are none.

use super::cut::cut;

/// Iterates over pairs that are still encoded: the name, and the value if there is a `=`.
#[derive(Clone, Debug)]
pub(crate) struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Pairs<'a> {
    /// The pairs of `raw`.
    pub(crate) fn of(raw: &'a [u8]) -> Self {
        Self { rest: raw }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (pair, rest) = cut(self.rest, b'&');
            self.rest = rest.unwrap_or_default();
            if !matches!(pair, b"" | b"=") {
                return Some(cut(pair, b'='));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        fn check(raw: &str, expected: &[(&str, Option<&str>)]) {
            let text = |bytes| std::str::from_utf8(bytes).unwrap();
            let found: Vec<_> =
                Pairs::of(raw.as_bytes()).map(|(name, value)| (text(name), value.map(text))).collect();
            assert_eq!(found, expected, "{raw:?}");
        }
        check("", &[]);
        check("&&=&", &[]);
        check("a", &[("a", None)]);
        check("a=", &[("a", Some(""))]);
        check("=a", &[("", Some("a"))]);
        check("==", &[("", Some("="))]);
        check("&a=b=c&&d;e&", &[("a", Some("b=c")), ("d;e", None)]);
    }
}
