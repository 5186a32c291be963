//! Coders of raw DEFLATE, and the pools that keep them for whoever has a message next.
//!
//! The idea: a packed message is a DEFLATE stream up to a flush, without the four bytes that every flush ends with.
//!
//! The decoder writes into a window of its own, from front to back, and not in a circle as `flate2` has it: so it sees
//! when something refers to what was never there. A client that has agreed to forget, and refers to earlier messages
//! all the same, would get zeros delivered in its name otherwise.
//!
//! The rule: no message sees anything of another one. What lies in front of a message in a window cannot be referred
//! to, and an encoder forgets with the flush that ends a message, or at its return.
//!
//! Source: RFC 7692 section 7.2; RFC 1951.

use crate::values::coding::deflaters::RawDeflater;
use crate::ws::error::CodecError;
use anthill_pool::{ObjectPool, Pooled};
use flate2::FlushCompress;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

/// What a flush ends with: an empty block without its first byte.
const FLUSH_END: [u8; 4] = [0, 0, 0xff, 0xff];

/// An empty block that is the last one.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];

/// How far a reference reaches.
const REACH_BYTES: usize = 32 * 1024;

/// What a decoder has room for: what may be referred to, and as much again before all of that is moved to the front.
const WINDOW_BYTES: usize = 2 * REACH_BYTES;

/// Idle decoders (some 75 KB) that each shard of the pool keeps.
const IDLE_INFLATERS: usize = 16;

/// How hard messages are packed: quickly.
const LEVEL: u8 = 1;

/// Bits of the largest window, which is what coders have.
pub(super) const WINDOW_BITS_MAX: u8 = 15;

/// Raw, more may come, and nothing before the front of the window can be referred to.
const FLAGS: u32 =
    inflate_flags::TINFL_FLAG_HAS_MORE_INPUT | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;

static INFLATERS: LazyLock<ObjectPool<Inflater>> = LazyLock::new(inflaters);

fn inflaters() -> ObjectPool<Inflater> {
    ObjectPool::builder().max_idle(IDLE_INFLATERS).reset(Inflater::begin_stream).build(Inflater::new)
}

/// Takes what comes out, piece by piece.
pub(super) type UnpackedSink<'a> = dyn FnMut(&[u8]) -> Result<(), CodecError> + 'a;

/// Unpacks messages.
pub(super) struct Inflater {
    stream: DecompressorOxide,
    window: Box<[u8]>,
    /// How much of the window has been written.
    filled: usize,
    /// The stream has ended; what follows is another one.
    has_ended: bool,
}

impl Inflater {
    fn new() -> Self {
        Self {
            stream: DecompressorOxide::new(),
            window: vec![0; WINDOW_BYTES].into_boxed_slice(),
            filled: 0,
            has_ended: false,
        }
    }

    /// One of the pool's.
    pub(super) fn take() -> Pooled<'static, Self> {
        INFLATERS.get()
    }

    fn begin_stream(&mut self) {
        self.stream.init();
        self.filled = 0;
        self.has_ended = false;
    }

    /// Unpacks all of `packed`, and gives what comes out to `sink`, piece by piece.
    pub(super) fn unpack(
        &mut self,
        mut packed: &[u8],
        sink: &mut UnpackedSink<'_>,
    ) -> Result<(), CodecError> {
        loop {
            if self.has_ended {
                if packed.is_empty() {
                    return Ok(());
                }
                self.begin_stream();
            }
            let (status, used, unpacked) = self.step(packed);
            packed = &packed[used..];
            sink(&self.window[unpacked])?;
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => return Ok(()),
                TINFLStatus::Done => self.has_ended = true,
                _ => return Err(CodecError::Compression),
            }
        }
    }

    /// Unpacks some of `packed`: how much of it, and where in the window that is now.
    fn step(&mut self, packed: &[u8]) -> (TINFLStatus, usize, Range<usize>) {
        if self.filled == self.window.len() {
            self.window.copy_within(WINDOW_BYTES - REACH_BYTES.., 0);
            self.filled = REACH_BYTES;
        }
        let (status, used, count) =
            decompress(&mut self.stream, packed, &mut self.window, self.filled, FLAGS);
        let unpacked = self.filled..self.filled + count;
        self.filled = unpacked.end;
        (status, used, unpacked)
    }

    /// Ends a message, which must end where a block or a stream does. The next one may refer to it, if this goes on to
    /// be used.
    pub(super) fn finish(&mut self, sink: &mut UnpackedSink<'_>) -> Result<(), CodecError> {
        if !self.has_ended {
            self.unpack(&FLUSH_END, sink)?;
        }
        if self.has_ended {
            return Ok(());
        }
        // Within a block these bytes would be something else.
        let (status, used, unpacked) = self.step(&LAST_BLOCK);
        if (status, used, unpacked.len()) != (TINFLStatus::Done, LAST_BLOCK.len(), 0) {
            return Err(CodecError::Compression);
        }
        // Between two blocks all that a decoder knows is what it has written.
        self.stream.init();
        Ok(())
    }
}

// By hand, because the stream's state is not `Debug`.
impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inflater({} bytes written)", self.filled)
    }
}

/// Packs messages, by an encoder of the pool that responses have theirs of as well.
#[derive(Debug)]
pub(super) struct Deflater(Pooled<'static, RawDeflater>);

impl Deflater {
    /// One that knows nothing of any message.
    pub(super) fn take() -> Self {
        Self(RawDeflater::take(LEVEL))
    }

    /// Appends `payload` packed, such that no byte refers to one more than 2^`window_bits` before it, nor to one before
    /// `payload` unless an earlier call kept it. False: it could not be packed, and `out` is as it was.
    pub(super) fn pack(&mut self, payload: &[u8], window_bits: u8, keeps: bool, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let segment = match window_bits {
            WINDOW_BITS_MAX.. => payload.len(),
            // The window itself is larger. What was forgotten cannot be referred to, so all that a reference may reach
            // lies in one segment of the window's size.
            bits => 1 << bits,
        };
        let mut segments = payload.chunks(segment.max(1)).peekable();
        while let Some(bytes) = segments.next() {
            let keeps = keeps && segments.peek().is_none();
            let flush = if keeps { FlushCompress::Sync } else { FlushCompress::Full };
            if !self.0.append(bytes, flush, out) {
                self.0.forget();
                out.truncate(start);
                return false;
            }
        }
        let is_flushed = out[start..].ends_with(&FLUSH_END);
        out.truncate(if is_flushed { out.len() - FLUSH_END.len() } else { start });
        is_flushed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: u32) -> Vec<u8> {
        let line = |number: u32| format!("{number}: a message, {:x}\n", number.wrapping_mul(2_654_435_761));
        (0..lines).flat_map(|number| line(number).into_bytes()).collect()
    }

    fn packed(deflater: &mut Deflater, text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        assert!(deflater.pack(text, WINDOW_BITS_MAX, true, &mut packed));
        packed
    }

    fn unpacked(inflater: &mut Inflater, packed: &[u8]) -> Result<Vec<u8>, CodecError> {
        let mut plain = Vec::new();
        let mut sink = |bytes: &[u8]| {
            plain.extend_from_slice(bytes);
            Ok(())
        };
        inflater.unpack(packed, &mut sink)?;
        inflater.finish(&mut sink)?;
        Ok(plain)
    }

    /// Behind each byte of a message, within blocks and trees and between them; behind an error of its own, of whoever
    /// takes what comes out, and a panic of his; behind an end.
    #[test]
    fn a_decoder_that_was_left_anywhere_is_as_new() {
        let (long, text) = (text(3000), text(20));
        let packed_long = packed(&mut Deflater::take(), &long);
        assert!(long.len() > WINDOW_BYTES && packed_long.len() > 10_000);
        let mut deflater = Deflater::take();
        let (first, second) = (packed(&mut deflater, &text), packed(&mut deflater, &text));
        assert!(second.len() < first.len() / 4, "the second refers to the first");

        let idle = inflaters();
        let check = |how: &dyn std::fmt::Debug| {
            assert_eq!(unpacked(&mut idle.get(), &first), Ok(text.clone()), "{how:?}");
            // What was there before is there for nobody: neither as it was, nor as zeros.
            assert_eq!(unpacked(&mut idle.get(), &second), Err(CodecError::Compression), "{how:?}");
        };
        let lengths = (0..300).chain((300..packed_long.len()).step_by(997));
        for length in lengths {
            idle.get().unpack(&packed_long[..length], &mut |_| Ok(())).expect("what was packed");
            check(&length);
        }
        // A block of a kind that there is not, behind others.
        let broken = [&packed_long[..], &FLUSH_END, &[0xff; 10]].concat();
        assert!(idle.get().unpack(&broken, &mut |_| Ok(())).is_err());
        check(&"an error");
        assert!(idle.get().unpack(&packed_long, &mut |_| Err(CodecError::MessageTooLarge)).is_err());
        check(&"too much");
        let mut inflater = idle.get();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = inflater.unpack(&packed_long, &mut |_| std::panic::resume_unwind(Box::new("planned")));
        }));
        assert!(caught.is_err());
        drop(inflater);
        check(&"a panic");
        // One whole stream, and the beginning of another.
        let ended = [&packed_long[..], &FLUSH_END, &LAST_BLOCK, &first[..first.len() / 2]].concat();
        idle.get().unpack(&ended, &mut |_| Ok(())).expect("what was packed");
        check(&"an end");
        assert_eq!(idle.stats().misses, 1, "it is always the same");
    }
}
