//! Where a request's session is kept while its handlers run.
//!
//! The idea: what there is of sessions is known further up. Here is a place for it that costs a request nothing but a
//! reference, as long as nobody asks for the session, and that goes to another thread with the context.

use super::RequestCtx;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The place of one session.
pub(crate) struct SessionPlace {
    /// What it is made by.
    pub(crate) maker: Arc<dyn Any + Send + Sync>,
    /// The session, once somebody has asked for it.
    pub(crate) session: Option<Box<dyn Any + Send>>,
}

impl fmt::Debug for SessionPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionPlace").field("is_loaded", &self.session.is_some()).finish_non_exhaustive()
    }
}

impl RequestCtx {
    pub(crate) fn session_place(&mut self) -> Option<&mut SessionPlace> {
        self.user_values.session_mut()
    }

    /// Puts another place there, and gives what was there.
    pub(crate) fn put_session_place(&mut self, place: Option<SessionPlace>) -> Option<SessionPlace> {
        self.user_values.put_session(place)
    }
}
