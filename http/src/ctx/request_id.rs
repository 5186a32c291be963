//! What a request is called in records of it: its id, if somebody has given it one.

use super::RequestCtx;
use crate::values::headers::ReadyName;
use std::fmt;

impl RequestCtx {
    /// The id that [`middleware::request_id`](crate::middleware::request_id()) has given to the request; `None` where
    /// it is not around the handler that asks.
    ///
    /// ```
    /// use anthill_http::middleware::{RequestIds, request_id};
    /// use anthill_http::{Handler, RequestCtx};
    ///
    /// let handler = request_id(
    ///     |ctx: &mut RequestCtx| {
    ///         let text = format!("ask us about {}", ctx.request_id().unwrap_or("nothing"));
    ///         ctx.set_body(text);
    ///     },
    ///     RequestIds::new(),
    /// );
    /// let mut ctx = RequestCtx::default();
    /// handler.handle(&mut ctx);
    /// let id = ctx.response.header_str("x-request-id").expect("it is on the response");
    /// assert_eq!(ctx.response.body_str(), Some(format!("ask us about {id}").as_str()));
    /// assert_eq!(ctx.request_id(), Some(id));
    /// ```
    pub fn request_id(&self) -> Option<&str> {
        std::str::from_utf8(self.user_values.request_id()).ok().filter(|id| !id.is_empty())
    }

    /// Gives it one, which is of visible ASCII.
    #[inline]
    pub(crate) fn set_request_id(&mut self, id: &[u8]) {
        let kept = self.user_values.request_id_mut();
        kept.clear();
        kept.extend_from_slice(id);
    }

    /// Shows it on the response as the field of that name.
    #[inline]
    pub(crate) fn show_request_id(&mut self, field: &ReadyName) {
        let id = self.user_values.request_id();
        if !id.is_empty() {
            self.response.headers_mut().set_ready(field, id);
        }
    }

    /// What the request is called in lines of the log.
    pub(crate) fn called(&self) -> CalledRequest<'_> {
        CalledRequest(self)
    }
}

/// `GET "/path"`, with its id if it has one.
pub(crate) struct CalledRequest<'a>(&'a RequestCtx);

impl fmt::Display for CalledRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ctx) = self;
        write!(f, "{} {:?}", ctx.request.method(), ctx.request.path())?;
        match ctx.request_id() {
            Some(id) => write!(f, " (id {id})"),
            None => Ok(()),
        }
    }
}
