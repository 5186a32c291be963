//! Values that need no memory are read and sent without any: numbers from texts and from JSON, and JSON in a buffer
//! that is used again; and an error costs none for the sake of those who want it to look otherwise.
//!
//! Here nothing else is at work, so not one byte may be asked for.

use anthill_http::{Request, RequestCtx};
use serde::{Deserialize, Serialize};

use crate::bytes_asked_for;

#[derive(Deserialize, Serialize)]
struct Ant {
    legs: u32,
    length: f64,
    is_queen: bool,
}

#[track_caller]
fn assert_free(ctx: &mut RequestCtx, run: impl Fn(&mut RequestCtx)) {
    // Until the memory has its size.
    (0..3).for_each(|_| run(ctx));
    assert_eq!(bytes_asked_for(|| (0..1_000).for_each(|_| run(ctx))), 0);
}

#[test]
fn no_allocation_for_values_by_type() {
    let mut request = Request::new("POST", "/?page=2&size=-3").unwrap();
    request.set_header("X-Version", "7");
    request.set_cookie("user", "8");
    request.set_content_type("application/vnd.ants+json");
    request.set_body(r#"{"legs": 6, "length": 0.7, "is_queen": false, "other": "not wanted"}"#);
    let ctx = &mut RequestCtx::for_request(request, None);
    assert_free(ctx, |ctx| {
        let page: u32 = ctx.parse_query_arg("page").unwrap();
        let size: i8 = ctx.parse_query_arg("size").unwrap();
        let version: u32 = ctx.parse_header("x-version").unwrap();
        let user: u32 = ctx.parse_cookie("user").unwrap();
        assert_eq!((page, size, version, user), (2, -3, 7, 8));
        assert!(ctx.parse_query_arg_opt::<u8>("none").unwrap().is_none());
    });
    assert_free(ctx, |ctx| {
        let ant: Ant = ctx.json().unwrap();
        assert_eq!(ant.legs, 6);
        ctx.send_json(&ant);
    });
    assert_eq!(ctx.response.body(), br#"{"legs":6,"length":0.7,"is_queen":false}"#);
    assert_free(ctx, RequestCtx::not_found);
}
