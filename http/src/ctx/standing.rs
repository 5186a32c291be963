//! What wrappers do to whatever their request is answered with, even where that is decided behind them.
//!
//! The idea: a wrapper sees the response that its handler has made. Where the body is still to be made, or something is
//! to stand in the response's place, another one may be sent in the end: a body fails before a byte of it was sent, no
//! thread can be had for it. So there, and only there, what the wrapper does is noted and done again.
//!
//! The rule: the answer by which a connection is taken over is left as it is; one in its place is not.

use super::RequestCtx;
use std::sync::Arc;

/// What a wrapper does to whatever is answered.
pub(crate) trait Standing: Send + Sync {
    /// Does it to the response in `ctx`.
    fn apply(&self, ctx: &mut RequestCtx);
}

/// What is noted for one request, the innermost first.
pub(super) type StandingList = Vec<Arc<dyn Standing>>;

impl RequestCtx {
    /// Does to the response what `standing` does, and again to another one if that takes its place.
    #[inline]
    pub(crate) fn stand<T: Standing + 'static>(&mut self, standing: &Arc<T>) {
        let leaves_http = self.may_leave_http();
        if !leaves_http {
            standing.apply(self);
        }
        if leaves_http || self.response.is_body_stream() || self.user_values.has_stand_in() {
            self.note_standing(standing.clone());
        }
    }

    #[cold]
    fn note_standing(&mut self, standing: Arc<dyn Standing>) {
        self.user_values.standing_mut().push(standing);
    }

    /// Whether there is anything to be done again.
    #[inline]
    pub(crate) fn stands(&self) -> bool {
        self.user_values.has_any()
    }

    /// Another response is in the place of the one that the wrappers saw.
    #[inline]
    pub(crate) fn stand_again(&mut self) {
        if self.stands() {
            self.apply_standing();
        }
    }

    #[cold]
    fn apply_standing(&mut self) {
        let list = std::mem::take(self.user_values.standing_mut());
        for standing in &list {
            self.contain(|ctx| standing.apply(ctx));
        }
        // That one may be replaced as well.
        *self.user_values.standing_mut() = list;
    }
}
