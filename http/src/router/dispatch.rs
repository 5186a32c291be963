//! From the number of a route to what answers it, through the wrappers of its groups.
//!
//! The idea: routes are numbered group by group, so those of a group are a range. At the inner end of its wrappers
//! stands a list with what comes next for each of them: the outer end of the next group's, or the route's handler. So a
//! wrapper is there once for its group, and a request costs a look into a list for each group that has wrappers.

use crate::ctx::{Handler, OwnAnswer, RequestCtx};
use crate::values::status::METHOD_NOT_ALLOWED_TEXT;
use std::sync::Arc;

/// The inner end of a group's wrappers.
pub(super) struct GroupEnd {
    /// The number of the group's first route.
    pub(super) start: u32,
    /// What comes next for each of them.
    pub(super) nexts: Vec<Arc<dyn Handler>>,
}

impl Handler for GroupEnd {
    #[inline]
    fn handle(&self, ctx: &mut RequestCtx) {
        let index = ctx.route_match().number.wrapping_sub(self.start) as usize;
        match self.nexts.get(index) {
            Some(next) => next.handle(ctx),
            // A wrapper has put another context in the place of the one that was routed.
            None => ctx.not_found(),
        }
    }
}

/// What a router answers itself, for a group.
pub(super) struct OwnAnswers {
    pub(super) fallback: Option<Arc<dyn Handler>>,
    pub(super) method_not_allowed: Option<Arc<dyn Handler>>,
}

impl Handler for OwnAnswers {
    fn handle(&self, ctx: &mut RequestCtx) {
        match ctx.route_match().own_answer {
            OwnAnswer::NotFound => match &self.fallback {
                Some(fallback) => fallback.handle(ctx),
                None => ctx.not_found(),
            },
            OwnAnswer::NotAllowed => {
                ctx.error(METHOD_NOT_ALLOWED_TEXT, 405);
                set_allow(ctx);
                if let Some(handler) = &self.method_not_allowed {
                    handler.handle(ctx);
                    // "The origin server MUST generate an Allow header field in a 405" (RFC 9110 15.5.6).
                    if ctx.response.status_code() == 405 && ctx.response.header("Allow").is_none() {
                        set_allow(ctx);
                    }
                }
            }
            OwnAnswer::Options => {
                ctx.response.set_status_code(204);
                set_allow(ctx);
            }
            OwnAnswer::Redirect => {
                let location = ctx.route_match().text.clone();
                ctx.redirect(location, 308);
            }
        }
    }
}

fn set_allow(ctx: &mut RequestCtx) {
    let allow = ctx.route_match().text.clone();
    ctx.response.set_header("Allow", allow);
}
