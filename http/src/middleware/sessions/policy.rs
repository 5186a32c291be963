//! What was said about sessions, once it has been looked at.

use super::record::SessionRecord;
use super::store::SessionStore;
use crate::ctx::RequestCtx;
use crate::middleware::cookies::CookieKey;
use crate::values::cookie::Cookie;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Where sessions are kept, for how long, and by which cookie clients have them; for
/// [`sessions`](crate::middleware::sessions()).
///
/// Made by [`Sessions::builder`] or [`Sessions::in_cookies`]. A clone is the same.
#[derive(Clone)]
pub struct Sessions(pub(super) Arc<SessionPolicy>);

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Gives the time.
pub(super) type SessionClock = dyn Fn() -> SystemTime + Send + Sync;

/// What is said about sessions.
pub(super) struct SessionPolicy {
    pub(super) home: SessionHome,
    /// The cookie, without a value.
    pub(super) cookie: Cookie,
    pub(super) idle: Duration,
    pub(super) absolute: Duration,
    pub(super) always_secure: bool,
    pub(super) outlives_browser: bool,
    pub(super) max_bytes: usize,
    pub(super) clock: Option<Box<SessionClock>>,
}

/// Where sessions are kept.
pub(super) enum SessionHome {
    Store(Box<dyn SessionStore>),
    /// In their cookies, encrypted with this.
    Cookie(CookieKey),
}

impl SessionPolicy {
    pub(super) fn now(&self, ctx: &RequestCtx) -> SystemTime {
        self.clock.as_ref().map_or_else(|| ctx.time(), |clock| clock())
    }

    /// Whether the client has cookies that go over encrypted connections only.
    fn is_secure(&self, ctx: &RequestCtx) -> bool {
        self.always_secure || self.cookie.secure() || ctx.scheme() == "https"
    }

    /// What the cookie is called in this request: with a prefix for which browsers take it from no other host
    /// (`__Host-`), or from encrypted connections alone (`__Secure-`), where they would.
    pub(super) fn cookie_name(&self, ctx: &RequestCtx) -> Vec<u8> {
        let prefix: &[u8] = match self.is_secure(ctx) {
            false => b"",
            true if self.cookie.domain().is_none() && self.cookie.path() == Some(b"/") => b"__Host-",
            true => b"__Secure-",
        };
        [prefix, self.cookie.name()].concat()
    }

    /// The cookie with this text, for a session that is over at `end`.
    pub(super) fn cookie(&self, ctx: &RequestCtx, text: &str, end: SystemTime) -> Cookie {
        let mut cookie = self.cookie.clone();
        cookie.set_name(self.cookie_name(ctx)).set_value(text).set_secure(self.is_secure(ctx));
        if self.outlives_browser {
            cookie.set_max_age(end.duration_since(self.now(ctx)).unwrap_or_default());
        }
        cookie
    }

    /// Whether nobody has used it for too long, or it is too old. Where the clock was set back it is neither.
    pub(super) fn is_over(&self, record: &SessionRecord, now: u64) -> bool {
        now.saturating_sub(record.used) >= self.idle.as_secs()
            || now.saturating_sub(record.begun) >= self.absolute.as_secs()
    }

    /// When a session is over that is used now and never again.
    pub(super) fn end(&self, begun: u64, now: u64) -> u64 {
        now.saturating_add(self.idle.as_secs()).min(begun.saturating_add(self.absolute.as_secs()))
    }

    /// Whether it is time to note that a session is used: as exactly as a tenth of the time after which it would be
    /// over, so that not each request has to.
    pub(super) fn is_to_be_noted(&self, used: u64, now: u64) -> bool {
        now.saturating_sub(used) >= self.idle.as_secs() / 10 || now < used
    }
}

impl fmt::Debug for SessionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let home = match &self.home {
            SessionHome::Store(_) => "a store",
            SessionHome::Cookie(_) => "cookies",
        };
        f.debug_struct("Sessions")
            .field("home", &home)
            .field("cookie", &self.cookie)
            .field("idle_timeout", &self.idle)
            .field("absolute_timeout", &self.absolute)
            .finish_non_exhaustive()
    }
}
