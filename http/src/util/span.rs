//! Part of a byte string, remembered as position and length.
//!
//! The idea: what a parser found is kept as eight bytes instead of a borrow, so that a request can own its
//! buffer.
//!
//! The rule: looking up a span never panics. One that does not fit the bytes it is applied to is empty.

/// Position and length of a part; see the module's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    /// The span of `part`, which must be a sub-slice of `whole`; an empty span when it is not.
    #[inline]
    pub(crate) fn of(part: &[u8], whole: &[u8]) -> Self {
        // What lies in front of `whole` wraps around to a position far behind it.
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        let inside = start.saturating_add(part.len()) <= whole.len();
        debug_assert!(inside, "a span was asked for bytes that lie elsewhere");
        if !inside || whole.len() > u32::MAX as usize {
            return Self::default();
        }
        Self { start: start as u32, len: part.len() as u32 }
    }

    /// The bytes of this span within `whole`.
    #[inline]
    pub(crate) fn within(self, whole: &[u8]) -> &[u8] {
        let start = self.start as usize;
        whole.get(start..start.saturating_add(self.len as usize)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_part_again() {
        let whole = b"GET /path HTTP/1.1";
        let span = Span::of(&whole[4..9], whole);
        assert_eq!(span, Span { start: 4, len: 5 });
        assert_eq!(span.within(whole), b"/path");
    }

    #[test]
    fn an_ill_fitting_span_is_empty() {
        let span = Span { start: 2, len: 9 };
        assert_eq!(span.within(b"short"), b"");
        assert_eq!(Span { start: u32::MAX, len: u32::MAX }.within(b"short"), b"");
    }
}
