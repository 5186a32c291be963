//! What clients and caches are told of a session.
//!
//! The rule: they are told whatever is sent in the end, because the session is kept by then: a body may still fail, and
//! another response take the place of the one that the handler has made.

use crate::ctx::{RequestCtx, Standing};
use crate::values::cookie::Cookie;
use crate::values::header::has_token;

/// What a response says of a session that was asked for.
pub(super) struct SessionMark {
    /// What its client is given.
    pub(super) cookie: Option<Cookie>,
}

impl Standing for SessionMark {
    fn apply(&self, ctx: &mut RequestCtx) {
        let response = &mut ctx.response;
        response.vary_by("Cookie");
        let control = || response.headers().get_all("Cache-Control");
        let is_private = ["private", "no-store"].iter().any(|token| has_token(control(), token));
        if !is_private && (self.cookie.is_some() || control().next().is_none()) {
            response.set_header("Cache-Control", "private");
        }
        if let Some(cookie) = &self.cookie {
            response.set_cookie(cookie);
        }
    }
}
