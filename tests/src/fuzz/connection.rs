//! A whole connection: any bytes, in any pieces, on a line where things go wrong, with a handler that does anything.
//!
//! The idea: the same bytes are served whole, byte by byte, and as the choices say, and are read by
//! [`reference`](super::reference) as well. The handler must have seen requests that are there, with their own bodies
//! and nothing of what is behind; the responses must be responses, each to its request; and all of it must be the same
//! however the bytes came.
//!
//! The rule: what may differ is named in [`comparable`], and nothing else may.

use std::sync::LazyLock;

use anthill_http::{Error, ProtoError, Request, RequestConfig, Server, ServerBuilder};

use super::handler::{self, Answer, Behaviour, Reading, Seen, Stage};
use super::line::{Habits, Line};
use super::plan::Plan;
use super::reference::{self, State};
use super::replies::{self, Reply};

/// How a server is made, and what of it the judge has to know.
struct Setup {
    options: ServerBuilder,
    streams: bool,
    /// Whether it may refuse what is well-formed without calling the handler.
    declines: bool,
}

static SETUPS: LazyLock<Vec<Setup>> = LazyLock::new(|| {
    let plain = Server::builder;
    let tight = || Server::builder().read_buffer_size(256).max_request_body_size(64);
    let asking = || plain().expect_handler(|ctx| if ctx.path().contains('n') { 417 } else { 100 });
    let builders: [(ServerBuilder, bool, bool); 11] = [
        (plain(), false, false),
        (plain().stream_request_body(true), true, false),
        (tight(), false, false),
        (tight().stream_request_body(true), true, false),
        (asking(), false, true),
        (asking().stream_request_body(true), true, true),
        (plain().get_only(true), false, true),
        (plain().keep_alive(false).default_content_type(false), false, false),
        (plain().max_requests_per_conn(2).stream_request_body(true), true, false),
        (plain().max_request_body_size(None).name(None), false, false),
        (plain().header_received(by_path), true, false),
    ];
    let setup = |(options, streams, declines): (ServerBuilder, bool, bool)| Setup {
        options: options.default_date(false),
        streams,
        declines,
    };
    builders.into_iter().map(setup).collect()
});

fn by_path(request: &Request) -> RequestConfig {
    match request.path() {
        path if path.contains('s') => RequestConfig::new().stream_request_body(true),
        path if path.contains('m') => RequestConfig::new().max_request_body_size(3),
        _ => RequestConfig::new(),
    }
}

/// What came of a conversation.
#[derive(Debug)]
struct Outcome {
    seen: Vec<Seen>,
    replies: Vec<Reply>,
    ending: Ending,
    met_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Fine,
    Refused(ProtoError),
    BodyFailed,
    Failed,
}

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let index = plan.below(SETUPS.len());
    let habits = Habits { reads: plan.bytes(9).to_vec(), writes: plan.bytes(5).to_vec() };
    let behaviours: Vec<Behaviour> = (0..plan.below(6))
        .map(|_| Behaviour { reads: plan.byte(), answers: plan.byte(), amount: plan.byte() })
        .collect();
    let setup = &SETUPS[index];
    // A new one each time: a server keeps buffers from connection to connection, whose sizes decide how much is read.
    let server = setup.options.clone().build(handler::handle).expect("options that go together");
    let expected = reference::requests(input);
    let converse = |habits: Habits| {
        let has_mishaps = habits.have_mishaps();
        let outcome = converse(&server, &behaviours, habits, input);
        judge(setup, &expected, &outcome, has_mishaps);
        outcome
    };
    let whole = converse(Habits::default());
    let has_mishaps = habits.have_mishaps();
    let pieces = converse(habits);
    let comparable = comparable(setup, &expected, &whole);
    compare(&whole, &pieces, comparable, has_mishaps);
    if input.len() <= BYTE_BY_BYTE_MAX {
        compare(&whole, &converse(Habits::byte_by_byte()), comparable, false);
    }
    // Whatever happened, the next connection is none the worse.
    let fine = b"GET /fine HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let next = self::converse(&server, &[], Habits::default(), fine);
    assert_eq!((next.seen.len(), next.replies[0].status, next.ending), (1, 200, Ending::Fine));
}

/// Longer inputs are not served byte by byte, which would take too long.
const BYTE_BY_BYTE_MAX: usize = 1500;

fn converse(server: &Server, behaviours: &[Behaviour], habits: Habits, input: &[u8]) -> Outcome {
    let junk = input[..input.len().min(60)].to_vec();
    handler::set_stage(Stage { behaviours: behaviours.to_vec(), junk, ..Stage::default() });
    let (line, view) = Line::new(input, habits);
    let ending = ending_of(server.serve_conn(line));
    let stage = handler::take_stage();
    assert!(stage.faults.is_empty(), "{:?}", stage.faults);
    let methods: Vec<Vec<u8>> = stage.seen.iter().map(|seen| seen.method.clone()).collect();
    let mut replies = replies::split(&view.written(), &methods).unwrap_or_else(|problem| panic!("{problem}"));
    // A request that was refused may have been a HEAD, whose refusal has no text.
    let may_be_head = matches!(ending, Ending::Refused(_)) && input.windows(5).any(|word| word == b"HEAD ");
    if let Some(last) = replies.last_mut().filter(|last| may_be_head && last.status >= 400) {
        last.is_whole |= last.body.is_empty();
    }
    Outcome { seen: stage.seen, replies, ending, met_end: view.met_end() }
}

fn ending_of(served: Result<(), Error>) -> Ending {
    match served {
        Ok(()) => Ending::Fine,
        Err(error) => match error.proto() {
            Some(error) => Ending::Refused(error),
            None if error.is_body() => Ending::BodyFailed,
            None => Ending::Failed,
        },
    }
}

/// What holds for every conversation.
fn judge(setup: &Setup, expected: &[reference::Request<'_>], outcome: &Outcome, has_mishaps: bool) {
    let Outcome { seen, replies, ending, .. } = outcome;
    assert!(seen.len() <= expected.len(), "requests that are not there: {outcome:#?}");
    for (seen, expected) in seen.iter().zip(expected) {
        judge_request(setup, expected, seen, has_mishaps);
    }
    let finals: Vec<&Reply> =
        replies.iter().filter(|reply| reply.status == 0 || !reply.is_interim()).collect();
    let last = seen.last().map(|seen| seen.answer.clone()).unwrap_or_default();
    let whole = finals.iter().filter(|reply| reply.is_whole).count();
    let may_decline = setup.declines && seen.len() < expected.len();
    let most = seen.len() + usize::from(matches!(ending, Ending::Refused(_)) || may_decline);
    let least = match () {
        // What was collected for one write is lost with the line.
        () if has_mishaps || last.steals => 0,
        () if last.breaks => seen.len().saturating_sub(1),
        () => seen.len(),
    };
    assert!((least..=most).contains(&whole), "{whole} whole responses, not {least} to {most}: {outcome:#?}");
    let cut_off = finals.iter().position(|reply| !reply.is_whole);
    if let Some(cut_off) = cut_off {
        assert!(
            has_mishaps || last.breaks && cut_off + 1 == seen.len(),
            "cut off without a reason: {outcome:#?}"
        );
        assert!(cut_off + 1 == finals.len(), "something behind what was cut off: {outcome:#?}");
    }
    let closing = finals.iter().position(|reply| reply.closes());
    assert!(
        closing.is_none_or(|closing| closing + 1 == finals.len()),
        "behind the last response: {outcome:#?}"
    );
    if !has_mishaps && !last.steals && !last.breaks {
        let is_announced = closing.is_some();
        // Nobody is answered when what was left unread of a body turns out to be none.
        let is_silent = whole == seen.len();
        match ending {
            Ending::Fine => {
                // Whether what is left of a request will be read cannot be known when the head is written.
                let may_read_on = expected.get(seen.len().wrapping_sub(1)).is_some_and(|expected| {
                    last.is_written && (expected.has_field("expect") || expected.body.announced > 200_000)
                });
                assert!(is_announced || outcome.met_end || may_read_on, "ended without a word: {outcome:#?}");
            }
            Ending::Refused(_) => assert!(is_announced || setup.streams && is_silent, "{outcome:#?}"),
            Ending::BodyFailed | Ending::Failed => panic!("failed without a reason: {outcome:#?}"),
        }
    }
    for (seen, reply) in seen.iter().zip(finals) {
        judge_reply(seen, reply, outcome);
    }
}

fn judge_request(setup: &Setup, expected: &reference::Request<'_>, seen: &Seen, has_mishaps: bool) {
    assert_eq!(seen.method, expected.method, "another method");
    assert_eq!(seen.target, expected.target, "another target");
    let fields: Vec<(&[u8], &[u8])> =
        seen.fields.iter().map(|(name, value)| (name.as_bytes(), &value[..])).collect();
    assert_eq!(fields, expected.fields, "other fields");
    let body = &expected.body;
    match &seen.read {
        Reading::Nothing => {}
        Reading::Some(read) => assert!(body.bytes.starts_with(read), "{read:?} is not of the body {body:?}"),
        Reading::All(read, trailers) => {
            let trailers: Vec<(&[u8], &[u8])> =
                trailers.iter().map(|(name, value)| (name.as_bytes(), &value[..])).collect();
            assert_eq!((read, trailers), (&body.bytes, body.trailers.clone()), "another body");
            assert_eq!(body.state, State::Complete, "a body that does not end was read to its end");
        }
        Reading::Failed(read, _) => {
            assert!(body.bytes.starts_with(read), "{read:?} is not of the body {body:?}");
            let is_excused = body.state != State::Complete || has_mishaps || !body.trailers.is_empty();
            // A collected body has a limit.
            assert!(is_excused || read.is_empty() && body.bytes.len() > 3, "a good body failed: {seen:?}");
        }
    }
    assert!(setup.streams || body.state == State::Complete, "called before the body was there");
}

fn judge_reply(seen: &Seen, reply: &Reply, outcome: &Outcome) {
    if reply.status == 0 {
        return;
    }
    let Answer { status, body, .. } = &seen.answer;
    if seen.answer.steals {
        return;
    }
    if seen.answer.breaks && reply.is_whole && reply.status != *status {
        // It broke before anything of it was sent, and that is answered.
        assert!(matches!(reply.status, 400 | 408 | 413 | 431 | 500), "another status: {outcome:#?}");
        return;
    }
    assert_eq!(reply.status, *status, "another status: {outcome:#?}");
    let has_body = seen.method != b"HEAD"
        && !(seen.method == b"CONNECT" && *status < 300)
        && !matches!(*status, 0..=199 | 204 | 205 | 304);
    match body {
        _ if !has_body => assert_eq!(reply.body, b"", "a body that must not be: {outcome:#?}"),
        Some(body) if reply.is_whole => assert_eq!(&reply.body, body, "another body: {outcome:#?}"),
        Some(body) => assert!(body.starts_with(&reply.body), "another body: {outcome:#?}"),
        None => {}
    }
}

/// How many of the requests are read and answered the same however they come.
///
/// With streamed bodies, what the handler is told of a malformed body depends on how much of it had come, and so does
/// whether the client of an expectation has to be asked, and whether what is left of a large body is thrown away. A
/// handler that steals the line takes along what was not sent yet.
fn comparable(setup: &Setup, expected: &[reference::Request<'_>], whole: &Outcome) -> usize {
    let is_steady = |request: &&reference::Request<'_>| {
        let body = &request.body;
        !setup.streams
            || matches!(body.state, State::Complete | State::CutOff)
                && body.trailers.is_empty()
                && !request.has_field("expect")
                && request.length.is_none_or(|length| length < 100_000)
                && body.bytes.len() < 100_000
    };
    let steady = expected.iter().take_while(is_steady).count();
    // Whatever is behind the last one is a malformed head, which is no request.
    let all = if steady == expected.len() { usize::MAX } else { steady };
    let broken = whole.seen.iter().position(|seen| seen.answer.steals || seen.answer.breaks);
    broken.map_or(all, |broken| all.min(broken))
}

fn compare(whole: &Outcome, pieces: &Outcome, comparable: usize, has_mishaps: bool) {
    let finals = |outcome: &Outcome| -> Vec<Reply> {
        outcome.replies.iter().filter(|reply| !reply.is_interim()).take(comparable).cloned().collect()
    };
    let seen = |outcome: &Outcome| -> Vec<Seen> { outcome.seen.iter().take(comparable).cloned().collect() };
    let (mut one, mut other) = (seen(whole), seen(pieces));
    if has_mishaps {
        // The last one may have been cut off by what went wrong.
        let shared = other.len().saturating_sub(1);
        one.truncate(shared);
        other.truncate(shared);
        assert_eq!(one, other, "\nwhole:  {whole:#?}\npieces: {pieces:#?}");
        return;
    }
    assert_eq!(one, other, "\nwhole:  {whole:#?}\npieces: {pieces:#?}");
    if !whole.seen.iter().any(|seen| seen.answer.steals) {
        assert_eq!(finals(whole), finals(pieces), "\nwhole:  {whole:#?}\npieces: {pieces:#?}");
    }
    if comparable == usize::MAX {
        assert_eq!(whole.replies.len(), pieces.replies.len(), "\nwhole:  {whole:#?}\npieces: {pieces:#?}");
        assert_eq!(whole.ending, pieces.ending, "\nwhole:  {whole:#?}\npieces: {pieces:#?}");
    }
}
