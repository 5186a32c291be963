//! Fields that are made once and put into many messages: checked, spelled and laid out as lines beforehand.
//!
//! The idea: to add them is to copy their lines as one piece. Whether a message has some already is known by the
//! lengths of its names, nearly always.

use super::kind::FieldKind;
use super::{Field, Headers, is_named};
use crate::util::token;

/// Fields that are ready to be added; each name is there once.
#[derive(Debug, Default)]
pub(crate) struct ReadyFields {
    fields: Headers,
    lengths: NameLengths,
}

/// A name that is ready to be given values, which have no control bytes.
#[derive(Debug)]
pub(crate) struct ReadyName {
    /// The name and what is between it and a value.
    start: Vec<u8>,
    kind: FieldKind,
}

/// Which lengths some names have; the last bit stands for all that are longer.
#[derive(Clone, Copy, Debug, Default)]
struct NameLengths(u64);

impl NameLengths {
    #[inline]
    fn bit(length: usize) -> u64 {
        1 << length.min(u64::BITS as usize - 1)
    }

    #[inline]
    fn has(self, length: usize) -> bool {
        self.0 & Self::bit(length) != 0
    }
}

impl ReadyFields {
    /// None.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The same and this one, whose name is spelled as it is stored from now on, in the place of another of that name.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.set(name, value);
        self.lengths.0 |= NameLengths::bit(name.len());
        self
    }
}

impl ReadyName {
    /// This one, which is a token, spelled as it is stored.
    pub(crate) fn new(name: &str) -> Self {
        let mut spelled = Vec::new();
        token::append_canonical_name(&mut spelled, name.as_bytes());
        Self::spelled(spelled)
    }

    /// This one, which is a token, as it is.
    pub(crate) fn spelled(name: impl Into<Vec<u8>>) -> Self {
        let mut start = name.into();
        let kind = FieldKind::of(&start);
        start.extend_from_slice(super::SEPARATOR);
        Self { start, kind }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.start[..self.start.len().saturating_sub(super::SEPARATOR.len())]
    }
}

impl Headers {
    /// Adds those of `ready` of whose name there is none.
    #[inline]
    pub(crate) fn add_missing(&mut self, ready: &ReadyFields) {
        if self.fields.iter().any(|field| ready.lengths.has(field.name.len as usize)) {
            return self.add_some(ready);
        }
        self.append_range(&ready.fields, 0..ready.fields.len());
    }

    /// The same where some may be there.
    #[inline(never)]
    fn add_some(&mut self, ready: &ReadyFields) {
        let before = self.fields.len();
        let mut from = 0;
        for (index, (name, _)) in ready.fields.fields().pairs().enumerate() {
            // Names are mostly spelled alike.
            let is_same =
                |field: &Field| field.name.within(&self.lines) == name || is_named(&self.lines, field, name);
            if self.fields[..before].iter().any(is_same) {
                self.append_range(&ready.fields, from..index);
                from = index + 1;
            }
        }
        self.append_range(&ready.fields, from..ready.fields.len());
    }

    /// Removes those that have the names of `ready`.
    pub(crate) fn remove_ready(&mut self, ready: &ReadyFields) {
        if self.fields.iter().any(|field| ready.lengths.has(field.name.len as usize)) {
            self.keep_fields(|name, _| !ready.fields.fields().has(name));
        }
    }

    /// Makes `value` the only value of that name, in the place of the first one there was, or at the end.
    #[inline]
    pub(crate) fn set_ready(&mut self, name: &ReadyName, value: &[u8]) {
        if self.fields.iter().any(|field| field.name.len as usize == name.bytes().len()) {
            return self.set(name.bytes(), value);
        }
        self.append_ready(name, value.len(), |line| line.extend_from_slice(value));
    }

    /// Adds a field whose value `write` appends, of about so many bytes, whether or not there are others with its name.
    #[inline]
    pub(crate) fn append_ready(&mut self, name: &ReadyName, about: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start =
            self.reserve(name.start.len().saturating_add(about).saturating_add(super::LINE_END.len()));
        self.lines.extend_from_slice(&name.start);
        let value_at = self.lines.len();
        write(&mut self.lines);
        let value_len = self.lines.len().saturating_sub(value_at);
        self.lines.extend_from_slice(super::LINE_END);
        if name.kind != FieldKind::Other {
            self.marks.mark(self.fields.len());
        }
        self.push_span(start, name.bytes().len(), value_len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Names of which some have a length in common, and some a place of their own in a head.
    const NAMES: [&str; 8] =
        ["X-Frame-Options", "Referrer-Policy", "Date", "Etag", "Vary", "Set-Cookie", "Connection", "X-A"];

    fn names(count: usize) -> impl Strategy<Value = Vec<String>> {
        let spelled = (prop::sample::select(&NAMES[..]), any::<bool>());
        let name =
            spelled.prop_map(|(name, is_lower)| if is_lower { name.to_lowercase() } else { name.to_owned() });
        proptest::collection::vec(name, 0..count)
    }

    /// Fields of these names, behind so many of another one.
    fn headers(others: usize, names: &[String]) -> Headers {
        let mut headers = Headers::new();
        headers.extend((0..others).map(|number| ("X-Other", number.to_string())));
        headers.extend(names.iter().enumerate().map(|(number, name)| (name, number.to_string())));
        headers
    }

    fn same(found: &Headers, expected: &Headers) {
        assert!(found.iter().eq(expected.iter()), "{found:?} {expected:?}");
        crate::values::headers::tests::check_lines(found);
    }

    proptest! {
        #[test]
        fn what_is_ready_is_added_as_if_one_by_one(
            others in prop_oneof![0_usize..3, 58_usize..66],
            there in names(5),
            added in names(8),
        ) {
            let before = headers(others, &there);
            let ready = added.iter().fold(ReadyFields::new(), |ready, name| ready.with(name, "ready"));
            let (mut found, mut expected) = (before.clone(), before.clone());
            found.add_missing(&ready);
            for (number, name) in added.iter().enumerate() {
                let is_again = added[..number].iter().any(|other| other.eq_ignore_ascii_case(name));
                if !is_again && !before.contains(name) {
                    expected.append(name, "ready");
                }
            }
            same(&found, &expected);

            found.remove_ready(&ready);
            added.iter().for_each(|name| {
                expected.remove(name);
            });
            same(&found, &expected);
        }

        #[test]
        fn a_name_that_is_ready_is_set_as_any_other(there in names(5), name in 0..NAMES.len(), value in "[ -~]{0,9}") {
            let ready = ReadyName::new(&NAMES[name].to_lowercase());
            prop_assert_eq!(ready.as_str(), NAMES[name]);
            let (mut found, mut expected) = (headers(1, &there), headers(1, &there));
            found.set_ready(&ready, value.as_bytes());
            expected.set(NAMES[name], &value);
            same(&found, &expected);
            found.append_ready(&ready, 0, |line| line.extend_from_slice(value.as_bytes()));
            expected.append(NAMES[name], &value);
            same(&found, &expected);
        }
    }

    #[test]
    fn a_name_keeps_its_spelling_if_it_is_to() {
        let mut headers = Headers::new();
        headers.append_ready(&ReadyName::spelled("RateLimit"), 1, |line| line.push(b'1'));
        assert!(headers.iter().eq([("RateLimit", &b"1"[..])]));
        headers.add_missing(&ReadyFields::new().with("ratelimit", "2"));
        assert_eq!(headers.len(), 1);
    }
}
