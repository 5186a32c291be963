//! Compressed responses take their coders, and what they are compressed into, from pools.
//!
//! The memory of zstd's coders is C's and not counted here; that they are used again is shown beside their pool.

use anthill_http::body::ContentCoding;
use anthill_http::{CompressPolicy, Handler, Request, RequestCtx, compress};

use crate::bytes_asked_for;

const CODINGS: [ContentCoding; 4] =
    [ContentCoding::Gzip, ContentCoding::Deflate, ContentCoding::Brotli, ContentCoding::Zstd];

/// Windows of responses, and how many there are in one.
const WINDOWS: usize = 10;
const WINDOW: usize = 20;

fn asked_of(coding: ContentCoding) -> RequestCtx {
    let mut request = Request::new("GET", "/").expect("a request");
    request.set_header("Accept-Encoding", coding.name());
    RequestCtx::for_request(request, None)
}

/// How many bytes each window asks for.
fn windows(ctx: &mut RequestCtx, handler: &impl Handler, after: impl Fn(&mut RequestCtx)) -> Vec<usize> {
    let mut run = || {
        ctx.response.clear();
        handler.handle(ctx);
        assert!(ctx.response.content_encoding().is_some());
        after(ctx);
    };
    (0..WINDOW).for_each(|_| run());
    (0..WINDOWS).map(|_| bytes_asked_for(|| (0..WINDOW).for_each(|_| run()))).collect()
}

#[test]
fn cmp_02_nothing_is_allocated_per_compressed_response() {
    for coding in CODINGS {
        let page = "a line of a page, which is like the next one\n".repeat(100);
        let handler = compress(move |ctx: &mut RequestCtx| ctx.set_body(&page), CompressPolicy::new());
        let counts = windows(&mut asked_of(coding), &handler, |_| ());
        assert!(counts.contains(&0), "{coding:?}, bytes in each window: {counts:?}");
    }
}

#[test]
fn cmp_04_no_coder_is_allocated_per_stream() {
    for coding in CODINGS {
        let page = || std::io::Cursor::new("a line of a page, which is like the next one\n".repeat(1000));
        let handler =
            compress(move |ctx: &mut RequestCtx| ctx.response.set_body_reader(page()), CompressPolicy::new());
        let counts = windows(&mut asked_of(coding), &handler, |ctx| {
            ctx.response.read_body(100_000).expect("a body");
        });
        // The reader's own body, a buffer for what it gives, and what is collected here. The smallest coder is 300 KB
        // more.
        let least = counts.iter().min().map(|bytes| bytes / WINDOW);
        assert!(least.is_some_and(|bytes| bytes < 200_000), "{coding:?}, bytes in each window: {counts:?}");
    }
}
