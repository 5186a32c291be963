//! When a message that is sent is packed.
//!
//! The idea: what is short, or becomes no shorter, is sent as it is; the receiver sees by the header which of the two
//! it is.

use super::coders::{Deflater, WINDOW_BITS_MAX};
use super::params::DeflateParams;
use crate::ws::frame::Role;

/// Packs the messages of one connection.
#[derive(Debug)]
pub(in crate::ws) struct Packer {
    window_bits: u8,
    keeps_context: bool,
    min_size: usize,
    /// Kept while messages may refer to those before.
    deflater: Option<Deflater>,
}

impl Packer {
    /// For what `role` sends.
    pub(in crate::ws) fn new(params: &DeflateParams, role: Role) -> Self {
        let (window_bits, keeps_context) = params.sent_by(role);
        Self { window_bits, keeps_context, min_size: params.min_size(), deflater: None }
    }

    /// Appends `payload` packed. False: it is better sent as it is, and `out` is as it was.
    pub(in crate::ws) fn pack(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        if payload.len() < self.min_size {
            return false;
        }
        if !self.keeps_context {
            return pack_alone(payload, self.window_bits, out);
        }
        // What the encoder has seen the receiver must see too, however long it became.
        let deflater = self.deflater.get_or_insert_with(Deflater::take);
        deflater.pack(payload, self.window_bits, true, out)
    }

    /// Whether what [`pack_shared`] makes of `payload` is what this connection may get.
    pub(in crate::ws) fn takes_shared(&self, payload: &[u8]) -> bool {
        !self.keeps_context && self.window_bits == WINDOW_BITS_MAX && payload.len() >= self.min_size
    }
}

/// Appends `payload` packed for every connection that has a full window and no context. False: it is better sent as it
/// is.
pub(in crate::ws) fn pack_shared(payload: &[u8], out: &mut Vec<u8>) -> bool {
    pack_alone(payload, WINDOW_BITS_MAX, out)
}

fn pack_alone(payload: &[u8], window_bits: u8, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let is_packed = Deflater::take().pack(payload, window_bits, false, out);
    let is_shorter = is_packed && out.len() - start < payload.len();
    if !is_shorter {
        out.truncate(start);
    }
    is_shorter
}
