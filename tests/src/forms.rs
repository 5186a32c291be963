//! Requests that carry forms.

use anthill_http::{Request, RequestCtx};

/// The media type of pairs.
pub const URLENCODED: &str = "application/x-www-form-urlencoded";
/// The media type of parts between lines of `--sep`.
pub const MULTIPART: &str = "multipart/form-data; boundary=sep";

/// A context for a POST to `target` of this type and body.
pub fn posted(target: &str, content_type: &str, body: impl AsRef<[u8]>) -> RequestCtx {
    let mut request = Request::new("POST", target).expect("a request");
    request.set_host("h").expect("a host");
    request.set_content_type(content_type);
    request.set_body(body);
    RequestCtx::for_request(request, None)
}

/// The bytes of such a request, with further header fields.
pub fn post_message(target: &str, content_type: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\n{fields}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A value as text.
pub fn text(value: Option<impl AsRef<[u8]>>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value.as_ref()).into_owned())
}
