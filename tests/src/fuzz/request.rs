//! Requests: parsed from any bytes, written again, and built from any parts.
//!
//! The rule: a request is the same whether it was received, copied, or written and received again; and whatever can be
//! built can be sent (row `HDR-05`).

use anthill_http::header::Fields;
use anthill_http::{Request, Version};

use super::plan::{Plan, fields};
use super::reference;

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    if plan.is_yes() {
        check_built(input);
    } else {
        check_received(input);
    }
}

fn check_received(input: &[u8]) {
    let (request, length) = match Request::parse(input) {
        Ok(Some(found)) => found,
        Ok(None) => return,
        Err(error) => {
            // No verdict is taken back.
            let more = [input, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
            assert_eq!(Request::parse(&more).err(), Some(error), "another verdict on more of the same");
            return;
        }
    };
    let expected = reference::requests(input).into_iter().next().expect("a request, since one was found");
    assert_eq!((request.body(), expected.body.state), (&expected.body.bytes[..], reference::State::Complete));
    assert_eq!((request.method().as_bytes(), request.request_uri()), (expected.method, expected.target));
    judge_path(request.path());
    judge_views(&request, input);
    // The end is found as soon as it is there, and not before.
    let again = Request::parse(&input[..length]).expect("a request, as before").expect("a complete one");
    assert_eq!(again.1, length);
    assert_same(&again.0, &request);
    let step = length / 50 + 1;
    for cut in (0..length).step_by(step).chain(length.checked_sub(1)) {
        let is_incomplete = matches!(Request::parse(&input[..cut]), Ok(None));
        assert!(is_incomplete, "{cut} of {length} bytes are a request, or none");
    }
    assert_same(&request.clone(), &request);
    // What is added when it is written must not take it beyond the limits of a head.
    if length - request.body().len() < 15_000 && request.headers().len() < 120 {
        check_sent(&request);
    }
}

fn check_built(input: &[u8]) {
    let [method, target, host, name, value, body] = fields::<6>(input);
    let Ok(mut request) = Request::new(method, target) else { return };
    judge_path(request.path());
    if request.set_host(host).is_err() && request.host().is_empty() {
        return;
    }
    let before = request.clone();
    if request.set_request_uri(value).is_err() {
        assert_same(&request, &before);
    }
    request = before.clone();
    if request.set_method(name).is_err() {
        assert_same(&request, &before);
    }
    request = before;
    request.append_header(name, value);
    request.set_header(value, name);
    request.set_body(body);
    if request.version() == Version::Http11 && request.host().is_empty() {
        return;
    }
    // These are read by every server, so that their values have to make sense.
    let is_fine = |(name, _): (&str, &[u8])| {
        !["connection", "expect", "host", "trailer"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    if request.headers().iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")).all(is_fine) {
        check_sent(&request);
    }
}

/// Writes the request and reads it again.
fn check_sent(request: &Request) {
    let mut sent = Vec::new();
    request.write_to(&mut sent).expect("a vector takes all");
    let found = Request::parse(&sent).unwrap_or_else(|error| panic!("{error} in {}", sent.escape_ascii()));
    let (again, length) = found.unwrap_or_else(|| panic!("not complete: {}", sent.escape_ascii()));
    assert_eq!(length, sent.len(), "not all of it is the request: {}", sent.escape_ascii());
    assert_eq!(
        (
            again.method(),
            again.request_uri(),
            again.path(),
            again.query(),
            again.host(),
            again.version(),
            again.body()
        ),
        (
            request.method(),
            request.request_uri(),
            request.path(),
            request.query(),
            request.host(),
            request.version(),
            request.body()
        ),
        "{}",
        sent.escape_ascii()
    );
    // Without a body there is nothing to be asked for (RFC 9110 section 10.1.1).
    let is_void = |name: &str, value: &[u8]| {
        request.body().is_empty()
            && name.eq_ignore_ascii_case("expect")
            && value.eq_ignore_ascii_case(b"100-continue")
    };
    let kept = |fields: Fields<'_>| -> Vec<(String, Vec<u8>)> {
        let left_out = ["host", "content-length", "transfer-encoding", "trailer"];
        fields
            .iter()
            .filter(|(name, _)| !left_out.iter().any(|left_out| name.eq_ignore_ascii_case(left_out)))
            .filter(|(name, value)| !is_void(name, value))
            .map(|(name, value)| (name.to_owned(), value.trim_ascii().to_vec()))
            .collect()
    };
    assert_eq!(kept(again.headers()), kept(request.headers()), "{}", sent.escape_ascii());
}

fn assert_same(one: &Request, other: &Request) {
    let parts = |request: &Request| {
        let fields: Vec<(String, Vec<u8>)> = request
            .headers()
            .iter()
            .chain(request.trailers())
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect();
        let line = [request.request_uri().to_vec(), request.query().to_vec(), request.host().to_vec()];
        (request.method().to_owned(), line, request.path().to_owned(), fields, request.body().to_vec())
    };
    assert_eq!(parts(one), parts(other));
}

/// What is read out of a request's parts fits them.
fn judge_views(request: &Request, input: &[u8]) {
    let lines = request.raw_headers();
    assert!(lines.ends_with(b"\r\n"), "{}", lines.escape_ascii());
    assert!(input.windows(lines.len()).any(|window| window == lines), "{}", lines.escape_ascii());
    if let Ok(uri) = request.uri()
        && !request.is_connect()
        && request.request_uri() != b"*"
    {
        assert_eq!((uri.path(), uri.query()), (request.path(), request.query()));
        assert_eq!(uri.host().len().min(1), request.host().len().min(1));
    }
    let length = request.body().len() as u64;
    if let Some(Ok(ranges)) = request.byte_ranges(length) {
        assert!(ranges.into_iter().all(|range| range.last() < length));
    }
    assert!(request.cookies().all(|(name, value)| !name.contains(&b';') && !value.contains(&b';')));
    let _ = (request.multipart_boundary(), request.accepts_encoding("gzip"), request.wants_upgrade());
}

fn judge_path(path: &str) {
    assert!(path.starts_with('/') && path.split('/').all(|segment| segment != ".."), "{path:?}");
}
