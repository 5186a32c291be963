//! Inputs and what must become of them, over sockets.
//!
//! The idea: a test is a list of cases, each for a row of `PARITY.md`. The rule: what is refused is refused once and
//! for good. Behind every refused input comes a flawless request, which must not be served.

use anthill_http::header::Fields;
use anthill_http::{RequestCtx, Server};

use crate::client::{Client, get};
use crate::server::Running;

/// An input and what must become of it.
pub struct Case {
    row: &'static str,
    input: Vec<u8>,
    verdict: Verdict,
}

enum Verdict {
    /// Reaches the handler, whose echo contains this.
    Served(String),
    /// Is answered by this status, and the connection ends.
    Refused(u16),
}

/// An input that is a request.
pub fn served(row: &'static str, input: impl AsRef<[u8]>, echo: &str) -> Case {
    Case { row, input: input.as_ref().to_vec(), verdict: Verdict::Served(echo.to_owned()) }
}

/// An input that is none.
pub fn refused(row: &'static str, input: impl AsRef<[u8]>) -> Case {
    Case { row, input: input.as_ref().to_vec(), verdict: Verdict::Refused(400) }
}

/// Answers with all that it was told: `METHOD target path host [Name=value;...] body {trailers}`.
fn echo(ctx: &mut RequestCtx) {
    let list = |fields: Fields<'_>| -> String {
        fields.iter().map(|(name, value)| format!("{name}={};", value.escape_ascii())).collect()
    };
    let request = &ctx.request;
    let echoed = format!(
        "{} {} {} {} [{}] {} {{{}}}",
        request.method(),
        request.request_uri().escape_ascii(),
        request.path(),
        request.host().escape_ascii(),
        list(request.headers()),
        request.body().escape_ascii(),
        list(request.trailers()),
    );
    ctx.set_body(echoed);
}

/// A server that echoes, and whose responses do not depend on the time.
pub fn echoing() -> Running {
    Running::with(Server::builder().default_date(false), echo)
}

/// Checks the cases of a row.
#[track_caller]
pub fn check(corpus: Vec<Case>, row: &str) {
    let running = echoing();
    let cases: Vec<Case> = corpus.into_iter().filter(|case| case.row == row).collect();
    assert!(!cases.is_empty(), "{row} has no cases");
    for case in &cases {
        judge(&running, case);
    }
    let expected = cases.iter().filter(|case| matches!(case.verdict, Verdict::Served(_))).count();
    assert_eq!(running.handled(), expected, "nothing else reached the handler");
}

#[track_caller]
fn judge(running: &Running, case: &Case) {
    let input = case.input.escape_ascii();
    let mut client = running.client();
    client.send(case.wire());
    client.finish_sending();
    let reply = client.try_response().unwrap_or_else(|problem| panic!("{input}: {problem}"));
    match &case.verdict {
        Verdict::Served(echo) => {
            assert_eq!(reply.status, 200, "{input}");
            assert!(reply.text().contains(echo.as_str()), "{input}\nbecame {}\nwithout {echo}", reply.text());
        }
        Verdict::Refused(status) => {
            assert_eq!((reply.status, reply.closes()), (*status, true), "{input}");
            assert_eq!(reply.text(), "Error when parsing request", "{input}");
        }
    }
    client.expect_end();
}

impl Case {
    /// What is sent.
    fn wire(&self) -> Vec<u8> {
        match self.verdict {
            Verdict::Served(_) => self.input.clone(),
            Verdict::Refused(_) => [&self.input, get("/behind").as_bytes()].concat(),
        }
    }
}

/// Sends every input once in one piece and once byte by byte, and asserts that the answers are the same.
#[track_caller]
pub fn assert_pieces_do_not_matter(corpus: Vec<Case>) {
    let running = echoing();
    let whole = |input: &[u8]| {
        let mut client = running.client();
        let _ = client.try_send(input);
        finish(client)
    };
    let byte_by_byte = |input: &[u8]| {
        let mut client = running.client();
        for byte in input {
            if client.try_send([*byte]).is_err() {
                break;
            }
        }
        finish(client)
    };
    for case in corpus {
        let wire = case.wire();
        let expected = whole(&wire);
        assert!(!expected.is_empty());
        assert_eq!(byte_by_byte(&wire), expected, "{}: {}", case.row, wire.escape_ascii());
    }
}

/// All that the server says until the connection ends.
fn finish(mut client: Client) -> String {
    // The server may be done with it already.
    let _ = client.stream().shutdown(std::net::Shutdown::Write);
    let rest = client.rest().expect("a connection that ends well");
    String::from_utf8_lossy(&rest).into_owned()
}
