//! Whatever bytes a client sends as query, form or JSON: it is read, or answered from 400 to 499, and nothing panics.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use anthill_http::{InputError, Request, RequestCtx, Server};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[allow(dead_code, reason = "only that it can be read counts")]
struct Everything {
    number: i16,
    real: Option<f32>,
    #[serde(default)]
    list: Vec<u8>,
    word: Option<String>,
    letter: Option<char>,
    choice: Option<Choice>,
    #[serde(default)]
    yes: bool,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only that it can be read counts")]
#[serde(rename_all = "lowercase")]
enum Choice {
    One,
    Two(u8),
    Three { inside: Box<Option<Everything>> },
}

fn read(ctx: &mut RequestCtx) -> Result<(), InputError> {
    let by_query = ctx.query::<Everything>().map(drop);
    let _ = ctx.query::<BTreeMap<String, Vec<String>>>();
    let _ = ctx.parse_query_arg_opt::<f64>("number");
    match ctx.path() {
        "/query" => by_query,
        "/form" => {
            let _ = ctx.parse_form_value::<u8>("number");
            ctx.form::<Everything>().map(drop)
        }
        _ => ctx.json::<Everything>().map(drop),
    }
}

/// The status; the server itself sees that nothing has panicked.
fn answered(server: &Server, request: &Request) -> u16 {
    let response = server.call(request).expect("an answer");
    let status = response.status_code();
    assert!(response.body().len() < 4096, "{} bytes of body", response.body().len());
    if response.content_type_str() == Some("application/problem+json") {
        let problem: serde_json::Value = serde_json::from_slice(response.body()).expect("it is JSON");
        assert_eq!(problem["status"], status);
    }
    assert_eq!(server.stats().panics, 0);
    status
}

/// Pieces of what such bodies are made of, and any bytes.
fn pieces(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..6),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const URLENCODED: &[&str] = &[
    "number", "real", "list", "word", "letter", "choice", "yes", "=", "=", "=", "&", "&", "&", "1", "-2",
    "1e9", "NaN", "%", "%41", "%ff", "%c3%a4", "+", "on", "one", "two", "three", ";", "[]",
];

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"number\":1",
    "\"list\":[1,2]",
    "\"word\":\"",
    "\"",
    "\\u00e4",
    "\\ud800",
    "null",
    "true",
    "1e400",
    "-",
    "0.1",
    "\"choice\":{\"two\":",
    "{\"three\":{\"inside\":",
    " ",
    "\n",
    "\"letter\":\"ab\"",
    "\"rest\":",
];

const CODINGS: &[&str] = &["", "", "", "identity", "gzip", "deflate", "br", "zstd", "gzip, gzip", "unknown"];

const TYPES: &[&str] = &[
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=x",
    "multipart/form-data; boundary=number",
    "multipart/form-data",
    "application/json",
    "a/b+json",
    "text/plain",
    "",
];

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    Server::builder().max_request_body_size(64 * 1024).build(read).expect("options that go together")
});

/// The status of what is answered to such a body.
fn posted(path: &str, body: Vec<u8>, content_type: &str, coding: &str) -> u16 {
    let mut request = Request::new("POST", path).expect("a request");
    request.set_content_type(content_type);
    request.set_content_encoding(coding);
    request.set_body(body);
    answered(&SERVER, &request)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn any_query(bytes in pieces(URLENCODED)) {
        // What cannot stand in a target is sent as an escape.
        let query: String = bytes
            .iter()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'=' | b'&' | b'%' | b'+' | b';' | b'-' | b'.' => {
                    char::from(*byte).to_string()
                }
                _ => format!("%{byte:02x}"),
            })
            .collect();
        let request = Request::new("GET", format!("/query?{query}")).expect("a target");
        let status = answered(&SERVER, &request);
        prop_assert!(matches!(status, 200 | 400), "{status} {query}");
    }

    #[test]
    fn any_form(
        bytes in pieces(URLENCODED),
        content_type in prop::sample::select(TYPES),
        coding in prop::sample::select(CODINGS),
    ) {
        let status = posted("/form", bytes, content_type, coding);
        prop_assert!(matches!(status, 200 | 400 | 413 | 415 | 422), "{status}");
    }

    #[test]
    fn any_json(
        bytes in pieces(JSON),
        content_type in prop::sample::select(TYPES),
        coding in prop::sample::select(CODINGS),
    ) {
        let status = posted("/json", bytes, content_type, coding);
        prop_assert!(matches!(status, 200 | 400 | 413 | 415 | 422), "{status}");
    }
}

/// The strategies make what is right, too; otherwise only errors were tried.
#[test]
fn what_is_right_is_read() {
    let request = Request::new("GET", "/query?number=1&list=1&list=2&choice=one&yes=on").expect("a request");
    assert_eq!(answered(&SERVER, &request), 200);
    let mut request = Request::new("POST", "/json").expect("a request");
    request.set_json(&serde_json::json!({
        "number": 1, "list": [1], "choice": {"three": {"inside": {"number": 2, "choice": {"two": 3}}}}, "more": [{}],
    })).expect("JSON");
    assert_eq!(answered(&SERVER, &request), 200);
}
