//! The bytes that wait to be sent on one connection.
//!
//! The idea: heads and small bodies, often of several pipelined responses, are collected in `bytes`; one big
//! body is moved into `tail` without being copied. `sent` counts over both, so a short write only moves a
//! number.
//!
//! ```text
//! bytes [ head body head body head ]   tail [ big body | whatever came after it ]
//! ```
//!
//! The rule: the order of appending is the order on the wire. Once there is a tail, everything goes behind
//! it.

/// Bodies above this many bytes are moved instead of copied; below, one buffer is cheaper than two.
pub(crate) const MOVED_BODY_BYTES_MIN: usize = 16 * 1024;

/// Memory above this many bytes is given back on [`Output::clear`], so that one big response does not pin it.
pub(crate) const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Bytes to send; see the module's text.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    tail: Vec<u8>,
    sent: usize,
    /// All that was ever sent from here, or forgotten.
    passed: u64,
    /// As far as somebody has counted it.
    counted: u64,
}

impl Output {
    /// Appends a copy of `bytes`.
    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.buffer_mut().extend_from_slice(bytes);
    }

    /// Appends `body`, leaving it empty: moved when it is big and no other body has been, copied otherwise.
    ///
    /// After a move `body` has the memory of an earlier tail, if there was one.
    pub(crate) fn append_body_vec(&mut self, body: &mut Vec<u8>) {
        if body.len() > MOVED_BODY_BYTES_MIN && self.tail.is_empty() {
            std::mem::swap(&mut self.tail, body);
        } else {
            self.append(body);
            body.clear();
        }
    }

    /// Where an encoder writes: the buffer whose end is the end of everything.
    #[inline]
    pub(crate) fn buffer_mut(&mut self) -> &mut Vec<u8> {
        if self.tail.is_empty() { &mut self.bytes } else { &mut self.tail }
    }

    /// The unsent bytes in order, in the form a vectored write wants. The second may be empty while the first
    /// is not, never the other way round.
    pub(crate) fn slices(&self) -> [&[u8]; 2] {
        match self.bytes.get(self.sent..) {
            Some(rest) if !rest.is_empty() => [rest, &self.tail],
            _ => [&self.tail[self.sent - self.bytes.len()..], &[]],
        }
    }

    /// How many bytes are unsent.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.tail.len() - self.sent
    }

    /// Counts every byte that was ever appended here: where the next one goes.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.passed + self.len() as u64
    }

    /// Says that so many bytes were sent that were not here.
    pub(crate) fn passed(&mut self, count: usize) {
        self.passed += count as u64;
    }

    /// How many bytes were appended, or passed, since this was asked last.
    #[inline]
    pub(crate) fn take_uncounted(&mut self) -> u64 {
        let position = self.position();
        position - std::mem::replace(&mut self.counted, position)
    }

    /// Whether everything has been sent.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Says that `count` more bytes have been sent.
    ///
    /// # Panics
    /// When `count` is more than was unsent, which is a mistake of the caller.
    pub(crate) fn advance(&mut self, count: usize) {
        assert!(count <= self.len(), "a write reported more bytes than it was given");
        self.sent += count;
        self.passed += count as u64;
        if self.is_empty() {
            self.clear();
        }
    }

    /// Takes back what was appended from that [`position`](Self::position) on. False: some of it was sent, and all
    /// stays.
    pub(crate) fn take_back(&mut self, position: u64) -> bool {
        let Some(kept) = position.checked_sub(self.passed).and_then(|kept| usize::try_from(kept).ok()) else {
            return false;
        };
        // As far as it was there.
        let end = self.sent.saturating_add(kept);
        match end.checked_sub(self.bytes.len()) {
            Some(in_tail) => self.tail.truncate(in_tail),
            None => {
                self.bytes.truncate(end);
                self.tail.clear();
            }
        }
        self.counted = self.counted.min(position);
        if self.is_empty() {
            self.clear();
        }
        true
    }

    /// Forgets everything, sent or not. Memory is kept up to 64 KiB per buffer.
    pub(crate) fn clear(&mut self) {
        self.passed += self.len() as u64;
        recycle(&mut self.bytes);
        recycle(&mut self.tail);
        self.sent = 0;
    }
}

/// Empties `buffer` and gives its memory back when it is above [`KEPT_BYTES_MAX`].
pub(crate) fn recycle(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES_MAX {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}

#[cfg(test)]
impl Output {
    /// All unsent bytes in one piece.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.slices().concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(byte: u8) -> Vec<u8> {
        vec![byte; MOVED_BODY_BYTES_MIN + 1]
    }

    #[test]
    fn a_small_body_is_copied_and_a_big_one_moved() {
        let mut out = Output::default();
        out.append(b"head");
        let mut small = b"small".to_vec();
        out.append_body_vec(&mut small);
        assert!(small.is_empty());
        assert_eq!(out.slices(), [&b"headsmall"[..], b""]);

        let mut body = big(b'b');
        let memory = body.as_ptr();
        out.append_body_vec(&mut body);
        assert!(body.is_empty());
        assert_eq!(out.slices()[1].as_ptr(), memory, "the body must not be copied");
    }

    #[test]
    fn order_is_kept_behind_a_tail() {
        let mut out = Output::default();
        out.append(b"1");
        out.append_body_vec(&mut big(b'2'));
        out.append(b"3");
        out.append_body_vec(&mut big(b'4'));
        out.append(b"5");
        let expected = [&b"1"[..], &big(b'2'), b"3", &big(b'4'), b"5"].concat();
        assert_eq!(out.to_vec(), expected);
    }

    #[test]
    fn any_sequence_of_short_writes_sends_everything_once() {
        for step in [1, 2, 7, 5000, 20_000] {
            let mut out = Output::default();
            out.append(b"head");
            out.append_body_vec(&mut big(b'b'));
            let expected = out.to_vec();
            let mut wire = Vec::new();
            while !out.is_empty() {
                let [first, second] = out.slices();
                assert!(!first.is_empty(), "a write of nothing would never end");
                let sent: Vec<u8> = first.iter().chain(second).copied().take(step).collect();
                wire.extend_from_slice(&sent);
                out.advance(sent.len());
            }
            assert_eq!(wire, expected);
            assert_eq!(out.slices(), [&b""[..], b""]);
        }
    }

    #[test]
    fn a_big_response_does_not_pin_memory() {
        let mut out = Output::default();
        out.append_body_vec(&mut vec![0; KEPT_BYTES_MAX + 1]);
        out.append(b"x");
        out.clear();
        assert_eq!(out.tail.capacity(), 0);
        out.append(&[0; 100]);
        out.clear();
        assert!(out.bytes.capacity() >= 100);
    }

    #[test]
    fn what_was_not_sent_can_be_taken_back() {
        // Behind small responses, within a big one that was begun, behind a big one.
        for (before, sent) in
            [(&b""[..], 0), (b"earlier", 0), (b"earlier", 3), (b"earlier", 7), (&big(b'e'), 9)]
        {
            for answer in [&b"head"[..], &big(b'a')] {
                let mut out = Output::default();
                out.append_body_vec(&mut before.to_vec());
                out.advance(sent);
                let position = out.position();
                out.append(b"head");
                out.append_body_vec(&mut answer.to_vec());
                assert!(out.take_back(position));
                assert_eq!((out.to_vec(), out.position()), (before[sent..].to_vec(), position));
                assert_eq!(out.take_uncounted(), before.len() as u64);
                out.append(b"other");
                assert_eq!((out.to_vec(), out.take_uncounted()), ([&before[sent..], b"other"].concat(), 5));
            }
        }
    }

    #[test]
    fn what_was_sent_in_part_cannot_be_taken_back() {
        let mut out = Output::default();
        out.append(b"earlier");
        let position = out.position();
        out.append(b"head");
        out.advance(8);
        assert!(!out.take_back(position));
        assert_eq!(out.to_vec(), b"ead");
        // Nor when all of it was.
        out.advance(3);
        assert!(!out.take_back(position));
    }

    #[test]
    #[should_panic(expected = "more bytes than it was given")]
    fn advancing_too_far_is_caught() {
        let mut out = Output::default();
        out.append(b"abc");
        out.advance(4);
    }
}
