//! Which fields these are.

use super::rules::CarefulFields;
use crate::ctx::{RequestCtx, Standing};
use std::sync::Arc;
use std::time::Duration;

/// Fields by which browsers are told to be careful, for
/// [`security_headers`](crate::middleware::security_headers()).
#[derive(Clone, Debug)]
pub struct SecurityHeaders(pub(super) Arc<CarefulFields>);

/// What can be said of [`SecurityHeaders`].
#[derive(Debug)]
#[must_use = "nothing is checked before it is built"]
pub struct SecurityHeadersBuilder {
    pub(super) fields: Vec<(String, String)>,
    pub(super) hsts: Option<Duration>,
    pub(super) hsts_subdomains: bool,
    pub(super) hsts_preload: bool,
}

pub(super) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const USUAL: [(&str, &str); 7] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "frame-ancestors 'self'"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

impl SecurityHeaders {
    /// The usual ones; see [`security_headers`](crate::middleware::security_headers()).
    pub fn new() -> Self {
        Self(Arc::new(Self::builder().ready()))
    }

    /// The same, to change.
    pub fn builder() -> SecurityHeadersBuilder {
        let fields = USUAL.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        SecurityHeadersBuilder { fields, hsts: Some(YEAR), hsts_subdomains: false, hsts_preload: false }
    }

    /// Puts them on the response as it is now: for an [`error_handler`](crate::ServerBuilder::error_handler).
    pub fn apply(&self, ctx: &mut RequestCtx) {
        self.0.apply(ctx);
    }
}

impl Default for SecurityHeaders {
    /// As [`SecurityHeaders::new`].
    fn default() -> Self {
        Self::new()
    }
}
