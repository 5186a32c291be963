//! Handlers whose responses are compressed for clients that take it.
//!
//! The idea: a wrapper that looks at the response behind its handler. Whether it may be compressed at all is up to the
//! response, and then it says that it varies; whether it is, and how, is up to the client.
//!
//! The files: what is said (`policy`), which types are worth it (`types`), what becomes of entity tags (`tags`),
//! results that are kept (`kept`).
//!
//! The rule: nothing is touched that says something of its bytes: what is encoded already, parts, what has a digest,
//! and what nobody may transform.
//!
//! Source: RFC 9110 sections 8.4, 8.8.3.3, 12.5.3, 12.5.5; RFC 9111 section 5.2.2.6.

mod kept;
mod policy;
mod tags;
mod types;

pub use policy::{CompressPolicy, TagChange};

use super::{Handler, RequestCtx};
use crate::message::request::Request;
use crate::message::response::Response;
use crate::values::coding::encoder::{Encoder, StreamCoders};
use crate::values::coding::{CompressionLevel, ContentCoding};
use crate::values::header::{AcceptEncoding, ContentRange, has_token};
use kept::{KeptBodies, KeptBody};
use std::sync::Arc;
use tags::ShownTags;

/// Compresses what `handler` responds, for clients that take it (fasthttp's `CompressHandler`).
///
/// With the features of this program as they are there are gzip and deflate (`gzip`, which is on unless it is left
/// out), brotli (`br`) and zstd (`zstd`). Of what the client's `Accept-Encoding` wants most, the coding that comes
/// first in the [policy](CompressPolicy) is used. Bodies below 200 bytes and of types that are compressed already, or
/// may be (pictures, films, archives, `application/pdf`, `application/octet-stream`), are left alone; so is whatever
/// has a `Content-Encoding`, a `Content-Range`, a digest, or `Cache-Control: no-transform`, and what has a status
/// without a whole body (204, 206, 304). What becomes no shorter is sent as it is up to 64 KiB; of a larger body that
/// is seen too late.
///
/// - `Vary: Accept-Encoding` is added once to everything that might have been compressed, to a 304, and to a 206 whose
///   whole might have been (RFC 9110 section 15.3.7).
/// - An `ETag` is made weak (`W/"v1"`), because the bytes differ. A client that asks with it (`If-None-Match`) still
///   gets its 304; [`TagChange::Suffix`] keeps tags strong.
/// - `Accept-Ranges` is removed: ranges are those of the bytes that were not sent. A request for a range is answered by
///   the handler's 206, whose bytes are left alone.
/// - `HEAD` has the fields of `GET`, also when its handler makes no body and names a `Content-Length`. There that of
///   the compressed body is not known, so there is none.
///
/// Bodies up to 64 KiB are compressed at once and have a `Content-Length`. Larger ones, files, readers and functions
/// that write are compressed as they are sent, chunked, whoever computes for long on a worker. What a reader gives or a
/// writer flushes reaches the client at once. Streams of events are left alone unless the policy
/// [says otherwise](CompressPolicy::event_streams); they take gzip or deflate only, and hold no coder while they wait.
/// Any other stream holds one until it ends, of some 400 KB (gzip) or 2 MB (br, zstd) at the usual levels, and of up to
/// 7 MB (zstd) or 40 MB (br from 7 on) above. When [so many](CompressPolicy::max_streams) do, further ones are sent as
/// they are.
///
/// ```
/// # #[cfg(feature = "gzip")] {
/// use anthill_http::{CompressPolicy, Handler, Request, RequestCtx, compress};
///
/// let list = |ctx: &mut RequestCtx| {
///     ctx.set_content_type("application/json");
///     ctx.set_body(format!("[{}]", "\"anthill\", ".repeat(1000)));
/// };
/// let handler = compress(list, CompressPolicy::new());
///
/// let mut request = Request::new("GET", "/")?;
/// request.set_header("Accept-Encoding", "gzip");
/// let mut ctx = RequestCtx::for_request(request, None);
/// handler.handle(&mut ctx);
/// assert_eq!(ctx.response.content_encoding_str(), Some("gzip"));
/// assert_eq!(ctx.response.header_str("vary"), Some("Accept-Encoding"));
/// assert!(ctx.response.body().len() < 200);
/// # }
/// # Ok::<(), anthill_http::RequestError>(())
/// ```
///
/// # Secrets
///
/// Who can have a client ask again and again with text of his choice in a response, and sees how long that becomes,
/// finds out what else is in it: compression makes a guess that is right shorter (the attack is called BREACH). So a
/// response with a secret, such as a token against forged requests, that repeats what its request says, should not be
/// compressed. Its handler says so by one field, which is not sent and holds for every wrapper around it:
///
/// ```
/// # #[cfg(feature = "gzip")] {
/// # use anthill_http::{CompressPolicy, Handler, Request, RequestCtx, compress};
/// let form = |ctx: &mut RequestCtx| {
///     ctx.response.set_content_encoding("identity");
///     ctx.set_body("token=8d777f385d3dfec8815d20f7496026dc ".repeat(10));
/// };
/// # let mut request = Request::new("GET", "/")?;
/// # request.set_header("Accept-Encoding", "gzip");
/// # let mut ctx = RequestCtx::for_request(request, None);
/// # compress(form, CompressPolicy::new()).handle(&mut ctx);
/// # assert_eq!((ctx.response.content_encoding(), ctx.response.header("vary")), (None, None));
/// # assert_eq!(ctx.response.body().len(), 390);
/// # }
/// # Ok::<(), anthill_http::RequestError>(())
/// ```
// CMP-02 to CMP-05.
#[doc(alias("CompressHandler", "CompressHandlerLevel", "CompressHandlerBrotliLevel"))]
pub fn compress(handler: impl Handler, policy: CompressPolicy) -> impl Handler {
    let (kept, coders) = (KeptBodies::new(policy.kept_bytes), StreamCoders::new(policy.streams_max));
    CompressingHandler { handler, policy, kept, coders }
}

struct CompressingHandler<H> {
    handler: H,
    policy: CompressPolicy,
    kept: KeptBodies,
    coders: Arc<StreamCoders>,
}

impl<H: Handler> Handler for CompressingHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        let shown = match self.policy.tags {
            TagChange::Weaken => ShownTags::default(),
            TagChange::Suffix => ShownTags::add_stems(&mut ctx.request),
        };
        self.handler.handle(ctx);
        let RequestCtx { request, response, .. } = ctx;
        if !may_vary(response) {
            return;
        }
        let is_live = response.is_live();
        match response.status_code() {
            304 => {
                response.vary_by("Accept-Encoding");
                return shown.restore(request, response);
            }
            206 if self.policy.is_part_of_worth(response) => return response.vary_by("Accept-Encoding"),
            _ if response.headers().contains("Content-Range") => return,
            _ if is_live && !self.policy.compresses_events => return,
            _ if !self.policy.is_worth(request, response) => return,
            _ => {}
        }
        response.vary_by("Accept-Encoding");
        let Some((coding, level)) = self.policy.choose(request, is_live) else { return };
        let encoded = if is_bare_head(request, response) {
            forget_length(response);
            Ok(true)
        } else {
            self.encode(ctx, coding, level)
        };
        let RequestCtx { request, response, .. } = ctx;
        match encoded {
            Ok(true) => {
                response.set_content_encoding(coding.name());
                response.headers_mut().remove("Accept-Ranges");
                tags::change(response, self.policy.tags, coding);
            }
            Ok(false) => {}
            Err(error) => log::error!(
                target: "anthill_http::handler",
                "a response to {} {:?} is not compressed: {error}", request.method(), request.path()
            ),
        }
    }
}

impl<H> CompressingHandler<H> {
    fn encode(
        &self,
        ctx: &mut RequestCtx,
        coding: ContentCoding,
        level: CompressionLevel,
    ) -> std::io::Result<bool> {
        let coders = &self.coders;
        let Some(body) = ctx.response.static_body().filter(|_| self.kept.is_used()) else {
            return ctx.response.encode_body(coding, level, coders);
        };
        let kept = self.kept.get(body, coding, ctx.instant());
        let response = &mut ctx.response;
        match kept {
            KeptBody::Encoded(bytes) => {
                response.put_encoded(bytes);
                Ok(true)
            }
            KeptBody::NoShorter => Ok(false),
            KeptBody::First(keeper) => response.encode_body_before(Box::new(keeper), coding, level, coders),
            // It is for this once, while the level may be one for all times.
            KeptBody::Begun => response.encode_body(coding, CompressionLevel::Fastest, coders),
            KeptBody::NoRoom => response.encode_body(coding, level, coders),
        }
    }
}

/// Whether the response is one that could be given another form. A field that says no to that, and nothing else, is
/// taken out; what it said holds for whoever wraps this wrapper as well.
fn may_vary(response: &mut Response) -> bool {
    if let Some(coding) = response.content_encoding() {
        if coding.eq_ignore_ascii_case(b"identity") {
            response.headers_mut().remove("Content-Encoding");
            response.keep_form();
        }
        return false;
    }
    if response.keeps_form() {
        return false;
    }
    let headers = response.headers();
    let speaks_of_bytes =
        ["Content-Digest", "Repr-Digest", "Digest", "Content-MD5"].iter().any(|name| headers.contains(name));
    !speaks_of_bytes && !has_token(headers.get_all("Cache-Control"), "no-transform")
}

impl CompressPolicy {
    /// Whether the response may be compressed for a client that takes it.
    fn is_worth(&self, request: &Request, response: &Response) -> bool {
        // Those have no body, or a part of one.
        if matches!(response.status_code(), 100..200 | 204 | 205 | 206) {
            return false;
        }
        let is_bare = is_bare_head(request, response);
        let length = if is_bare { named_length(response) } else { response.content_length() };
        self.is_worth_at(length, response)
    }

    /// Whether the response is a part of what may be compressed when all of it is sent.
    fn is_part_of_worth(&self, response: &Response) -> bool {
        let length = match response.header("Content-Range").and_then(ContentRange::parse) {
            Some(ContentRange::Part { length, .. }) => length,
            _ => None,
        };
        self.is_worth_at(length, response)
    }

    fn is_worth_at(&self, length: Option<u64>, response: &Response) -> bool {
        let is_large = length.is_none_or(|length| length >= self.min_bytes);
        // What is sent without a type is sent as plain text.
        is_large && self.types.has(response.content_type().unwrap_or(b"text/plain"))
    }

    /// What the client wants most; `None`: the response as it is. Of a `live` one nothing is to be kept.
    fn choose(&self, request: &Request, is_live: bool) -> Option<(ContentCoding, CompressionLevel)> {
        let offered = self.codings.iter().filter(|(coding, _)| !is_live || Encoder::can_rest(*coding));
        let names = offered.clone().map(|(coding, _)| coding.name()).chain(["identity"]);
        let lines = request.headers().get_all("Accept-Encoding");
        let mut found = lines.clone();
        let name = match (found.next(), found.next()) {
            // Mostly there is one, which is looked for once.
            (Some(line), None) => AcceptEncoding::new([line]).preferred(names)?,
            _ => AcceptEncoding::new(lines).preferred(names)?,
        };
        self.codings.iter().find(|(coding, _)| coding.name() == name).copied()
    }
}

/// Whether this is the answer to `HEAD` of a handler that makes no body for it, but names the length of the one that it
/// would have made.
fn is_bare_head(request: &Request, response: &Response) -> bool {
    let names_some = || named_length(response).is_some_and(|length| length > 0);
    request.is_head() && response.content_length() == Some(0) && names_some()
}

/// The length that the response names.
fn named_length(response: &Response) -> Option<u64> {
    response.header_str("Content-Length")?.parse().ok()
}

/// Has the response, to a `HEAD`, name no length: that of a compressed body is known when it is made.
fn forget_length(response: &mut Response) {
    response.headers_mut().remove("Content-Length");
    // Nobody asks it for anything; a body that is there has a length.
    response.set_body_reader(std::io::empty());
}
