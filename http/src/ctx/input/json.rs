//! Bodies that are JSON, both ways.
//!
//! The rule: type and coding are looked at before the body is waited for, and its length before it is parsed.

use super::error::{InputError, InputPart};
use super::structures::missing;
use crate::ctx::{RequestCtx, StatusError};
use crate::message::problem::append_segment;
use crate::message::request::Request;
use crate::util::cut::cut;
use crate::util::token;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

/// What comes out of a coding at most, where nothing else is said.
const DECODED_BYTES_DEFAULT: u64 = 32 * 1024 * 1024;

/// JSON, with the feature `json`.
impl RequestCtx {
    /// The body as the value that its JSON says. It is waited for, whole, and at most as much of it as the server's
    /// [`max_request_body_size`](crate::ServerBuilder::max_request_body_size) allows; that bounds also what comes out
    /// of a content coding (without it, and without a server: 32 MiB). Lists and objects may be 127 deep.
    ///
    /// ```
    /// use anthill_http::{Handler, InputError, Request, RequestCtx};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Order { items: Vec<Item> }
    /// #[derive(Deserialize)]
    /// struct Item { name: String, count: u32 }
    ///
    /// fn order(ctx: &mut RequestCtx) -> Result<(), InputError> {
    ///     let order: Order = ctx.json()?;
    ///     let text: Vec<String> = order.items.iter().map(|item| format!("{} {}", item.count, item.name)).collect();
    ///     ctx.set_body(text.join(", "));
    ///     Ok(())
    /// }
    /// let said = |body: &str| {
    ///     let mut request = Request::new("POST", "/").unwrap();
    ///     request.set_content_type("application/json");
    ///     request.set_body(body);
    ///     let mut ctx = RequestCtx::for_request(request, None);
    ///     order.handle(&mut ctx);
    ///     (ctx.response.status_code(), ctx.response.body_str().unwrap().to_owned())
    /// };
    /// assert_eq!(said(r#"{"items": [{"name": "leaf", "count": 2}]}"#), (200, "2 leaf".to_owned()));
    /// let (status, problem) = said(r#"{"items": [{"name": "leaf", "count": -2}]}"#);
    /// assert_eq!(status, 422);
    /// assert!(problem.ends_with(r##""pointer":"#/items/0/count"}]}"##));
    /// let (status, problem) = said(r#"{"items": ["#);
    /// assert_eq!(status, 400);
    /// assert!(problem.contains("EOF while parsing a list at line 1 column 11"));
    /// ```
    ///
    /// # Errors
    /// 415 when its type is not `application/json` or one that ends in `+json`, or its coding is not known; 413 when it
    /// is too large; 400 when it is empty, no JSON (with line and column), or cannot be read; 422 when it is other JSON
    /// than `T`, with a pointer to the place.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, InputError> {
        if !is_json(self.request.content_type().unwrap_or_default()) {
            return Err(InputError::unsupported(
                "the content type is not one of JSON: send application/json",
            ));
        }
        let known = self.request.check_codings();
        known.map_err(|error| InputError::unreadable(InputPart::Body, &error))?;
        let decoded_max = self.body_max.unwrap_or(DECODED_BYTES_DEFAULT);
        self.read_body().map_err(|error| InputError::of_reading(&error))?;
        let body = self.request.body_uncompressed(decoded_max);
        parse(&body.map_err(|error| InputError::of_reading(&error))?)
    }

    /// Makes `value` the body, as JSON, of type `application/json`. The status and other fields stay.
    ///
    /// A value that is none, such as a map whose keys are no texts, is a mistake of the program's: it is logged, and
    /// answered 500.
    ///
    /// ```
    /// use anthill_http::RequestCtx;
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// struct Ant { legs: u8 }
    ///
    /// let mut ctx = RequestCtx::default();
    /// ctx.set_status_code(201);
    /// ctx.send_json(&Ant { legs: 6 });
    /// assert_eq!((ctx.response.status_code(), ctx.response.body()), (201, &br#"{"legs":6}"#[..]));
    /// assert_eq!(ctx.response.content_type_str(), Some("application/json"));
    /// ```
    pub fn send_json(&mut self, value: &(impl Serialize + ?Sized)) {
        if let Err(error) = self.response.set_json(value) {
            self.answer_error_of("response in JSON", &error);
        }
    }
}

/// 500: what a program says in JSON itself is its own mistake. What a client has said is read by
/// [`RequestCtx::json`].
impl StatusError for serde_json::Error {
    fn status(&self) -> u16 {
        500
    }
}

impl Request {
    /// Makes `value` the body, as JSON, of type `application/json`; with the feature `json`.
    ///
    /// # Errors
    /// When the value is none, such as a map whose keys are no texts. Nothing has changed then.
    pub fn set_json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        let body = serde_json::to_vec(value)?;
        self.set_content_type("application/json");
        self.set_body_vec(body);
        Ok(())
    }
}

/// Whether it is a type of JSON: RFC 8259 section 11, or, by its suffix, RFC 6839 section 3.1.
fn is_json(content_type: &[u8]) -> bool {
    let essence = token::trim(cut(content_type, b';').0);
    let suffix = essence.last_chunk::<5>();
    essence.eq_ignore_ascii_case(b"application/json")
        || essence.contains(&b'/') && suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, InputError> {
    if body.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        return Err(InputError::syntax("the body is empty: send JSON"));
    }
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error))
}

/// What is wrong, and where.
#[cold]
fn explain<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> InputError {
    if error.classify() != Category::Data {
        return InputError::syntax(format_args!("the body is not JSON: {error}"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let mut pointer = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => pointer_of(error.path()),
        Ok(_) => String::new(),
    };
    let text = error.to_string();
    if let Some(field) = missing(&text) {
        append_segment(&mut pointer, field);
        return InputError::missing(InputPart::Body, "").at(&pointer);
    }
    if pointer.is_empty() {
        return InputError::invalid_whole(InputPart::Body, text);
    }
    InputError::invalid(InputPart::Body, "", text).at(&pointer)
}

/// The path as a JSON pointer.
fn pointer_of(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => append_segment(&mut pointer, itoa::Buffer::new().format(*index)),
            Segment::Map { key } => append_segment(&mut pointer, key),
            Segment::Enum { variant } => append_segment(&mut pointer, variant),
            Segment::Unknown => append_segment(&mut pointer, "?"),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctx::InputErrorKind;
    use serde::Deserialize;
    use serde_json::Value;
    use std::collections::BTreeMap;

    fn of<T: DeserializeOwned>(content_type: &str, body: &[u8]) -> Result<T, InputError> {
        let mut request = Request::new("POST", "/").expect("a request");
        request.set_content_type(content_type);
        request.set_body(body);
        RequestCtx::for_request(request, None).json()
    }

    #[test]
    fn types_of_json_and_no_others() {
        for content_type in [
            "application/json",
            "Application/JSON ; charset=utf-8",
            "application/problem+json",
            "application/vnd.api+json;x=y",
            "image/svg+JSON",
        ] {
            assert_eq!(of::<u8>(content_type, b" 1\r\n").ok(), Some(1), "{content_type}");
        }
        for content_type in
            ["", "text/plain", "text/json", "application/jsonp", "+json", "application/json+x", "json"]
        {
            let error = of::<u8>(content_type, b"1").expect_err(content_type);
            assert_eq!((error.status(), error.kind()), (415, InputErrorKind::Unsupported));
        }
    }

    #[test]
    fn what_is_no_json_says_where() {
        for (body, text) in [
            (&b""[..], "the body is empty: send JSON"),
            (b" \r\n\t", "the body is empty: send JSON"),
            (b"{\n  \"a\": 01}", "the body is not JSON: invalid number at line 2 column 9"),
            (b"1 2", "the body is not JSON: trailing characters at line 1 column 3"),
            (b"\"\xff\"", "the body is not JSON: invalid unicode code point at line 1 column 2"),
            (b"{", "the body is not JSON: EOF while parsing an object at line 1 column 1"),
        ] {
            let error = of::<Value>("application/json", body).expect_err(text);
            assert_eq!(
                (error.status(), error.kind(), error.to_string()),
                (400, InputErrorKind::Syntax, text.into())
            );
        }
    }

    #[test]
    fn depth_is_bounded_whatever_is_read() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(of::<Value>("application/json", &nested(127)).is_ok());
        for depth in [128, 1000, 1_000_000] {
            let error = of::<Value>("application/json", &nested(depth)).expect_err("too deep");
            assert_eq!((error.status(), error.kind()), (400, InputErrorKind::Syntax));
            assert!(error.to_string().contains("recursion limit exceeded"), "{error}");
        }
        // What is not wanted is passed over without a stack.
        let mut body = b"{\"a\":1,\"other\":".to_vec();
        body.extend(nested(1_000_000));
        body.push(b'}');
        #[derive(Deserialize)]
        struct Little {
            a: u8,
        }
        assert_eq!(of::<Little>("application/json", &body).map(|little| little.a).ok(), Some(1));
    }

    #[test]
    fn another_shape_says_where() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code, reason = "only that it can be read counts")]
        struct Order {
            items: Vec<Item>,
            by: Option<BTreeMap<String, u8>>,
        }
        #[derive(Debug, Deserialize)]
        #[allow(dead_code, reason = "only that it can be read counts")]
        struct Item {
            count: u32,
        }
        for (body, kind, pointer, reason) in [
            ("{}", InputErrorKind::Missing, "/items", "is missing"),
            (r#"{"items":[{"count":1},{}]}"#, InputErrorKind::Missing, "/items/1/count", "is missing"),
            (
                r#"{"items":[{"count":1},{"count":"two"}]}"#,
                InputErrorKind::Invalid,
                "/items/1/count",
                "invalid type: string \"two\", expected u32 at line 1 column 36",
            ),
            (
                r#"{"items":[],"by":{"a/b~":300}}"#,
                InputErrorKind::Invalid,
                "/by/a~1b~0",
                "invalid value: integer `300`, expected u8 at line 1 column 28",
            ),
        ] {
            let error = of::<Order>("application/json", body.as_bytes()).expect_err(body);
            assert_eq!((error.status(), error.kind()), (422, kind), "{body}");
            assert_eq!((error.field(), error.reason()), (Some(pointer), reason), "{body}");
        }
        let whole = of::<Order>("application/json", b"7").unwrap_err();
        assert_eq!((whole.status(), whole.field()), (422, None));
        assert!(whole.to_string().starts_with("the body is not valid: invalid type: integer `7`"), "{whole}");
        // As serde has it: the type decides what becomes of a name that is there twice.
        let twice = of::<Order>("application/json", br#"{"items":[],"items":[]}"#).unwrap_err();
        assert!(twice.to_string().contains("duplicate field `items`"), "{twice}");
        let last: Value = of("application/json", br#"{"a":1,"a":2}"#).expect("the last one counts");
        assert_eq!(last["a"], 2);
    }

    #[test]
    fn what_cannot_be_said_is_answered_500_and_nothing_of_it_sent() {
        let mut ctx = RequestCtx::new();
        ctx.set_status_code(201);
        ctx.send_json(&BTreeMap::from([(vec![1], 1)]));
        assert_eq!(
            (ctx.response.status_code(), ctx.response.body_str()),
            (500, Some("Internal Server Error"))
        );
        assert_eq!(ctx.response.content_type_str(), Some("text/plain; charset=utf-8"));
        let mut request = Request::new("POST", "/").expect("a request");
        assert!(request.set_json(&BTreeMap::from([(vec![1], 1)])).is_err());
        assert_eq!((request.content_type(), request.body()), (None, &b""[..]));
        request.set_json("a\"").expect("text");
        assert_eq!(request.body(), br#""a\"""#);
    }
}
