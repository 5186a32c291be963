//! Requests that carry forms.

use std::io::Read;

use anthill_http::form::FormFile;
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

/// A form of one value and one file.
pub const SMALL_FORM: &str = "--sep\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n\
    --sep\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n12345\r\n--sep--\r\n";

/// The content of a file of a form.
pub fn content(file: &FormFile) -> Vec<u8> {
    let mut content = Vec::new();
    file.reader().read_to_end(&mut content).expect("a file that can be read");
    content
}

/// Bytes without a pattern that a wrong position could hide behind.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}
