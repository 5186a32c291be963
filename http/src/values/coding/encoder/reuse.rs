//! The test of coders that are used again, whichever they are: behind one that was left anywhere each is as new.

use super::{Encoder, EncoderKind, Extent};
use anthill_pool::{ObjectPool, Pooled};
use std::io;

/// A way to leave an encoder that is given this text.
type Leaving = fn(&mut Encoder, &[u8]) -> io::Result<()>;

/// How an encoder is left by whoever drops it.
const LEAVINGS: [Leaving; 6] = [
    |_, _| Ok(()),
    |encoder, text| encoder.encode(text, &mut Vec::new()),
    |encoder, text| {
        encoder.encode(text, &mut Vec::new())?;
        encoder.flush(&mut Vec::new())
    },
    |encoder, text| {
        encoder.encode(text, &mut Vec::new())?;
        encoder.flush(&mut Vec::new())?;
        encoder.encode(&text[..1000], &mut Vec::new())
    },
    |encoder, text| {
        encoder.flush(&mut Vec::new())?;
        encoder.encode(text, &mut Vec::new())?;
        encoder.flush(&mut Vec::new())?;
        encoder.encode(&text[..500], &mut Vec::new())
    },
    |encoder, text| encoder.encode_last(text, &mut Vec::new()),
];

/// What is tried: coders `C`, and encoders `E` that have one.
pub(super) struct Reuse<C: 'static, E> {
    pub(super) coders: fn() -> ObjectPool<C>,
    pub(super) begin: fn(Pooled<'static, C>, u8, Extent) -> E,
    pub(super) kind: fn(E) -> EncoderKind,
    /// One more way to leave an encoder, which leaves it in an error.
    pub(super) fails: fn(E, &[u8]),
    pub(super) levels: &'static [u8],
    /// Levels of the encoder before.
    pub(super) levels_before: &'static [u8],
    /// Lines of the text that is packed, and of the one that the encoder before is given.
    pub(super) lines: (u32, u32),
}

impl<C: Send, E> Reuse<C, E> {
    pub(super) fn check(&self) {
        let lines = |count: u32| -> Vec<u8> {
            (0..count).flat_map(|line| format!("{line} lines {:x} ", line * line).into_bytes()).collect()
        };
        let (text, long) = (lines(self.lines.0), lines(self.lines.1));
        let left = self.leaked();
        for extent in [Extent::Stream, Extent::Whole(text.len())] {
            for level in self.levels {
                let new = self.pack(self.leaked(), *level, extent, &text);
                for before in self.levels_before {
                    for way in 0..=LEAVINGS.len() {
                        match LEAVINGS.get(way) {
                            Some(leave) => leave(&mut self.encoder(left, *before, Extent::Stream), &long)
                                .expect("a coder that works"),
                            None => (self.fails)((self.begin)(left.get(), *before, extent), &long),
                        }
                        let packed = self.pack(left, *level, extent, &text);
                        assert!(packed == new, "{extent:?} {level} behind {before}, left in way {way}");
                    }
                }
            }
        }
        let stats = left.stats();
        assert!(stats.hits > 2 * stats.misses, "most are used again: {stats:?}");
    }

    fn leaked(&self) -> &'static ObjectPool<C> {
        Box::leak(Box::new((self.coders)()))
    }

    fn encoder(&self, coders: &'static ObjectPool<C>, level: u8, extent: Extent) -> Encoder {
        Encoder { kind: (self.kind)((self.begin)(coders.get(), level, extent)), _place: None }
    }

    fn pack(&self, coders: &'static ObjectPool<C>, level: u8, extent: Extent, text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        let packs = self.encoder(coders, level, extent).encode_last(text, &mut packed);
        packs.expect("a coder that works");
        packed
    }
}
