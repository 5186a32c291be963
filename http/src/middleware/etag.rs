//! Entity tags for bodies that are there.
//!
//! Source: RFC 9110 sections 8.8.3, 13.1.2.

use crate::ctx::{Handler, RequestCtx};
use crate::util::hex::hex;
use crate::values::header::{EntityTag, Validators, has_token};
use std::hash::{DefaultHasher, Hasher};

/// Gives what `next` answers an `ETag` made of its bytes, and answers 304 where the client has them already
/// (`If-None-Match`), so that they need not be sent. They are made all the same.
///
/// Tagged is what is answered 200 to a `GET` or a `HEAD` with a body that is there as bytes, has no `ETag` yet, and may
/// be stored (no `Cache-Control: no-store`). Streams, events and files are left alone: [`files`](crate::files) have
/// tags of their own. A handler that makes no body for a `HEAD` has none. Tags are compared by the same rules as
/// [`RequestCtx::precondition_met`], `If-Match` included.
///
/// The tag is the length and a hash of 64 bits, which may be another one when this library was compiled by another
/// version of Rust. Who can make bodies of his choice could make two of one tag.
///
/// ```
/// use anthill_http::middleware::{EtagPolicy, etag};
/// use anthill_http::{Handler, Request, RequestCtx};
///
/// let handler = etag(|ctx: &mut RequestCtx| ctx.set_body("the same again and again"), EtagPolicy::new());
/// let mut ctx = RequestCtx::default();
/// ctx.request = Request::new("GET", "/")?;
/// handler.handle(&mut ctx);
/// let tag = ctx.response.header_str("etag").expect("a tag").to_owned();
/// assert!(tag.starts_with("W/\"24-"));
///
/// let mut request = Request::new("GET", "/")?;
/// request.set_header("If-None-Match", tag);
/// let mut ctx = RequestCtx::for_request(request, None);
/// handler.handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.body()), (304, &b""[..]));
/// # Ok::<(), anthill_http::RequestError>(())
/// ```
pub fn etag(next: impl Handler, policy: EtagPolicy) -> impl Handler {
    EtagHandler { next, policy }
}

/// Which tags bodies get, for [`etag`](etag()).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtagPolicy {
    is_strong: bool,
    bytes_max: usize,
}

impl EtagPolicy {
    /// Weak ones, for bodies of 4 MiB at most.
    pub fn new() -> Self {
        Self { is_strong: false, bytes_max: 4 * 1024 * 1024 }
    }

    /// Whether tags are strong: they say that not a byte differs, which is so here, and stays so as long as nobody
    /// outside changes bodies without changing tags. Default: weak.
    pub fn strong(mut self, strong: bool) -> Self {
        self.is_strong = strong;
        self
    }

    /// Larger bodies get none, because all of a body has to be looked at each time (about 1 ms for each MiB). Default:
    /// 4 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.bytes_max = bytes;
        self
    }

    fn is_to_tag(self, ctx: &RequestCtx) -> bool {
        let (request, response) = (&ctx.request, &ctx.response);
        (request.is_get() || request.is_head())
            && response.status_code() == 200
            && !response.is_body_stream()
            && (1..=self.bytes_max).contains(&response.body().len())
            && !response.headers().contains("ETag")
            && !has_token(response.headers().get_all("Cache-Control"), "no-store")
            && !ctx.is_hijacked()
    }
}

impl Default for EtagPolicy {
    /// As [`EtagPolicy::new`].
    fn default() -> Self {
        Self::new()
    }
}

struct EtagHandler<H> {
    next: H,
    policy: EtagPolicy,
}

impl<H: Handler> Handler for EtagHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        self.next.handle(ctx);
        if !self.policy.is_to_tag(ctx) {
            return;
        }
        let body = ctx.response.body();
        let mut hasher = DefaultHasher::new();
        hasher.write(body);
        let mut text = TagText { bytes: [0; TAG_BYTES_MAX], len: 0 };
        let tag = text.write(self.policy.is_strong, body.len(), hasher.finish());
        ctx.response.headers_mut().set_known("Etag", tag);
        let tag = EntityTag::made(tag, !self.policy.is_strong);
        ctx.precondition_met(&Validators::new().known_tag(tag));
    }
}

/// `W/"` and `"`, a length of 20 digits, a hyphen, a hash of 16.
const TAG_BYTES_MAX: usize = 3 + 20 + 1 + 16 + 1;

/// Room for a tag.
struct TagText {
    bytes: [u8; TAG_BYTES_MAX],
    len: usize,
}

impl TagText {
    fn write(&mut self, is_strong: bool, length: usize, hash: u64) -> &[u8] {
        self.append(if is_strong { b"\"" } else { b"W/\"" });
        self.append(itoa::Buffer::new().format(length).as_bytes());
        self.append(b"-");
        self.append(&hex(hash));
        self.append(b"\"");
        &self.bytes[..self.len]
    }

    fn append(&mut self, piece: &[u8]) {
        let end = self.len + piece.len();
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(piece);
            self.len = end;
        }
    }
}
