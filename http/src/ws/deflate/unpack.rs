//! Unpacks the messages of one connection, which arrive in pieces.
//!
//! The idea: a decoder is much larger than most messages. So what comes of a message waits, packed, until the message
//! is complete or as large as a decoder, and only then one is taken: clients that send the first byte of a message and
//! no more cost that byte.
//!
//! The rule: what a call costs is bounded. A byte can take a thousand times as long to unpack as most do (an empty
//! block has ten bits, and tables of its own), so one call unpacks a small piece, and says whether more is to be done;
//! and packed data that become next to nothing are refused.

use super::coders::{Inflater, UnpackedSink};
use super::params::DeflateParams;
use crate::values::coding::DecodedBounds;
use crate::ws::error::CodecError;
use crate::ws::frame::Role;
use crate::ws::limits::MessageLimits;
use anthill_pool::Pooled;
use std::mem;

/// Packed bytes that wait at most before they are unpacked: about half a decoder's size.
const GATHERED_BYTES_MAX: usize = 32 * 1024;

/// Packed bytes that one call unpacks.
const PIECE_BYTES: usize = 512;

/// Packed bytes by which a message may exceed twice of what it becomes: senders that flush behind each byte need
/// several for each.
const BARREN_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug)]
pub(in crate::ws) struct Unpacker {
    /// A message may refer to those before.
    keeps_context: bool,
    inflater: Option<Pooled<'static, Inflater>>,
    /// What waits, the part of it that was unpacked already included.
    gathered: Vec<u8>,
    /// How much of that was unpacked.
    done: usize,
    /// What waits is to be unpacked.
    is_due: bool,
    /// It is the end of its message.
    ends: bool,
    /// Packed bytes of the message, and how many of them were unpacked.
    packed: u64,
    unpacked: u64,
    bounds: DecodedBounds,
}

impl Unpacker {
    /// For what `role`'s peer sends.
    pub(in crate::ws) fn new(params: &DeflateParams, role: Role) -> Self {
        let (_, keeps_context) = params.sent_by(role.other());
        Self {
            keeps_context,
            inflater: None,
            gathered: Vec::new(),
            done: 0,
            is_due: false,
            ends: false,
            packed: 0,
            unpacked: 0,
            bounds: DecodedBounds::new(),
        }
    }

    /// A message begins.
    pub(in crate::ws) fn begin(&mut self, limits: &MessageLimits) {
        (self.packed, self.unpacked) = (0, 0);
        self.bounds = DecodedBounds::new();
        self.bounds.bytes_max = Some(limits.message as u64);
        self.bounds.ratio_max = limits.ratio;
    }

    /// How many bytes [`Unpacker::push`] may be given: at least one, unless this is behind.
    pub(in crate::ws) fn room(&self) -> usize {
        GATHERED_BYTES_MAX - self.gathered.len().min(GATHERED_BYTES_MAX)
    }

    /// Whether something is to be done by [`Unpacker::catch_up`] before it can take more.
    pub(in crate::ws) fn is_behind(&self) -> bool {
        self.is_due
    }

    /// Takes more of the message, and gives what it becomes to `sink`, sooner or later. True: something was unpacked.
    pub(in crate::ws) fn push(
        &mut self,
        packed: &[u8],
        is_last: bool,
        sink: &mut UnpackedSink<'_>,
    ) -> Result<bool, CodecError> {
        self.packed += packed.len() as u64;
        if is_last && self.packed == 0 {
            // No byte at all is no compressed message, but some senders make it of an empty one.
            return Ok(false);
        }
        let is_due = is_last || self.inflater.is_some();
        if is_due && self.gathered.is_empty() && packed.len() <= PIECE_BYTES {
            return self.unpack(packed, is_last, sink).map(|()| true);
        }
        self.gathered.extend_from_slice(packed);
        self.is_due = is_due || self.room() == 0;
        self.ends = is_last;
        self.catch_up(sink)
    }

    /// Goes on with what is to be unpacked; false: there is no such thing. To be called until this is
    /// [behind](Self::is_behind) no more.
    pub(in crate::ws) fn catch_up(&mut self, sink: &mut UnpackedSink<'_>) -> Result<bool, CodecError> {
        if !self.is_due {
            return Ok(false);
        }
        let gathered = mem::take(&mut self.gathered);
        let end = gathered.len().min(self.done + PIECE_BYTES);
        self.is_due = end < gathered.len();
        self.unpack(&gathered[self.done..end], self.ends && !self.is_due, sink)?;
        self.done = 0;
        if self.is_due {
            (self.gathered, self.done) = (gathered, end);
        }
        Ok(true)
    }

    /// Unpacks a piece, within the bounds.
    fn unpack(&mut self, piece: &[u8], is_last: bool, sink: &mut UnpackedSink<'_>) -> Result<(), CodecError> {
        let Self { bounds, packed, .. } = self;
        let inflater = self.inflater.get_or_insert_with(Inflater::take);
        let mut counted = |unpacked: &[u8]| {
            bounds.count(unpacked.len(), *packed).map_err(CodecError::of_limit)?;
            sink(unpacked)
        };
        inflater.unpack(piece, &mut counted)?;
        let finished = if is_last { inflater.finish(&mut counted) } else { Ok(()) };
        self.unpacked += piece.len() as u64;
        let most = self.bounds.decoded().saturating_mul(2).saturating_add(BARREN_BYTES_MAX);
        if self.unpacked > most {
            return Err(CodecError::Barren);
        }
        if is_last && !self.keeps_context {
            self.inflater = None;
        }
        finished
    }

    /// Bytes on the heap that belong to the message under way, a decoder aside.
    pub(in crate::ws) fn gathered_bytes(&self) -> usize {
        self.gathered.capacity()
    }

    /// Whether a decoder is held.
    pub(in crate::ws) fn holds_coder(&self) -> bool {
        self.inflater.is_some()
    }
}
