//! What can be said about sessions.

use super::policy::{SessionHome, SessionPolicy, Sessions};
use super::store::SessionStore;
use crate::config::error::BuildError;
use crate::middleware::cookies::CookieKey;
use crate::util::token;
use crate::values::cookie::{Cookie, SameSite};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The most that a cookie of a session in a store takes; one that is a cookie takes what browsers keep.
const MAX_BYTES: usize = 64 * 1024;

impl Sessions {
    /// Sessions that are kept in `store`: their clients have a number each, of 256 random bits.
    pub fn builder(store: impl SessionStore) -> SessionsBuilder {
        SessionsBuilder::new(SessionHome::Store(Box::new(store)), MAX_BYTES)
    }

    /// Sessions that clients keep themselves, in a cookie that is encrypted with `key`. There is nothing to be kept
    /// here, for small ones (some 3,000 bytes; more is an error) whose end need not be certain: a copy of the cookie is
    /// good until [its time](SessionsBuilder::absolute_timeout) is over, also behind a logout. Of requests that run at
    /// once, what the last to be answered has made of the whole session stays.
    pub fn in_cookies(key: &CookieKey) -> SessionsBuilder {
        SessionsBuilder::new(SessionHome::Cookie(key.clone()), usize::MAX)
    }
}

/// Options of sessions; made by [`Sessions::builder`] or [`Sessions::in_cookies`].
///
/// | option | default |
/// |---|---|
/// | [`cookie_name`](Self::cookie_name) | `session`, over HTTPS `__Host-session` |
/// | [`idle_timeout`](Self::idle_timeout) | an hour |
/// | [`absolute_timeout`](Self::absolute_timeout) | 24 hours |
/// | [`same_site`](Self::same_site) | `Lax` |
/// | [`path`](Self::path), [`domain`](Self::domain) | `/`, the host alone |
/// | [`always_secure`](Self::always_secure) | over HTTPS |
/// | [`outlive_browser`](Self::outlive_browser) | no |
/// | [`max_bytes`](Self::max_bytes) | 64 KiB |
/// | [`clock`](Self::clock) | the system's |
///
/// The cookie is always hidden from scripts (`HttpOnly`).
#[must_use = "there are no sessions before it is built"]
pub struct SessionsBuilder {
    policy: SessionPolicy,
}

impl SessionsBuilder {
    fn new(home: SessionHome, max_bytes: usize) -> Self {
        let mut cookie = Cookie::new("session", "");
        cookie.set_path("/").set_http_only(true).set_same_site(SameSite::Lax);
        let policy = SessionPolicy {
            home,
            cookie,
            idle: Duration::from_secs(3600),
            absolute: Duration::from_secs(24 * 3600),
            always_secure: false,
            outlives_browser: false,
            max_bytes,
            clock: None,
        };
        Self { policy }
    }

    /// What the cookie is called. Over HTTPS `__Host-` is put before it, or `__Secure-` if it has a domain or another
    /// path than `/`, so that browsers take it from nobody else. Default: `session`.
    pub fn cookie_name(mut self, name: impl AsRef<[u8]>) -> Self {
        self.policy.cookie.set_name(name);
        self
    }

    /// After how long without a request that asked for it a session is over; in whole seconds, up to a tenth earlier.
    /// Default: an hour.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.policy.idle = time;
        self
    }

    /// How long after its begin, or after it was [renewed](super::Session::renew), a session is over in any case.
    /// Default: 24 hours.
    pub fn absolute_timeout(mut self, time: Duration) -> Self {
        self.policy.absolute = time;
        self
    }

    /// Whether the cookie goes with requests that other sites cause. Default: [`SameSite::Lax`], with links that are
    /// followed alone.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.policy.cookie.set_same_site(same_site);
        self
    }

    /// Below which path the cookie is sent. Default: `/`.
    pub fn path(mut self, path: impl AsRef<[u8]>) -> Self {
        self.policy.cookie.set_path(path);
        self
    }

    /// Whose hosts get the cookie, all of which can then set it as well. Default: the host that has set it.
    pub fn domain(mut self, domain: impl AsRef<[u8]>) -> Self {
        self.policy.cookie.set_domain(domain);
        self
    }

    /// Whether the cookie is `Secure` although this server does not know that clients use HTTPS: behind a proxy that is
    /// not [trusted](crate::ServerBuilder::trusted_proxies). Over plain HTTP browsers then do not keep it, but for
    /// localhost. Default: no, it is so where [`scheme`](crate::RequestCtx::scheme) is `https`.
    pub fn always_secure(mut self, always: bool) -> Self {
        self.policy.always_secure = always;
        self
    }

    /// Whether browsers keep the cookie when they are closed, as long as the session lasts. Default: no.
    pub fn outlive_browser(mut self, outlives: bool) -> Self {
        self.policy.outlives_browser = outlives;
        self
    }

    /// The most that a session in a store takes, with names and 17 bytes. More is
    /// [an error](super::SessionError::TooLarge). Default: 64 KiB; of one in a cookie what browsers keep.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.policy.max_bytes = bytes;
        self
    }

    /// Where the time is read, for tests. Default: [`RequestCtx::time`](crate::RequestCtx::time).
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.policy.clock = Some(Box::new(clock));
        self
    }

    /// Looks at what was said.
    ///
    /// # Errors
    /// When the cookie is one that browsers would not keep, when a time is under ten seconds or the absolute one is the
    /// shorter, and when nothing fits into `max_bytes`.
    pub fn build(self) -> Result<Sessions, BuildError> {
        let SessionPolicy { cookie, idle, absolute, max_bytes, .. } = &self.policy;
        let has_prefix = [&b"__host-"[..], b"__secure-"]
            .iter()
            .any(|prefix| cookie.name().to_ascii_lowercase().starts_with(prefix));
        if !token::is_token(cookie.name()) || has_prefix {
            let problem =
                "must have letters, digits, `-` and `_`, without `__Host-`, which is added where it may be";
            return Err(BuildError::new("cookie_name", problem));
        }
        let mut shown = cookie.clone();
        if let Err(error) = shown.set_secure(true).validate() {
            return Err(BuildError::new("the cookie of sessions", format!("is no cookie: {error}")));
        }
        if *idle < Duration::from_secs(10) {
            return Err(BuildError::new("idle_timeout", "must be at least 10 seconds"));
        }
        if absolute < idle {
            return Err(BuildError::new("absolute_timeout", "must be at least idle_timeout"));
        }
        if *max_bytes < 64 {
            return Err(BuildError::new("max_bytes", "must be at least 64"));
        }
        Ok(Sessions(Arc::new(self.policy)))
    }
}

impl fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy.fmt(f)
    }
}
