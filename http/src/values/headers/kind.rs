//! The fields that HTTP itself is about: which have a place of their own in a head, or are written anew.

/// What a field is to whoever writes a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Server,
    Date,
    ContentType,
    ContentEncoding,
    ContentLength,
    TransferEncoding,
    Trailer,
    SetCookie,
    Connection,
    /// It goes onto the wire as it is, where it was added.
    Other,
}

impl FieldKind {
    /// Which kind of field `name` is. Length and first letter rule nearly all out.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Self {
        // Names are canonical unless a handler chose otherwise.
        let is = |known: &[u8]| name == known || name.eq_ignore_ascii_case(known);
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        match (name.len(), first) {
            (4, b'd') if is(b"Date") => Self::Date,
            (6, b's') if is(b"Server") => Self::Server,
            (7, b't') if is(b"Trailer") => Self::Trailer,
            (10, b's') if is(b"Set-Cookie") => Self::SetCookie,
            (10, b'c') if is(b"Connection") => Self::Connection,
            (12, b'c') if is(b"Content-Type") => Self::ContentType,
            (14, b'c') if is(b"Content-Length") => Self::ContentLength,
            (16, b'c') if is(b"Content-Encoding") => Self::ContentEncoding,
            (17, b't') if is(b"Transfer-Encoding") => Self::TransferEncoding,
            _ => Self::Other,
        }
    }
}

/// Which fields of a list may be of another kind than [`FieldKind::Other`], by their numbers: those that are not noted
/// are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KindMarks(u64);

/// This bit stands for the field of its number and for all behind.
const LAST: usize = u64::BITS as usize - 1;

impl KindMarks {
    /// Takes note of the field of that number, which is called `name`.
    #[inline]
    pub(super) fn note(&mut self, number: usize, name: &[u8]) {
        if FieldKind::of(name) != FieldKind::Other {
            self.mark(number);
        }
    }

    #[inline]
    pub(super) fn mark(&mut self, number: usize) {
        self.0 |= 1 << number.min(LAST);
    }

    /// Whether the field of that number may be one.
    #[inline]
    pub(super) fn has(self, number: usize) -> bool {
        self.0 >> number.min(LAST) & 1 == 1
    }

    /// Whether there is none.
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The numbers of those that may be one, of so many fields.
    #[inline]
    pub(super) fn numbers(self, fields: usize) -> MarkedNumbers {
        let next = if self.has(LAST) { LAST } else { fields };
        MarkedNumbers { singles: self.0 & !(1 << LAST), next, fields }
    }
}

/// See [`KindMarks::numbers`]. Not of the standard library's parts, which together cost each response some 70
/// instructions.
#[derive(Clone, Debug)]
pub(super) struct MarkedNumbers {
    singles: u64,
    /// The next of those behind.
    next: usize,
    fields: usize,
}

impl Iterator for MarkedNumbers {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.singles != 0 {
            let number = self.singles.trailing_zeros() as usize;
            self.singles &= self.singles - 1;
            return Some(number);
        }
        let number = self.next;
        self.next += 1;
        (number < self.fields).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_in_any_case() {
        for (name, kind) in [
            ("Date", FieldKind::Date),
            ("Server", FieldKind::Server),
            ("Trailer", FieldKind::Trailer),
            ("Set-Cookie", FieldKind::SetCookie),
            ("Connection", FieldKind::Connection),
            ("Content-Type", FieldKind::ContentType),
            ("Content-Length", FieldKind::ContentLength),
            ("Content-Encoding", FieldKind::ContentEncoding),
            ("Transfer-Encoding", FieldKind::TransferEncoding),
        ] {
            for spelt in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                assert_eq!(FieldKind::of(spelt.as_bytes()), kind, "{spelt}");
            }
            assert_eq!(FieldKind::of(&name.as_bytes()[1..]), FieldKind::Other, "{name}");
            assert_eq!(FieldKind::of(format!("{name}s").as_bytes()), FieldKind::Other, "{name}");
            assert_eq!(FieldKind::of(name.replace(['e', 'o'], "x").as_bytes()), FieldKind::Other, "{name}");
        }
        assert_eq!(FieldKind::of(b""), FieldKind::Other);
    }

    #[test]
    fn what_is_marked_is_found_and_what_is_far_behind_as_well() {
        let mut marks = KindMarks::default();
        assert!(marks.is_empty() && marks.numbers(100).next().is_none());
        for number in [0, 5, 62] {
            marks.mark(number);
        }
        assert!(marks.numbers(100).eq([0, 5, 62]));
        marks.mark(80);
        assert!(marks.numbers(66).eq([0, 5, 62, 63, 64, 65]));
        assert!(marks.numbers(63).eq([0, 5, 62]));
        assert!(marks.has(63) && marks.has(1000) && marks.has(5) && !marks.has(6));
    }
}
