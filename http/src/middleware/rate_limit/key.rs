//! What tells clients apart.

use crate::ctx::RequestCtx;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

/// What tells the clients of a [`RateLimit`](crate::middleware::RateLimit) apart: whatever is added to it, together.
#[derive(Debug)]
pub struct RateKey {
    hasher: DefaultHasher,
    is_empty: bool,
}

impl RateKey {
    pub(super) fn new(hasher: DefaultHasher) -> Self {
        Self { hasher, is_empty: true }
    }

    /// Adds something of the request: a user's name, a field, the route.
    pub fn add(&mut self, part: impl Hash) {
        self.is_empty = false;
        part.hash(&mut self.hasher);
    }

    /// Adds the client's address; of an IPv6 address the first 64 bits. Those whose address is not known are one
    /// client.
    pub fn add_address(&mut self, ctx: &RequestCtx) {
        match ctx.known_remote_addr().map(|address| address.ip().to_canonical()) {
            Some(IpAddr::V4(address)) => self.add((4_u8, u64::from(address.to_bits()))),
            Some(IpAddr::V6(address)) => self.add((6_u8, (address.to_bits() >> 64) as u64)),
            None => self.add((0_u8, 0_u64)),
        }
    }

    /// The hash of all; `None`: nothing was added.
    pub(super) fn finish(&self) -> Option<u64> {
        (!self.is_empty).then(|| self.hasher.finish())
    }
}
