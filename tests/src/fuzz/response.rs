//! Responses made of any bytes: what is on the wire is one response, with the body that was set and nothing else.
//!
//! The rule: a field that is there was set, or is one that the server adds; so nothing was smuggled in.

use std::cell::RefCell;
use std::io::{Cursor, Write};
use std::sync::LazyLock;

use anthill_http::{Cookie, RequestCtx, Response, Server};

use super::line::{Habits, Line};
use super::plan::{Plan, fields};
use super::replies;

thread_local! {
    static PREPARED: RefCell<Option<Response>> = const { RefCell::new(None) };
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    Server::builder()
        .default_date(false)
        .build(|ctx: &mut RequestCtx| ctx.response = PREPARED.take().unwrap_or_default())
        .expect("options that go together")
});

/// Fields that nobody has to set.
const ADDED: [&str; 6] =
    ["Server", "Content-Type", "Content-Length", "Transfer-Encoding", "Connection", "Trailer"];

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let pieces: [&[u8]; 6] = fields(input);
    let methods = ["GET", "HEAD", "POST", "CONNECT", "OPTIONS"];
    let method = methods[plan.below(methods.len())];
    let is_old = plan.is_yes();
    let writes = plan.bytes(4).iter().map(|habit| habit % 201).collect();
    let mut response = Response::new();
    let mut body = Vec::new();
    for _ in 0..=plan.below(8) {
        let (one, other) = (pieces[plan.below(6)], pieces[plan.below(6)]);
        prepare(&mut response, &mut body, plan.below(20), plan.byte(), one, other);
    }
    let is_stream = response.is_body_stream();
    if !is_stream {
        assert_eq!(response.body(), body);
    }
    let status = response.status_code();
    // What a reader finds by its name is what will be sent.
    let names: Vec<String> = response.headers().iter().map(|(name, _)| name.to_owned()).collect();
    let values: Vec<Vec<u8>> = response.headers().iter().map(|(_, value)| value.to_vec()).collect();
    for (name, value) in response.headers() {
        assert!(super::reference::is_token(name.as_bytes()), "{name:?}");
        assert!(
            !value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'),
            "{}",
            value.escape_ascii()
        );
    }
    if !is_stream {
        let mut written = Vec::new();
        response.write_to(&mut written).expect("a vector takes all");
        let replies = replies::split(&written, &[]).unwrap_or_else(|problem| panic!("{problem}"));
        assert!(replies.len() == 1 && replies[0].is_whole, "not one response: {}", written.escape_ascii());
        let has_body = !matches!(status, 0..=199 | 204 | 205 | 304);
        assert_eq!(replies[0].body, if has_body { &body[..] } else { b"" }, "{}", written.escape_ascii());
    }
    PREPARED.set(Some(response));

    let (target, version) =
        (if method == "CONNECT" { "h:1" } else { "/" }, if is_old { "HTTP/1.0" } else { "HTTP/1.1" });
    let request = format!("{method} {target} {version}\r\nHost: h\r\n\r\n");
    let (line, view) = Line::new(request.as_bytes(), Habits { reads: Vec::new(), writes });
    let served = SERVER.serve_conn(line);
    let written = view.written();
    let context = || format!("{served:?} {}", written.escape_ascii());
    let replies =
        replies::split(&written, &[method.as_bytes().to_vec()]).unwrap_or_else(|problem| panic!("{problem}"));
    assert!(served.is_ok() && replies.len() == 1 && replies[0].is_whole, "not one response: {}", context());
    let reply = &replies[0];
    assert_eq!(reply.status, status, "{}", context());
    let has_body = method != "HEAD"
        && !(method == "CONNECT" && status < 300)
        && !matches!(status, 0..=199 | 204 | 205 | 304);
    assert_eq!(reply.body, if has_body { body } else { Vec::new() }, "{}", context());
    for (name, value) in &reply.fields {
        let is_set = names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let is_added = ADDED.iter().any(|known| known.eq_ignore_ascii_case(name));
        assert!(is_set || is_added, "{name:?} came from nowhere: {}", context());
        assert!(is_added || values.contains(value), "{name:?} has a value from nowhere: {}", context());
    }
    for (name, value) in &reply.trailers {
        // A function may have written it, with pieces of the input for names and values.
        let is_piece = |piece: &&[u8]| piece.eq_ignore_ascii_case(name.as_bytes());
        let is_set = names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let is_written = name == "X-Late" || pieces.iter().any(is_piece);
        let is_value = |piece: &&[u8]| on_one_line(piece) == *value;
        assert!(is_set || is_written, "{name:?} came from nowhere: {}", context());
        assert!(
            values.contains(value) || pieces.iter().any(is_value),
            "{name:?} has a value from nowhere: {}",
            context()
        );
    }
}

/// `text` without what would end its line.
fn on_one_line(text: &[u8]) -> Vec<u8> {
    let is_text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    text.iter().map(|byte| if is_text(byte) { *byte } else { b' ' }).collect()
}

fn prepare(response: &mut Response, body: &mut Vec<u8>, what: usize, number: u8, one: &[u8], other: &[u8]) {
    match what {
        0 => response.set_body(one),
        1 => response.set_header(one, other),
        2 => response.append_header(one, other),
        3 => response.set_content_type(one),
        4 => response.set_reason(one),
        5 => response
            .set_status_code([100, 102, 200, 204, 205, 299, 304, 400, 500, 599][usize::from(number) % 10]),
        6 => {
            let mut cookie = Cookie::new(one, other);
            cookie.set_path(other);
            let mut value = Vec::new();
            cookie.append_to(&mut value);
            response.append_header("Set-Cookie", value);
        }
        7 => {
            let _ = response.add_trailer(one);
        }
        8 => response.set_header("Transfer-Encoding", one),
        9 => response.set_header("Content-Length", one),
        10 => response.set_header("Connection", one),
        11 => {
            response.set_body_reader(Cursor::new(one.to_vec()));
            *body = one.to_vec();
            return;
        }
        12 => {
            response.set_body_reader_sized(Cursor::new(one.to_vec()), one.len() as u64);
            *body = one.to_vec();
            return;
        }
        13 => {
            let (text, value) = (one.to_vec(), other.to_vec());
            response.set_body_writer(move |out| {
                for byte in &text {
                    out.write_all(&[*byte])?;
                    out.flush()?;
                }
                out.append_trailer("x-late", &value);
                out.append_trailer(&value, &value);
                Ok(())
            });
            *body = one.to_vec();
            return;
        }
        14 => {
            // A stream is replaced.
            if response.is_body_stream() {
                body.clear();
            }
            response.append_body(one);
            body.extend_from_slice(one);
            return;
        }
        15 => {
            response.set_body_shared(one.to_vec());
            *body = one.to_vec();
            return;
        }
        16 => {
            let big = one.repeat(usize::from(number) * 8);
            response.set_body_vec(big.clone());
            *body = big;
            return;
        }
        17 => {
            let _ = response.headers_mut().remove(one);
            response.headers_mut().set_names_normalizing(number.is_multiple_of(2));
            response.headers_mut().append(one, other);
        }
        18 => {
            *response = response.clone();
            *body = response.body().to_vec();
            return;
        }
        _ => {
            response.set_connection_close();
            response.clear_body();
            body.clear();
            return;
        }
    }
    if what == 0 {
        *body = one.to_vec();
    }
}
