//! A request that does not ask for its session, and one that is not from another page, cost no memory.

use anthill_http::middleware::{CsrfPolicy, MemoryStore, Sessions, csrf, sessions};
use anthill_http::{Handler, Request, RequestCtx};

use crate::bytes_asked_for;

#[test]
fn no_allocation_for_what_is_not_asked_for() {
    let kept = Sessions::builder(MemoryStore::new(10)).build().unwrap();
    let policy = CsrfPolicy::new().trust_origin("https://login.example").unwrap().exempt("/hooks/").unwrap();
    let answer = |ctx: &mut RequestCtx| ctx.set_body("plain");
    let handler = csrf(sessions(answer, kept), policy);
    for (method, field, value, body) in [
        ("GET", "Cookie", "session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "plain"),
        ("POST", "Sec-Fetch-Site", "same-origin", "plain"),
        ("POST", "Origin", "http://h.example", "plain"),
        ("POST", "Origin", "https://login.example", "plain"),
    ] {
        let mut request = Request::new(method, "http://h.example/").unwrap();
        request.set_header(field, value);
        let mut ctx = RequestCtx::for_request(request, None);
        // Until the memory has its size.
        handler.handle(&mut ctx);
        assert_eq!(ctx.response.body(), body.as_bytes(), "{method} {field}");
        let bytes = bytes_asked_for(|| (0..1_000).for_each(|_| handler.handle(&mut ctx)));
        assert_eq!(bytes, 0, "{method} {field}");
    }
}
