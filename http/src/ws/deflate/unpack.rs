//! Unpacks the messages of one connection, which arrive in pieces.
//!
//! The idea: a decoder is much larger than most messages. So what comes of a message waits, packed, until the message
//! is complete or as large as a decoder, and only then one is taken: clients that send the first byte of a message and
//! no more cost that byte.

use super::coders::Inflater;
use super::params::DeflateParams;
use crate::values::coding::DecodedBounds;
use crate::ws::error::CodecError;
use crate::ws::frame::Role;
use crate::ws::limits::MessageLimits;
use anthill_pool::Pooled;
use std::mem;

/// Packed bytes that wait at most before they are unpacked: about half a decoder's size.
const GATHERED_BYTES_MAX: usize = 32 * 1024;

#[derive(Debug)]
pub(in crate::ws) struct Unpacker {
    /// A message may refer to those before.
    keeps_context: bool,
    inflater: Option<Pooled<'static, Inflater>>,
    /// What waits.
    gathered: Vec<u8>,
    /// Packed bytes of the message.
    packed: u64,
    bounds: DecodedBounds,
}

impl Unpacker {
    /// For what `role`'s peer sends.
    pub(in crate::ws) fn new(params: &DeflateParams, role: Role) -> Self {
        let (_, keeps_context) = params.sent_by(role.other());
        Self { keeps_context, inflater: None, gathered: Vec::new(), packed: 0, bounds: DecodedBounds::new() }
    }

    /// A message begins.
    pub(in crate::ws) fn begin(&mut self, limits: &MessageLimits) {
        self.packed = 0;
        self.bounds = DecodedBounds::new();
        self.bounds.bytes_max = Some(limits.message as u64);
        self.bounds.ratio_max = limits.ratio;
    }

    /// Takes more of the message, and gives what it becomes to `sink`, sooner or later.
    pub(in crate::ws) fn push(
        &mut self,
        packed: &[u8],
        is_last: bool,
        mut sink: impl FnMut(&[u8]) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        self.packed += packed.len() as u64;
        let gathered;
        let packed = match &self.inflater {
            None if !is_last || !self.gathered.is_empty() => {
                self.gathered.extend_from_slice(packed);
                if !is_last && self.gathered.len() < GATHERED_BYTES_MAX {
                    return Ok(());
                }
                gathered = mem::take(&mut self.gathered);
                &gathered[..]
            }
            _ => packed,
        };
        if self.packed == 0 {
            // No byte at all is no compressed message, but some senders make it of an empty one.
            return Ok(());
        }

        let (bounds, encoded) = (&mut self.bounds, self.packed);
        let mut sink = |unpacked: &[u8]| {
            bounds.count(unpacked.len(), encoded).map_err(CodecError::of_limit)?;
            sink(unpacked)
        };
        let inflater = self.inflater.get_or_insert_with(Inflater::take);
        inflater.unpack(packed, &mut sink)?;
        if is_last && self.keeps_context {
            inflater.finish_in_context(&mut sink)?;
        } else if is_last {
            inflater.finish_alone(&mut sink)?;
            self.inflater = None;
        }
        Ok(())
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
