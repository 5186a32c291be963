//! Where ids of requests come from.

use super::new_id::new_id;
use crate::config::error::BuildError;
use crate::ctx::{RequestCtx, Standing};
use crate::util::token;
use crate::values::headers::ReadyName;
use std::fmt;
use std::sync::Arc;

/// Where ids of requests come from and where they are shown, for [`request_id`](crate::middleware::request_id()).
#[derive(Clone, Debug)]
pub struct RequestIds(pub(super) Arc<IdRules>);

#[derive(Debug)]
pub(super) struct IdRules {
    field: ReadyName,
    believes: Option<Believes>,
}

/// Says whose requests may bring their id.
struct Believes(Box<BelievesFn>);

type BelievesFn = dyn Fn(&RequestCtx) -> bool + Send + Sync;

/// What can be said of [`RequestIds`].
#[derive(Debug)]
#[must_use = "nothing is checked before it is built"]
pub struct RequestIdsBuilder {
    field: String,
    believes: Option<Believes>,
}

impl RequestIds {
    /// All are made here, and shown as `X-Request-Id`.
    pub fn new() -> Self {
        Self(Arc::new(Self::builder().ready()))
    }

    /// The same, to say more.
    pub fn builder() -> RequestIdsBuilder {
        RequestIdsBuilder { field: "X-Request-Id".to_owned(), believes: None }
    }

    /// Gives the request an id unless it has one, and shows it on the response as it is now: for an
    /// [`error_handler`](crate::ServerBuilder::error_handler).
    pub fn apply(&self, ctx: &mut RequestCtx) {
        if ctx.request_id().is_none() {
            self.0.give(ctx);
        }
        self.0.apply(ctx);
    }
}

impl Default for RequestIds {
    /// As [`RequestIds::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl RequestIdsBuilder {
    /// The field that ids are shown in, and read from. Default: `X-Request-Id`.
    pub fn header(mut self, name: impl AsRef<str>) -> Self {
        self.field = name.as_ref().to_owned();
        self
    }

    /// Whose requests may bring their id: one of 128 bytes at most, of visible ASCII. Others, and those of whom this
    /// says no, get a new one. Whoever is believed can give two requests the same. Default: nobody's.
    pub fn from_clients(mut self, believes: impl Fn(&RequestCtx) -> bool + Send + Sync + 'static) -> Self {
        self.believes = Some(Believes(Box::new(believes)));
        self
    }

    /// Makes it a policy.
    ///
    /// # Errors
    /// When the name is none that a field may have.
    pub fn build(self) -> Result<RequestIds, BuildError> {
        if !token::is_token(self.field.as_bytes()) {
            return Err(BuildError::new(
                "header",
                "must be a name that a field may have, such as X-Request-Id",
            ));
        }
        Ok(RequestIds(Arc::new(self.ready())))
    }

    fn ready(self) -> IdRules {
        IdRules { field: ReadyName::new(&self.field), believes: self.believes }
    }
}

impl IdRules {
    /// Gives the request its id: the client's, if that is believed, or a new one.
    pub(super) fn give(&self, ctx: &mut RequestCtx) {
        match self.believes.as_ref().filter(|believes| (believes.0)(ctx)) {
            None => ctx.set_request_id(&new_id()),
            Some(_) => self.give_brought(ctx),
        }
    }

    /// The same where the client is believed.
    fn give_brought(&self, ctx: &mut RequestCtx) {
        let brought = {
            let mut values = ctx.request.headers().get_all(self.field.as_str());
            let value = values.next().filter(|value| values.next().is_none() && is_well_formed(value));
            value.map(<[u8]>::to_vec)
        };
        match brought {
            Some(id) => ctx.set_request_id(&id),
            None => ctx.set_request_id(&new_id()),
        }
    }
}

impl Standing for IdRules {
    #[inline]
    fn apply(&self, ctx: &mut RequestCtx) {
        ctx.show_request_id(&self.field);
    }
}

/// So long may an id be that is not ours.
const BROUGHT_BYTES_MAX: usize = 128;

fn is_well_formed(id: &[u8]) -> bool {
    (1..=BROUGHT_BYTES_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

impl fmt::Debug for Believes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Believes")
    }
}
