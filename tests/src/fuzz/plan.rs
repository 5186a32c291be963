//! The choices at the front of an entry's bytes.
//!
//! The idea: the first byte says how many bytes of choices follow, and what is behind them is the input proper, so that
//! an input can be written by hand and a fuzzer finds out by itself what the choices do. The rule: where there are no
//! more choices, each further one is 0, and 0 is the plainest thing to do.

/// Choices, one byte each.
#[derive(Clone, Debug)]
pub(super) struct Plan<'a> {
    rest: &'a [u8],
}

impl<'a> Plan<'a> {
    /// The choices at the front of `data`, and what is behind them.
    pub(super) fn split(data: &'a [u8]) -> (Self, &'a [u8]) {
        let Some((&length, behind)) = data.split_first() else { return (Plan { rest: &[] }, &[]) };
        let (choices, input) = behind.split_at(behind.len().min(length.into()));
        (Plan { rest: choices }, input)
    }

    /// The next choice.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        byte
    }

    /// The next choice as one of `count` things.
    pub(super) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// The next choice as a yes or no.
    pub(super) fn is_yes(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// A list of choices, whose length is a choice below `count`.
    pub(super) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let length = self.below(count).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes
    }
}

/// Cuts `input` at the first of each of `count` separators: a byte 0xff, which is no part of any text.
pub(super) fn fields<const COUNT: usize>(input: &[u8]) -> [&[u8]; COUNT] {
    let mut pieces = input.splitn(COUNT, |byte| *byte == 0xff);
    [(); COUNT].map(|()| pieces.next().unwrap_or_default())
}

/// The beginning of `bytes` as text, for messages.
pub(super) fn shown(bytes: &[u8]) -> String {
    match bytes.get(..200) {
        Some(start) => format!("\"{}\"... ({} bytes)", start.escape_ascii(), bytes.len()),
        None => format!("\"{}\"", bytes.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_end_and_the_input_begins() {
        let (mut plan, input) = Plan::split(b"\x04\x05\x01\x02\x03rest");
        assert_eq!((plan.below(3), plan.is_yes(), plan.bytes(3), plan.byte()), (2, true, &[3][..], 0));
        assert_eq!(input, b"rest");
        let (mut plan, input) = Plan::split(b"\x09a");
        assert_eq!((plan.byte(), plan.byte(), input), (b'a', 0, &b""[..]));
        assert_eq!(Plan::split(b"").1, b"");
    }

    #[test]
    fn fields_are_as_many_as_asked_for() {
        assert_eq!(fields::<3>(b"a\xffb"), [&b"a"[..], b"b", b""]);
        assert_eq!(fields::<2>(b"a\xffb\xffc"), [&b"a"[..], b"b\xffc"]);
    }
}
