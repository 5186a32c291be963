//! What is said of a limit, and what cannot be meant.

use super::key::RateKey;
use super::lines::RateLines;
use super::policy::{RateLimit, RateLimitBuilder, RateRules};
use super::table::{RateQuota, RateTable, seconds};
use crate::config::error::BuildError;
use crate::ctx::RequestCtx;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So long may a name be.
const NAME_BYTES_MAX: usize = 32;
const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl RateLimitBuilder {
    /// How many requests, in each [window](Self::per). Default: 100.
    pub fn requests(mut self, count: u64) -> Self {
        self.requests = count;
        self
    }

    /// In how long. Default: a minute.
    pub fn per(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many may come at once from a client that was quiet. Default: as many as in a window.
    pub fn burst(mut self, count: u64) -> Self {
        self.burst = Some(count);
        self
    }

    /// What tells clients apart: `add` adds it to the key. Where it adds nothing the request is not limited. Default:
    /// the address.
    ///
    /// ```
    /// use anthill_http::middleware::RateLimit;
    /// let by_user = RateLimit::builder().key(|ctx, key| match ctx.user_value::<String>("user") {
    ///     Some(user) => key.add(user),
    ///     None => key.add_address(ctx),
    /// });
    /// # let _ = by_user.build()?;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn key(mut self, add: impl Fn(&RequestCtx, &mut RateKey) + Send + Sync + 'static) -> Self {
        self.key = Some(Box::new(add));
        self
    }

    /// How many clients it remembers at most, rounded up to a multiple of 16; each takes 16 bytes. Default: 65,536.
    pub fn keys(mut self, count: usize) -> Self {
        self.keys = count;
        self
    }

    /// What the limit is called in `RateLimit` and `RateLimit-Policy`: by 32 letters, digits, `-` and `_` at most.
    /// Default: `default`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Whether responses have `RateLimit` and `RateLimit-Policy`. A 429 has `Retry-After` in any case. Default: yes.
    pub fn headers(mut self, told: bool) -> Self {
        self.tells = told;
        self
    }

    /// The clock, for tests. Default: the server's, which goes as [`Instant::now`] does, and which a test can move
    /// (`testing::TestClock`).
    pub fn clock(mut self, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(now));
        self
    }

    /// Makes it a policy.
    ///
    /// # Errors
    /// When a number is zero, when the window is none or longer than a year, when there are more requests in it than
    /// nanoseconds, and when the name is too long or has other signs.
    pub fn build(self) -> Result<RateLimit, BuildError> {
        let burst = self.burst.unwrap_or(self.requests);
        for (option, number) in [("requests", self.requests), ("burst", burst), ("keys", self.keys as u64)] {
            if number == 0 {
                return Err(BuildError::new(option, "must be at least 1"));
            }
        }
        if self.window.is_zero() || self.window > YEAR {
            return Err(BuildError::new("per", "must be more than no time, and a year at most"));
        }
        let window = self.window.as_nanos() as u64;
        let each = window.div_ceil(self.requests);
        let Some(ahead) = each.checked_mul(burst).filter(|_| self.requests <= window) else {
            return Err(BuildError::new(
                "requests",
                "are more than can be told apart in that time; say fewer, or a smaller burst",
            ));
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !self.name.bytes().all(is_plain) {
            return Err(BuildError::new(
                "name",
                "must be of letters, digits, - and _, and 32 of them at most",
            ));
        }
        Ok(RateLimit(Arc::new(RateRules {
            table: RateTable::new(self.keys),
            allowance: RateQuota { each, ahead },
            lines: RateLines::new(&self.name, burst, seconds(ahead)),
            tells: self.tells,
            key: self.key,
            began: self.clock.as_ref().map_or_else(Instant::now, |clock| clock()),
            clock: self.clock,
            hashes: RandomState::new(),
        })))
    }
}
