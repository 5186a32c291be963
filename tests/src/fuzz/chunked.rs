//! Chunked bodies, against a decoder that reads them as plainly as possible.
//!
//! The idea: a request whose body is the input is parsed at once and served in pieces, streamed and not, and each way
//! must find the body that [`reference`](super::reference) finds, its end at the same byte, and the same verdict on
//! what is none. The rule: only in a trailer section may the library be stricter, since names are forbidden there.

use std::cell::RefCell;
use std::io::Read;
use std::sync::LazyLock;

use anthill_http::{ProtoError, Request, RequestCtx, Server};

use super::line::{Habits, Line};
use super::plan::Plan;
use super::reference::{self, Body, State};

const HEAD: &[u8] = b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The limit of a body, unless it was changed.
const DEFAULT_LIMIT: u64 = 4 * 1024 * 1024;

/// What was read of a body: its bytes, and how it ended.
type Found = (Vec<u8>, Result<(), Option<ProtoError>>);

thread_local! {
    static FOUND: RefCell<Option<Found>> = const { RefCell::new(None) };
}

static SERVERS: LazyLock<[Server; 2]> = LazyLock::new(|| {
    let builder = || Server::builder().default_date(false).max_request_body_size(None);
    [builder(), builder().stream_request_body(true)]
        .map(|builder| builder.build(read).expect("options that go together"))
});

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let expected = reference::chunks(input);
    let message = [HEAD, input].concat();

    let parsed = Request::parse(&message);
    let is_too_large = parsed.as_ref().err() == Some(&ProtoError::BodyTooLarge);
    assert!(!is_too_large || expected.announced > DEFAULT_LIMIT, "too large: {expected:?}");
    if !is_too_large {
        judge(&expected, parsed.as_ref().err().copied(), || format!("{parsed:?}"));
    }
    match &parsed {
        Ok(Some((request, length))) => {
            assert_eq!((request.body(), *length), (&expected.bytes[..], HEAD.len() + expected.length));
            let trailers: Vec<(&[u8], &[u8])> =
                request.trailers().iter().map(|(name, value)| (name.as_bytes(), value)).collect();
            assert_eq!((trailers, expected.state), (expected.trailers.clone(), State::Complete));
        }
        Ok(None) => assert_eq!(expected.state, State::CutOff, "not seen to be complete or malformed"),
        Err(_) => {}
    }

    let habits =
        Habits { reads: plan.bytes(9).iter().map(|habit| habit % 201).collect(), writes: Vec::new() };
    for habits in [habits, Habits::byte_by_byte()] {
        for (server, streams) in SERVERS.iter().zip([false, true]) {
            let served =
                server.serve_conn(Line::new(&message, habits.clone()).0).map_err(|error| error.proto());
            match FOUND.take() {
                None => judge(&expected, served.err().flatten(), || "not handled".to_owned()),
                Some((body, end)) => {
                    judge(&expected, end.err().flatten(), || format!("{body:?} {end:?}"));
                    assert!(expected.bytes.starts_with(&body), "{body:?} is not of {expected:?}");
                    assert!(end.is_err() || body == expected.bytes, "not all: {body:?} of {expected:?}");
                    assert!(end.is_ok() || streams, "handled before it was complete");
                    // Up to a time the peer is believed, and no byte of what came is lost.
                    assert!(
                        expected.state != State::CutOff || body == expected.bytes,
                        "{body:?} of {expected:?}"
                    );
                }
            }
        }
    }
}

fn judge(expected: &Body<'_>, error: Option<ProtoError>, found: impl Fn() -> String) {
    let is_as_expected = match (expected.state, error) {
        (State::Complete, None) | (State::CutOff, None | Some(ProtoError::UnexpectedEnd)) => true,
        (State::Complete, Some(ProtoError::BadTrailer | ProtoError::TrailersTooLarge)) => {
            !expected.trailers.is_empty()
        }
        (State::CutOff, Some(ProtoError::TrailersTooLarge)) => true,
        (State::Malformed, Some(ProtoError::BadChunk)) => true,
        (State::BadTrailers, Some(ProtoError::BadTrailer | ProtoError::TrailersTooLarge)) => true,
        _ => false,
    };
    assert!(is_as_expected, "{error:?} where the body is {expected:?}: {}", found());
}

fn read(ctx: &mut RequestCtx) {
    let mut body = Vec::new();
    let end = match ctx.body_reader().read_to_end(&mut body) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.get_ref().and_then(|inner| inner.downcast_ref::<ProtoError>()).copied()),
    };
    FOUND.set(Some((body, end)));
    // What follows may happen to be a request as well.
    ctx.response.set_connection_close();
}
