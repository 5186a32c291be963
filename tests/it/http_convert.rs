//! From and to the types of the crate `http`.
//!
//! The idea: any message that one side can hold goes to the other and back. The rule: what comes back is equal in all
//! that both can say: method, target, version, status, body, and all values of each header field in their order.

use anthill_http::{ConvertError, Headers, IntoStatus, Request, RequestCtx, RequestError, Response, Version};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;

/// Fields as pairs, sorted by name; values of one name stay in their order.
fn sorted<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<(String, Vec<u8>)> {
    let mut pairs: Vec<_> =
        fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    pairs
}

/// The same of a map.
fn sorted_map(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    sorted(map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// Any header fields that the crate can hold, but those that say where a message goes.
fn header_map() -> impl Strategy<Value = HeaderMap> {
    let name = "[a-z][a-z0-9!#$%&'*+.^_`|~-]{0,5}|x-a|set-cookie";
    let value = vec(prop_oneof![Just(b'\t'), 0x20..0x7f_u8, 0x80..=0xff_u8], 0..12);
    vec((name, value), 0..12).prop_map(|pairs| {
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().filter(|(name, _)| name != "host") {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            map.append(name, HeaderValue::from_bytes(value).expect("a value"));
        }
        map
    })
}

/// Method, target, host: of every form a request line can have.
fn target() -> impl Strategy<Value = (String, String, String)> {
    let host = "[a-z]{1,5}(\\.[a-z]{2})?(:[1-9][0-9]{0,3})?";
    let path = "/[a-zA-Z0-9/._~%25-]{0,10}(\\?[a-z=&;+]{0,8})?";
    let method = "[A-Z]{3,7}|[a-z!#-]{1,6}";
    prop_oneof![
        (method, path, host).prop_filter("no CONNECT", |(method, ..)| method != "CONNECT"),
        (method, path, host, "http|https|ws")
            .prop_filter("no CONNECT", |(method, ..)| method != "CONNECT")
            .prop_map(|(method, path, host, scheme)| (method, format!("{scheme}://{host}{path}"), host)),
        "[a-z]{1,5}:[1-9][0-9]{0,3}".prop_map(|host| ("CONNECT".to_owned(), host.clone(), host)),
        host.prop_map(|host| ("OPTIONS".to_owned(), "*".to_owned(), host)),
    ]
}

proptest! {
    #[test]
    fn header_fields_go_there_and_back(map in header_map()) {
        let headers = Headers::from(&map);
        prop_assert_eq!(sorted(&headers), sorted_map(&map));
        prop_assert_eq!(HeaderMap::try_from(&headers).expect("fields"), map.clone());
        prop_assert_eq!(HeaderMap::try_from(headers.fields()).expect("fields"), map);
    }

    #[test]
    fn requests_go_there_and_back(
        (method, target, host) in target(),
        map in header_map(),
        body in vec(any::<u8>(), 0..20),
        is_old: bool,
    ) {
        let mut request = Request::new(&method, &target).expect("a request");
        request.set_host(&host).expect("a host");
        request.set_version(if is_old { Version::Http10 } else { Version::Http11 });
        for (name, value) in &map {
            request.append_header(name, value);
        }
        request.set_body(&body);
        let there = http::Request::try_from(&request).expect("a request");
        prop_assert_eq!(there.method().as_str(), &method);
        prop_assert_eq!(there.uri().to_string(), target);
        prop_assert_eq!(there.version() == http::Version::HTTP_10, is_old);
        prop_assert_eq!(sorted_map(there.headers()), sorted(request.headers()));
        let back = Request::try_from(there).expect("a request");
        prop_assert_eq!((back.method(), back.request_uri()), (request.method(), request.request_uri()));
        prop_assert_eq!((back.host(), back.version()), (request.host(), request.version()));
        prop_assert_eq!(back.body(), request.body());
        prop_assert_eq!(sorted(back.headers()), sorted(request.headers()));
    }

    #[test]
    fn responses_go_there_and_back(status in 100..1000_u16, map in header_map(), body in vec(any::<u8>(), 0..20)) {
        let mut there = http::Response::new(body);
        *there.status_mut() = StatusCode::from_u16(status).expect("a status");
        *there.headers_mut() = map;
        let response = Response::from(there.clone());
        prop_assert_eq!((response.status_code(), response.body()), (status, &there.body()[..]));
        prop_assert_eq!(sorted(response.headers()), sorted_map(there.headers()));
        let back = http::Response::try_from(&response).expect("a response");
        prop_assert_eq!((back.status(), back.body()), (there.status(), there.body()));
        prop_assert_eq!(back.headers(), there.headers());
    }
}

#[test]
fn what_a_request_cannot_be_is_refused() {
    let build = |uri: &str, hosts: &[&str]| {
        let mut request = http::Request::builder().uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        Request::try_from(request.body("").expect("a request"))
    };
    assert_eq!(build("/a", &["h", "h"]).err(), Some(RequestError::Host));
    assert_eq!(build("/a", &["a b"]).err(), Some(RequestError::Host));
    // Without `CONNECT`, an authority is no target.
    assert_eq!(build("h:1", &[]).err(), Some(RequestError::Target));
    assert_eq!(build("http://u@h/", &[]).err(), Some(RequestError::Target));
    // The URI's host wins, as in a received request.
    let request = build("http://h/a", &["other"]).expect("a request");
    assert_eq!((request.host(), request.header_str("host")), (&b"h"[..], Some("h")));
    let request = build("/a", &[]).expect("a request");
    assert_eq!((request.host(), request.header_str("host")), (&b""[..], None));
}

/// RFC 9112 section 3.2.2: the host of the target is the host, and not what a peer says besides.
#[test]
fn hdr_07_the_host_that_counts_goes_there_and_back() {
    let message = b"GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n";
    let (mut request, _) = Request::parse(message).expect("a request").expect("all of it");
    request.set_request_uri("/y").expect("a target");
    let there = http::Request::try_from(&request).expect("a request");
    assert_eq!((there.uri().path(), there.headers()["host"].as_bytes()), ("/y", &b"a"[..]));
    assert_eq!(Request::try_from(there).expect("a request").host(), b"a");
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let mut response = Response::new();
    response.set_body_reader(std::io::empty());
    assert!(matches!(http::Response::try_from(&response), Err(ConvertError::Body)));
    let long = "x".repeat(70_000);
    response.set_body("");
    response.set_header(&long, "x");
    assert!(matches!(http::Response::try_from(&response), Err(ConvertError::Part(_))));
    let mut many = Headers::new();
    many.extend((0..40_000).map(|number| (format!("x-{number}"), "")));
    assert!(HeaderMap::try_from(&many).is_err(), "more than a map can hold");
}

#[test]
fn a_response_made_elsewhere_is_framed_here() {
    let forged = http::Response::builder()
        .header("transfer-encoding", "chunked")
        .header("content-length", "1000")
        .body("body")
        .expect("a response");
    let mut sent = Vec::new();
    Response::from(forged).write_to(&mut sent).expect("a vector");
    assert_eq!(
        String::from_utf8_lossy(&sent),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\nbody"
    );
}

#[test]
fn its_types_are_taken_where_ours_are() {
    let mut ctx = RequestCtx::default();
    ctx.set_status_code(StatusCode::CREATED);
    ctx.response.set_header(http::header::LOCATION, HeaderValue::from_static("/7"));
    assert_eq!((ctx.response.status_code(), ctx.response.header("location")), (201, Some(&b"/7"[..])));
    ctx.error("gone", StatusCode::GONE);
    assert_eq!(ctx.response.status_code(), 410);
    ctx.redirect("/x", StatusCode::SEE_OTHER);
    assert_eq!((ctx.response.status_code(), StatusCode::OK.into_status()), (303, 200));
    let request =
        Request::new(Method::PATCH.as_str(), http::Uri::from_static("/x").to_string()).expect("a request");
    assert_eq!((request.method(), request.path()), ("PATCH", "/x"));
    for (theirs, ours) in [
        (http::Version::HTTP_09, Version::Http10),
        (http::Version::HTTP_10, Version::Http10),
        (http::Version::HTTP_11, Version::Http11),
        (http::Version::HTTP_2, Version::Http11),
        (http::Version::HTTP_3, Version::Http11),
    ] {
        assert_eq!(Version::from(theirs), ours);
    }
    assert_eq!(http::Version::from(Version::Http10), http::Version::HTTP_10);
}
