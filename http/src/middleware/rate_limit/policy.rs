//! How often, and who is who.

use super::key::RateKey;
use super::lines::RateLines;
use super::table::{RateQuota, RateTable};
use crate::ctx::RequestCtx;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often clients may ask, for [`rate_limit`](crate::middleware::rate_limit()), and what they have used. Clones, and
/// all handlers that it is around, count together.
#[derive(Clone)]
pub struct RateLimit(pub(super) Arc<RateRules>);

/// What can be said of a [`RateLimit`].
#[must_use = "nothing is checked before it is built"]
pub struct RateLimitBuilder {
    pub(super) requests: u64,
    pub(super) window: Duration,
    pub(super) burst: Option<u64>,
    pub(super) keys: usize,
    pub(super) name: String,
    pub(super) tells: bool,
    pub(super) key: Option<KeyFn>,
    pub(super) clock: Option<ClockFn>,
}

type KeyFn = Box<dyn Fn(&RequestCtx, &mut RateKey) + Send + Sync>;
type ClockFn = Box<dyn Fn() -> Instant + Send + Sync>;

pub(super) struct RateRules {
    pub(super) table: RateTable,
    pub(super) allowance: RateQuota,
    pub(super) lines: RateLines,
    pub(super) tells: bool,
    pub(super) key: Option<KeyFn>,
    pub(super) clock: Option<ClockFn>,
    pub(super) began: Instant,
    pub(super) hashes: RandomState,
}

impl RateLimit {
    /// A policy, to say more: 100 requests a minute for each address, 65,536 addresses at once.
    pub fn builder() -> RateLimitBuilder {
        RateLimitBuilder {
            requests: 100,
            window: Duration::from_secs(60),
            burst: None,
            keys: 65_536,
            name: "default".to_owned(),
            tells: true,
            key: None,
            clock: None,
        }
    }

    /// How many clients it remembers now; those included whose time is over, as long as nobody needs their place.
    pub fn known_keys(&self) -> usize {
        self.0.table.clients()
    }
}

impl RateRules {
    /// What the client of the request is known by; `None`: it may ask as often as it likes.
    pub(super) fn client(&self, ctx: &RequestCtx) -> Option<u64> {
        let mut key = RateKey::new(self.hashes.build_hasher());
        match &self.key {
            Some(add) => add(ctx, &mut key),
            None => key.add_address(ctx),
        }
        key.finish()
    }

    /// In nanoseconds.
    pub(super) fn now(&self, ctx: &RequestCtx) -> u64 {
        let now = self.clock.as_ref().map_or_else(|| ctx.instant(), |clock| clock());
        now.saturating_duration_since(self.began).as_nanos() as u64
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("policy", &self.0.lines.policy).finish_non_exhaustive()
    }
}

impl fmt::Debug for RateLimitBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requests, window) = (self.requests, self.window);
        f.debug_struct("RateLimitBuilder")
            .field("requests", &requests)
            .field("per", &window)
            .finish_non_exhaustive()
    }
}
