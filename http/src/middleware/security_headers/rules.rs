//! The fields, ready to be added.

use crate::ctx::{RequestCtx, Standing};

pub(super) const HSTS: &[u8] = b"Strict-Transport-Security";

/// Names and values, as they are stored.
#[derive(Debug)]
pub(super) struct CarefulFields {
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) hsts: Option<Vec<u8>>,
}

impl Standing for CarefulFields {
    fn apply(&self, ctx: &mut RequestCtx) {
        let is_https = self.hsts.is_some() && ctx.scheme() == "https";
        let headers = ctx.response.headers_mut();
        for (name, value) in &self.fields {
            headers.add_ready(name, value);
        }
        if let Some(value) = self.hsts.as_ref().filter(|_| is_https) {
            headers.add_ready(HSTS, value);
        }
    }
}
