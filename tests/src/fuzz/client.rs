//! Responses as a client reads them: from any bytes, in any cut, collected or streamed.
//!
//! The rule: where the client says that another request can be sent, the response has the end that the RFC gives it, to
//! the byte; everything else is no response, or the last one.

use anthill_http::unstable::{ClientConn, ClientLimits, ClientProgress};
use anthill_http::{ProtoError, Request};

use super::plan::{Plan, shown};
use super::reference;

/// What became of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Became {
    /// Status, field lines and body of each response, interim ones included.
    responses: Vec<(u16, Vec<(String, Vec<u8>)>, Vec<u8>)>,
    end: Result<Option<String>, ProtoError>,
    /// How many bytes were not used.
    left: usize,
}

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let methods = ["GET", "HEAD", "POST", "CONNECT"];
    let method = methods[plan.below(methods.len())];
    let wants_upgrade = plan.is_yes();
    let step = usize::from(plan.byte()) + 1;
    let limits = ClientLimits {
        head_bytes: if plan.is_yes() { 64 } else { 16 * 1024 },
        fields: if plan.is_yes() { 2 } else { 200 },
        body_bytes: if plan.is_yes() { Some(16) } else { None },
        streams: false,
    };
    let request = request(method, wants_upgrade);
    let whole = converse(&request, limits, input, input.len().max(1));
    for cut in [1, step] {
        assert_eq!(converse(&request, limits, input, cut), whole, "every {cut} of {}", shown(input));
    }
    if limits.body_bytes.is_none() {
        let streaming = ClientLimits { streams: true, ..limits };
        for cut in [input.len().max(1), 1, step] {
            assert_eq!(converse(&request, streaming, input, cut), whole, "streamed: {}", shown(input));
        }
    }
    if whole.end == Ok(None) {
        judge(method, &input[..input.len() - whole.left], &whole);
    }
}

fn request(method: &str, wants_upgrade: bool) -> Request {
    let target = if method == "CONNECT" { "h:1" } else { "/" };
    let mut request = Request::new(method, target).expect("a method and a target");
    request.set_host("h:1").expect("a host");
    if wants_upgrade {
        request.set_header("Connection", "Upgrade");
    }
    request
}

/// One exchange in which the server sends `input` in pieces of `cut` bytes and then ends the connection.
fn converse(request: &Request, limits: ClientLimits, input: &[u8], cut: usize) -> Became {
    let mut conn = ClientConn::new(limits);
    conn.begin(request, Some(0)).expect("a fresh connection");
    let mut became = Became { responses: Vec::new(), end: Ok(None), left: 0 };
    let mut body = Vec::new();
    let mut fed = 0;
    for piece in input.chunks(cut) {
        fed += piece.len();
        let mut found = conn.receive(piece).and_then(|()| conn.advance());
        while found == Ok(ClientProgress::Interim) {
            became.responses.push(seen(&conn, conn.body().to_vec()));
            found = conn.advance();
        }
        if became.take(&mut conn, found, &mut body) {
            // What was not fed is left as well, and answers nothing.
            became.left = conn.unread().len() + input.len() - fed;
            if became.end == Ok(None) && became.left > 0 {
                let rest = &input[fed..];
                let found = conn.receive(rest).and_then(|()| conn.advance());
                assert_eq!(found, Err(ProtoError::ExtraBytes), "{}", shown(rest));
                became.end = Ok(Some("ExtraBytes".to_owned()));
            }
            return became.without_place_of_failure();
        }
    }
    let found = conn.input_closed();
    became.take(&mut conn, found, &mut body);
    became.left = conn.unread().len();
    became.without_place_of_failure()
}

impl Became {
    /// Takes what was found; true: that was the end.
    fn take(
        &mut self,
        conn: &mut ClientConn,
        found: Result<ClientProgress, ProtoError>,
        body: &mut Vec<u8>,
    ) -> bool {
        match found {
            Err(error) => {
                self.end = Err(error);
                assert!(conn.finish().is_some(), "a connection survives {error:?}");
                true
            }
            Ok(ClientProgress::Response) => {
                body.extend_from_slice(conn.body());
                if !conn.is_body_complete() {
                    conn.drop_body();
                    return false;
                }
                self.responses.push(seen(conn, std::mem::take(body)));
                self.end = Ok(conn.finish());
                true
            }
            Ok(ClientProgress::NeedInput | ClientProgress::Interim) => false,
        }
    }

    /// What is left behind a failure depends on where it was noticed.
    fn without_place_of_failure(mut self) -> Self {
        if self.end.is_err() {
            self.left = 0;
        }
        self
    }
}

fn seen(conn: &ClientConn, body: Vec<u8>) -> (u16, Vec<(String, Vec<u8>)>, Vec<u8>) {
    let fields = conn.headers().iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
    (conn.status(), fields, body)
}

/// Compares responses that left the connection usable with how they read in `used`, as plainly as possible.
fn judge(method: &str, used: &[u8], whole: &Became) {
    let context = || format!("{whole:?} of {}", shown(used));
    let mut rest = used;
    for (status, fields, body) in &whole.responses {
        let head =
            rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("{}", context()));
        let (lines, after) = rest.split_at(head + 4);
        let digits = String::from_utf8_lossy(&lines[9..12]).into_owned();
        assert_eq!(digits.parse(), Ok(*status), "{}", context());
        assert_eq!(lines.split(|byte| *byte == b'\n').count(), fields.len() + 3, "{}", context());
        let value = |wanted: &str| {
            let mut values = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            let value = values.next().map(|(_, value)| &value[..]);
            assert!(values.next().is_none() || value.is_none(), "{wanted} twice: {}", context());
            value
        };
        let has_no_body = method == "HEAD" || matches!(status, 100..=199 | 204 | 304);
        let (expected, length) = if has_no_body {
            (Vec::new(), 0)
        } else if value("Transfer-Encoding").is_some() {
            let body = reference::chunks(after);
            assert_eq!(body.state, reference::State::Complete, "{}", context());
            (body.bytes, body.length)
        } else {
            let digits = value("Content-Length").unwrap_or_else(|| panic!("no end: {}", context()));
            let length = String::from_utf8_lossy(digits).parse().unwrap_or_else(|_| panic!("{}", context()));
            (after[..length].to_vec(), length)
        };
        assert_eq!(*body, expected, "{}", context());
        rest = &after[length..];
    }
    assert_eq!(rest, b"", "{}", context());
    let last = whole.responses.last().map(|(status, ..)| *status);
    assert!(last.is_some_and(|status| status >= 200), "{}", context());
    assert!(method != "CONNECT" || last.is_some_and(|status| status >= 300), "{}", context());
}
