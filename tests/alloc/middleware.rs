//! What is around handlers costs a request no memory, and a client that is known to a limit none either.

use std::time::Duration;

use anthill_http::middleware::{
    CatchErrors, ConcurrencyLimit, Cors, EtagPolicy, RateLimit, RequestIds, SecurityHeaders, catch_errors,
    concurrency_limit, cors, etag, rate_limit, request_id, security_headers,
};
use anthill_http::{Handler, Request, RequestCtx};

use crate::bytes_asked_for;

fn answer(ctx: &mut RequestCtx) {
    ctx.set_body("served");
}

#[track_caller]
fn takes_nothing(name: &str, handler: impl Handler) {
    let mut request = Request::new("GET", "/").unwrap();
    request.set_header("Origin", "https://app.example");
    let mut ctx = RequestCtx::for_request(request, Some(([192, 0, 2, 1], 50_000).into()));
    let mut serve = || {
        ctx.response.clear();
        handler.handle(&mut ctx);
        assert_eq!(ctx.response.status_code(), 200);
    };
    // Until the memory has its size.
    serve();
    let bytes = bytes_asked_for(|| (0..1_000).for_each(|_| serve()));
    assert_eq!(bytes, 0, "{name}");
}

#[test]
fn no_allocation_per_request_for_what_is_around_its_handler() {
    let policy =
        Cors::builder().origins(["https://app.example"]).credentials(true).expose(["X-Key"]).build().unwrap();
    let often = RateLimit::builder().requests(100_000).per(Duration::from_secs(60)).build().unwrap();
    let few = ConcurrencyLimit::builder(1).build().unwrap();
    takes_nothing("request_id", request_id(answer, RequestIds::new()));
    takes_nothing("security_headers", security_headers(answer, SecurityHeaders::new()));
    takes_nothing("cors", cors(answer, policy));
    takes_nothing("rate_limit", rate_limit(answer, often));
    takes_nothing("concurrency_limit", concurrency_limit(answer, few));
    takes_nothing("etag", etag(answer, EtagPolicy::new()));
    takes_nothing("catch_errors", catch_errors(answer, CatchErrors::new(|_, _| ())));
}
