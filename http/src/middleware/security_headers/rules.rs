//! The fields, ready to be added.

use crate::ctx::{RequestCtx, Standing};
use crate::values::headers::ReadyFields;

pub(super) const HSTS: &str = "Strict-Transport-Security";

/// What is added to a response that has none of it.
#[derive(Debug)]
pub(super) struct CarefulFields {
    pub(super) always: ReadyFields,
    /// The same and what is only said over HTTPS, if there is such.
    pub(super) over_https: Option<ReadyFields>,
}

impl Standing for CarefulFields {
    #[inline]
    fn apply(&self, ctx: &mut RequestCtx) {
        let over_https = self.over_https.as_ref().filter(|_| ctx.scheme() == "https");
        ctx.response.headers_mut().add_missing(over_https.unwrap_or(&self.always));
    }
}
