//! Responses that are compressed: whatever the client and the handler say, the client gets what it can read, caches
//! learn what it varies by, and what speaks of its bytes has them.

use std::io::Read;

use anthill_http::body::ContentDecoder;
use anthill_http::header::{AcceptEncoding, EntityTag, has_token};
use anthill_http::{CompressPolicy, Handler, Request, RequestCtx, Response, TagChange, compress};

use super::plan::{Plan, fields, shown};

/// Long enough to be compressed.
const BODY: &str = "one line, and another one\n";

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let [accepted, more, tag, shown_tags, vary, other] = fields::<6>(input);
    let suffixes = plan.is_yes();
    let status = [200, 404, 304, 206, 204][plan.below(5)];
    let name = ["Cache-Control", "Content-Encoding", "Content-Range", "Content-Type"][plan.below(4)];
    let body = BODY.repeat(plan.below(30));

    let mut request = Request::new("GET", "/").expect("a request");
    for line in [accepted, more] {
        request.append_header("Accept-Encoding", line);
    }
    request.set_header("If-None-Match", shown_tags);
    // As they are read: what cannot stand on a line was taken out.
    let lines: Vec<Vec<u8>> = request.headers().get_all("Accept-Encoding").map(<[u8]>::to_vec).collect();
    let before = {
        let (body, tag, vary, other) = (body.clone(), tag.to_vec(), vary.to_vec(), other.to_vec());
        move |response: &mut Response| {
            response.set_status_code(status);
            response.set_header("ETag", &tag);
            response.set_header("Vary", &vary);
            if !other.is_empty() {
                response.set_header(name, &other);
            }
            response.set_body(&body);
        }
    };
    let mut bare = Response::new();
    before(&mut bare);
    let tags = if suffixes { TagChange::Suffix } else { TagChange::Weaken };
    let handler = compress(
        move |ctx: &mut RequestCtx| before(&mut ctx.response),
        CompressPolicy::new().entity_tags(tags),
    );
    let mut ctx = RequestCtx::for_request(request, None);
    handler.handle(&mut ctx);

    let response = &ctx.response;
    assert_eq!(response.status_code(), status);
    let packed = response.content_encoding().filter(|_| bare.content_encoding().is_none());
    match packed {
        Some(coding) => {
            let coding = std::str::from_utf8(coding).expect("a name of ours");
            let accepted = AcceptEncoding::new(&lines);
            assert!(accepted.accepts(coding), "{coding} to a client that says {}", shown(input));
            let best = ["br", "gzip", "deflate", "zstd", "identity"].map(|known| accepted.quality(known));
            assert_eq!(best.into_iter().max(), Some(accepted.quality(coding)), "{}", shown(input));
            let mut content = String::new();
            let mut decoder = ContentDecoder::new(coding, response.body()).expect("a coding of ours");
            decoder.read_to_string(&mut content).expect("what was packed");
            assert_eq!(content, body);
            assert!(![204, 206, 304].contains(&status) && response.body().len() < body.len());
            let vary = || response.headers().get_all("Vary");
            assert!(has_token(vary(), "Accept-Encoding") || has_token(vary(), "*"));
            let tag = |response: &Response| {
                response.header("ETag").and_then(EntityTag::parse).map(|tag| tag.is_weak())
            };
            assert!(suffixes || tag(response) != Some(false), "a strong tag of other bytes");
            assert_eq!(tag(response).is_some(), tag(&bare).is_some());
        }
        None => assert_eq!(response.body(), bare.body()),
    }
    for name in ["Vary", "ETag", "Content-Encoding"] {
        assert!(response.headers().get_all(name).count() <= 1, "{name} twice: {}", shown(input));
    }
}
