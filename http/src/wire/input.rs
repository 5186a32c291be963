//! The read buffer of one connection.
//!
//! The idea: one `Vec<u8>` whose whole length is initialised, and two positions in it. What lies between them
//! has been received and not been used yet; a read goes behind it. Everything that is parsed stays where it
//! is: a request is a set of ranges counted from the first unread byte, so moving the unread bytes to the
//! front of the buffer does not invalidate it.
//!
//! ```text
//! data   [ used | unread ....... | spare ]
//!        0      start            end     len
//! ```
//!
//! The rule: it grows because bytes arrived, never because a peer announced some.

/// Received bytes that wait to be used; see the module's text.
#[derive(Debug, Default)]
pub(crate) struct Input {
    data: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes that were received since somebody counted them.
    uncounted: u64,
}

impl Input {
    /// A buffer of `capacity` bytes; with 0 it owns no memory until the first [`Input::space`].
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { data: vec![0; capacity], ..Self::default() }
    }

    /// The bytes that were received and not consumed.
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    /// The same bytes, for decoding in place.
    #[inline]
    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.data[self.start..self.end]
    }

    /// Room for the next read: all spare bytes behind the unread ones, at least `min` (and at least one,
    /// because a read into nothing would look like the end of the stream).
    ///
    /// `min` is the smallest read that is worth a system call. It must come from us, never from a length that
    /// the peer declared. Moves the unread bytes to the front when that makes enough room, else doubles the
    /// buffer.
    pub(crate) fn space(&mut self, min: usize) -> &mut [u8] {
        let min = min.max(1);
        if self.data.len() - self.end < min {
            self.make_room(min);
        }
        &mut self.data[self.end..]
    }

    /// Says that the first `count` bytes of the last [`Input::space`] have been filled by a read.
    ///
    /// # Panics
    /// When `count` is more than that space holds, which is a mistake of the caller.
    #[inline]
    pub(crate) fn filled(&mut self, count: usize) {
        assert!(count <= self.data.len() - self.end, "a read reported more bytes than it had room for");
        self.end += count;
        self.uncounted += count as u64;
    }

    /// Says that so many bytes were received that went elsewhere.
    pub(crate) fn passed(&mut self, count: usize) {
        self.uncounted += count as u64;
    }

    /// How many bytes were received since this was asked last.
    #[inline]
    pub(crate) fn take_uncounted(&mut self) -> u64 {
        std::mem::take(&mut self.uncounted)
    }

    /// Drops the first `count` unread bytes, or all of them when there are fewer.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start.saturating_add(count));
        if self.start == self.end {
            // Starting over at the front is free here and spares a move later.
            self.start = 0;
            self.end = 0;
        }
    }

    /// Removes the unread bytes `from..to` (counted from the first unread byte) and closes the gap.
    ///
    /// Decoding in place leaves a gap between decoded and raw bytes; this moves the raw rest down. Positions
    /// beyond the end mean the end.
    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        let unread = self.end - self.start;
        let to = to.min(unread);
        let from = from.min(to);
        self.data.copy_within(self.start + to..self.end, self.start + from);
        self.end -= to - from;
    }

    /// Whether nothing is unread.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How many bytes the buffer holds altogether, used or not.
    pub(crate) fn capacity(&self) -> usize {
        self.data.len()
    }

    /// Forgets all unread bytes and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Appends bytes that were received earlier, as a read would.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// Makes at least `min` bytes of room at the end.
    fn make_room(&mut self, min: usize) {
        let unread = self.end - self.start;
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = unread;
        }
        if self.data.len() - unread < min {
            let doubled = self.data.len().saturating_mul(2);
            self.data.resize(doubled.max(unread.saturating_add(min)), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_owns_no_memory_and_still_offers_room() {
        let mut input = Input::default();
        assert_eq!(input.capacity(), 0);
        assert!(input.is_empty());
        assert!(!input.space(0).is_empty());
    }

    #[test]
    fn what_was_filled_is_unread_until_consumed() {
        let mut input = Input::with_capacity(8);
        input.receive(b"abcdef");
        input.consume(2);
        assert_eq!(input.unread(), b"cdef");
        input.consume(4);
        assert!(input.is_empty());
        assert_eq!(input.space(1).len(), 8, "an empty buffer starts over at its front");
    }

    #[test]
    fn moves_down_before_it_grows() {
        let mut input = Input::with_capacity(8);
        input.receive(b"abcdefgh");
        input.consume(6);
        assert_eq!(input.space(6).len(), 6);
        assert_eq!(input.capacity(), 8);
        assert_eq!(input.unread(), b"gh");
    }

    #[test]
    fn grows_by_doubling_when_moving_is_not_enough() {
        let mut input = Input::with_capacity(8);
        input.receive(b"abcdefgh");
        input.space(1);
        assert_eq!(input.capacity(), 16);
        assert_eq!(input.unread(), b"abcdefgh");
    }

    #[test]
    fn cutting_closes_the_gap() {
        let mut input = Input::default();
        input.receive(b"xhead--gap--rest");
        input.consume(1);
        input.cut(4, 11);
        assert_eq!(input.unread(), b"headrest");
        input.cut(6, 100);
        assert_eq!(input.unread(), b"headre");
        input.cut(100, 200);
        assert_eq!(input.unread(), b"headre");
    }

    #[test]
    fn consuming_too_much_empties() {
        let mut input = Input::default();
        input.receive(b"abc");
        input.consume(usize::MAX);
        assert!(input.is_empty());
    }

    #[test]
    #[should_panic(expected = "more bytes than it had room for")]
    fn overfilling_is_caught() {
        let mut input = Input::with_capacity(4);
        input.space(1);
        input.filled(5);
    }
}
