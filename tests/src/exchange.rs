//! One conversation between a scripted peer and a server, in memory, and what came of it.
//!
//! The idea: a protocol test is one call, [`assert_same_however_cut`]. It lets a server serve the peer's bytes whole,
//! cut in two at every place, cut in three at some, and byte by byte, and insists that it is all the same:
//!
//! ```
//! use anthill_tests::exchange::{Ending, assert_same_however_cut};
//!
//! let outcome = assert_same_however_cut("GET /x HTTP/1.1\r\nHost: h\r\n\r\n", anthill_http::Server::builder());
//! assert_eq!(outcome.requests[0].target, b"/x");
//! assert_eq!(outcome.statuses(), [200]);
//! assert_eq!(outcome.ending, Ending::PeerEnded);
//! ```
//!
//! The rule: what must hold for every conversation (whole responses, each to its request, none behind one that closes,
//! an ending that was announced) is checked here for all of them, so that no test has to think of it.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

use anthill_http::header::Fields;
use anthill_http::{Error, ProtoError, Request, RequestCtx, Server, ServerBuilder, Version};

use crate::client::{Client, Reply};
use crate::wire::{Script, Wire};

/// Serves `input` in all the ways it may be cut and returns what always came of it.
///
/// The handler answers with what it saw, `/close` with a response that closes, `/status/404` with that status, and
/// CONNECT with 501, because a success would begin a tunnel.
///
/// # Panics
/// When two ways of cutting differ, or anything breaks one of the rules for all conversations.
#[track_caller]
pub fn assert_same_however_cut(input: impl AsRef<[u8]>, options: ServerBuilder) -> Outcome {
    let script = Script::new(input);
    Bench::new(options).same_however_cut(&script).unwrap_or_else(|problem| panic!("{problem}"))
}

/// A request as the handler saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The target as it was sent.
    pub target: Vec<u8>,
    /// The decoded path.
    pub path: String,
    /// The query as it was sent.
    pub query: Vec<u8>,
    /// The host that the request is for.
    pub host: Vec<u8>,
    /// `1.0` or `1.1`.
    pub version: &'static str,
    /// The header fields, in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// The trailer fields, in order.
    pub trailers: Vec<(String, Vec<u8>)>,
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The peer closed, and the server had nothing against it.
    PeerEnded,
    /// The server ended it after a response that said so.
    Closed,
    /// The peer kept silent between two requests, and the server had enough of it.
    Silence,
    /// The server refused what the peer sent.
    Refused(ProtoError),
    /// The server wanted more input while the peer waited for an answer.
    Stalled,
    /// The connection failed.
    Failed(ErrorKind),
}

/// What came of a conversation.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The requests that reached the handler.
    pub requests: Vec<Seen>,
    /// The responses on the wire, interim ones included.
    pub responses: Vec<Reply>,
    /// How it ended.
    pub ending: Ending,
    /// What is on the wire behind the last whole response, and why it is none.
    pub surplus: Option<String>,
    /// How many of the peer's bytes the server read. Depends on the cuts, so it does not count as a difference.
    pub taken: usize,
}

impl Outcome {
    /// The status codes, in order.
    pub fn statuses(&self) -> Vec<u16> {
        self.responses.iter().map(|response| response.status).collect()
    }

    /// The responses that are answers.
    pub fn final_responses(&self) -> impl Iterator<Item = &Reply> {
        self.responses.iter().filter(|response| !is_interim(response))
    }

    /// The first rule for all conversations that this one breaks.
    fn fault(&self) -> Option<String> {
        if let Some(problem) = &self.surplus {
            return Some(format!("not everything on the wire is a response: {problem}"));
        }
        let refused = matches!(self.ending, Ending::Refused(_));
        let finals: Vec<&Reply> = self.final_responses().collect();
        // A server may also refuse on its own a request that is well-formed, and closes then.
        let refuses = self.ending == Ending::Closed
            && finals.len() == self.requests.len() + 1
            && finals.last().is_some_and(|response| response.status >= 400);
        let due = self.requests.len() + usize::from(refused || refuses);
        if finals.len() != due {
            return Some(format!("{} responses where {due} are due", finals.len()));
        }
        let closing = finals.iter().position(|response| response.closes());
        if closing.is_some_and(|closing| closing + 1 < finals.len()) {
            return Some("something comes behind a response that closes".to_owned());
        }
        let ends_here = refused || self.ending == Ending::Closed;
        if ends_here != closing.is_some() {
            return Some("the last response does not say how the connection ends".to_owned());
        }
        for (request, response) in self.requests.iter().zip(&finals) {
            if !response.body.is_empty() && response.body != request.to_string().as_bytes() {
                return Some(format!("the response {:?} is not the one to {request}", response.text()));
            }
        }
        None
    }
}

/// A server and the record of what its handler saw.
#[derive(Debug)]
pub struct Bench {
    server: Server,
    seen: Record,
    /// Not all ways to cut an input are tried.
    is_quick: bool,
    /// Bodies are read by the handler, who answers what is wrong with them himself.
    is_streaming: bool,
}

/// What a handler saw.
pub(crate) type Record = Arc<Mutex<Vec<Seen>>>;

impl Bench {
    /// A server with these options, except that its responses do not depend on the time.
    ///
    /// # Panics
    /// When the options are refused.
    #[track_caller]
    pub fn new(options: ServerBuilder) -> Self {
        let seen = Record::default();
        let record = seen.clone();
        let handler = move |ctx: &mut RequestCtx| recording(ctx, Seen::of(&ctx.request), &record);
        Self::of(options.default_date(false).build(handler).expect("options that go together"), seen)
    }

    /// One of that server, which records there what its handler sees, or whoever it asks.
    pub(crate) fn of(server: Server, seen: Record) -> Self {
        Bench { server, seen, is_quick: false, is_streaming: false }
    }

    /// Whether not everything is to be tried.
    pub(crate) fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// The same, for servers that take their time: an input comes whole and byte by byte, and is cut in no other way.
    #[must_use]
    pub(crate) fn quick(self) -> Self {
        Bench { is_quick: true, ..self }
    }

    /// The same of one whose handler reads bodies as they come.
    #[must_use]
    pub(crate) fn streaming(self) -> Self {
        Bench { is_streaming: true, ..self }
    }

    /// Whether what is wrong with a body is the handler's to answer.
    pub(crate) fn is_streaming(&self) -> bool {
        self.is_streaming
    }

    /// Lets the server serve one connection.
    pub fn converse(&mut self, script: Script) -> Outcome {
        self.run(script).outcome()
    }

    /// Lets the server serve the same bytes in all the ways they may be cut. The cuts of `script` itself do not count.
    ///
    /// # Errors
    /// The first difference, or the first fault of the conversation.
    pub fn same_however_cut(&mut self, script: &Script) -> Result<Outcome, String> {
        let first = self.run(script.cut_at([]));
        let length = script.bytes.len();
        let all = (!self.is_quick).then(|| ways_to_cut(length));
        let one = self.is_quick.then(|| (1..length).collect());
        for cuts in all.into_iter().flatten().chain(one) {
            let run = self.run(script.cut_at(cuts.iter().copied()));
            if !run.is_same(&first) {
                let (whole, pieces) = (first.outcome(), run.outcome());
                let places =
                    if cuts.len() > 3 { "byte by byte".to_owned() } else { format!("cut at {cuts:?}") };
                return Err(format!(
                    "{places} something else comes of it\n  input:  {}\n  whole:  {whole}\n  pieces: {pieces}",
                    script.bytes.escape_ascii()
                ));
            }
        }
        let whole = first.outcome();
        match whole.fault() {
            None => Ok(whole),
            Some(fault) => {
                Err(format!("{fault}\n  input:  {}\n  became: {whole}", script.bytes.escape_ascii()))
            }
        }
    }

    fn run(&mut self, script: Script) -> Run {
        let heads = script.bytes.windows(5).filter(|window| window == b"HEAD ").count();
        let (wire, view) = Wire::new(script);
        let served = serve(&self.server, wire);
        let requests = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let ending = match served {
            _ if view.stalled() => Ending::Stalled,
            Ok(()) if view.met_end() => Ending::PeerEnded,
            Ok(()) if view.met_silence() => Ending::Silence,
            Ok(()) => Ending::Closed,
            Err(error) => match error.proto() {
                Some(error) => Ending::Refused(error),
                None => Ending::Failed(io_kind(&error)),
            },
        };
        let written = view.written();
        Run { requests, written, ending, taken: view.taken(), heads, is_streaming: self.is_streaming }
    }
}

/// Of responses, in order.
type StatusesAndBodies = Vec<(u16, Vec<u8>)>;

/// A conversation whose responses have not been looked at yet, which takes longer than the conversation.
#[derive(Clone, Debug)]
struct Run {
    requests: Vec<Seen>,
    written: Vec<u8>,
    ending: Ending,
    taken: usize,
    /// How many HEAD requests were sent. One more than the handler saw: the refused one.
    heads: usize,
    is_streaming: bool,
}

impl Run {
    /// What is wrong with a body that a handler reads is answered by the server or by him, depending on how far it has
    /// come, with the same status.
    fn is_same(&self, other: &Run) -> bool {
        if self.is_streaming {
            return self.told() == other.told();
        }
        self.written == other.written && self.requests == other.requests && self.ending == other.ending
    }

    /// What a handler that reads bodies makes of the conversation in any case.
    fn told(&self) -> (Vec<Seen>, StatusesAndBodies, Ending, bool) {
        let Outcome { requests, responses, ending, surplus, .. } = self.clone().outcome();
        let of_success = |reply: &Reply| if reply.status < 400 { reply.body.clone() } else { Vec::new() };
        let finals = responses.iter().filter(|reply| !is_interim(reply));
        let told = finals.map(|reply| (reply.status, of_success(reply))).collect();
        let ends = if matches!(ending, Ending::Refused(_)) { Ending::Closed } else { ending };
        (requests, told, ends, surplus.is_some())
    }

    fn outcome(self) -> Outcome {
        let (responses, surplus) = split_responses(self.written, &self.requests, self.heads);
        // Whoever reads bodies meets the end of the peer, or its silence, before he answers.
        let was_closing = self.is_streaming && responses.last().is_some_and(Reply::closes);
        let ending = match self.ending {
            Ending::PeerEnded | Ending::Silence if was_closing => Ending::Closed,
            ending => ending,
        };
        Outcome { requests: self.requests, responses, ending, surplus, taken: self.taken }
    }
}

/// The only place that hands a stream to the server.
fn serve(server: &Server, wire: Wire) -> Result<(), Error> {
    server.serve_conn(wire)
}

/// Inputs up to this length are cut at every place.
const CUT_EVERYWHERE: usize = 1200;

/// Longer ones at every place near their ends, so many bytes from each, and at some in between.
const CUT_NEAR_ENDS: usize = 150;

/// How far apart those in between are. A prime, since what repeats in long inputs has a length that is none, mostly.
const CUT_BETWEEN: usize = 97;

/// How many places of an input are combined with each other for cuts in three.
const CUTS_IN_THREE: usize = 7;

/// All sets of places where an input of `length` bytes is cut: two pieces, three, and single bytes.
fn ways_to_cut(length: usize) -> impl Iterator<Item = Vec<usize>> {
    let is_cut = move |place: &usize| {
        length <= CUT_EVERYWHERE
            || *place <= CUT_NEAR_ENDS
            || *place + CUT_NEAR_ENDS >= length
            || place.is_multiple_of(CUT_BETWEEN)
    };
    let in_two = (1..length).filter(is_cut).map(|place| vec![place]);
    let step = length / (CUTS_IN_THREE + 1) + 1;
    // Off the grid by one for every other place, so that line ends are not always on the same side.
    let places: Vec<usize> =
        (1..).map(|number| number * step - number % 2).take_while(|place| *place < length).collect();
    let in_three: Vec<Vec<usize>> = places
        .iter()
        .flat_map(|first| {
            places.iter().filter(move |second| *second > first).map(move |second| vec![*first, *second])
        })
        .collect();
    in_two.chain(in_three).chain([(1..length).collect()])
}

/// Answers a request, and records it.
pub(crate) fn recording(ctx: &mut RequestCtx, request: Seen, record: &Record) {
    answer(ctx, &request);
    record.lock().unwrap_or_else(PoisonError::into_inner).push(request);
}

/// What the handler of every bench does.
fn answer(ctx: &mut RequestCtx, request: &Seen) {
    ctx.set_body(request.to_string());
    if let Some(status) = request.path.strip_prefix("/status/").and_then(|status| status.parse::<u16>().ok())
    {
        ctx.set_status_code(status);
    }
    if request.path == "/close" {
        ctx.response.set_connection_close();
    }
    if request.method == "CONNECT" {
        ctx.set_status_code(501);
    }
}

/// The responses in `written`, and what is wrong behind the last of them.
fn split_responses(written: Vec<u8>, requests: &[Seen], heads: usize) -> (Vec<Reply>, Option<String>) {
    let refuses_head = requests.iter().filter(|request| request.method == "HEAD").count() < heads;
    let mut client = Client::over(io::Cursor::new(written));
    let mut responses = Vec::new();
    let mut unanswered = requests.iter().peekable();
    loop {
        match client.is_at_end() {
            Ok(true) => return (responses, None),
            Ok(false) => {}
            Err(error) => return (responses, Some(error.to_string())),
        }
        let is_to_head = unanswered.peek().map_or(refuses_head, |request| request.method == "HEAD");
        let response = if is_to_head { client.try_response_to_head() } else { client.try_response() };
        match response {
            Ok(response) => {
                if !is_interim(&response) {
                    unanswered.next();
                }
                responses.push(response);
            }
            Err(problem) => return (responses, Some(problem)),
        }
    }
}

/// A response before the one that counts. A handler's own 1xx counts, since the connection ends with it.
fn is_interim(response: &Reply) -> bool {
    (100..200).contains(&response.status) && response.values("Connection").is_empty()
}

fn io_kind(error: &Error) -> ErrorKind {
    let source = std::error::Error::source(error);
    source.and_then(|source| source.downcast_ref::<io::Error>()).map_or(ErrorKind::Other, io::Error::kind)
}

impl Seen {
    pub(crate) fn of(request: &Request) -> Self {
        let copied = |fields: Fields<'_>| {
            fields.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
        };
        Seen {
            method: request.method().to_owned(),
            target: request.request_uri().to_vec(),
            path: request.path().to_owned(),
            query: request.query().to_vec(),
            host: request.host().to_vec(),
            version: match request.version() {
                Version::Http10 => "1.0",
                Version::Http11 => "1.1",
                _ => "unknown",
            },
            fields: copied(request.headers()),
            body: request.body().to_vec(),
            trailers: copied(request.trailers()),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |fields: &[(String, Vec<u8>)]| -> String {
            let listed: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}: {}", value.escape_ascii())).collect();
            listed.join(", ")
        };
        write!(
            f,
            "{} {} version={} host={} path={} query={} [{}] body={} {{{}}}",
            self.method,
            self.target.escape_ascii(),
            self.version,
            self.host.escape_ascii(),
            self.path,
            self.query.escape_ascii(),
            list(&self.fields),
            self.body.escape_ascii(),
            list(&self.trailers),
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after {:?}", self.ending, self.statuses())?;
        for request in &self.requests {
            write!(f, "\n    {request}")?;
        }
        if let Some(surplus) = &self.surplus {
            write!(f, "\n    then {surplus}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{get, post};
    use crate::wire::Then;

    fn bench() -> Bench {
        Bench::new(Server::builder())
    }

    #[test]
    fn requests_responses_and_the_end_are_seen() {
        let input = post("/a?b", "body") + &get("/status/404") + "HEAD / HTTP/1.0\r\n\r\n" + &get("/never");
        let outcome = assert_same_however_cut(input, Server::builder());
        assert_eq!(outcome.statuses(), [200, 404, 200]);
        assert_eq!((outcome.ending, outcome.requests.len()), (Ending::Closed, 3));
        assert_eq!(
            outcome.requests[0].to_string(),
            "POST /a?b version=1.1 host=h path=/a query=b [Host: h, Content-Length: 4] body=body {}"
        );
        assert_eq!(outcome.responses[0].text(), outcome.requests[0].to_string());
    }

    #[test]
    fn every_ending_has_a_name() {
        let ending = |script: Script| bench().converse(script).ending;
        assert_eq!(ending(Script::new("")), Ending::PeerEnded);
        assert_eq!(ending(Script::new(get("/close"))), Ending::Closed);
        assert_eq!(ending(Script::new("nonsense\r\n\r\n")), Ending::Refused(ProtoError::MissingTarget));
        assert_eq!(ending(Script::new("GET")), Ending::Refused(ProtoError::UnexpectedEnd));
        let silent = |bytes: &str| Script { then: Then::KeepsSilent, ..Script::new(bytes) };
        assert_eq!(ending(silent("")), Ending::Silence);
        assert_eq!(ending(silent("GET")), Ending::Refused(ProtoError::Timeout));
        assert_eq!(ending(Script { waits: vec![5], ..Script::new(get("/")) }), Ending::Stalled);
    }

    #[test]
    fn faults_are_found() {
        let good = bench().converse(Script::new(get("/") + &get("/close")));
        assert_eq!(good.fault(), None);
        let mut lost = good.clone();
        lost.responses.remove(0);
        let mut mixed_up = good.clone();
        mixed_up.requests.swap(0, 1);
        let mut unannounced = good.clone();
        unannounced.responses[1].fields.retain(|(name, _)| name != "Connection");
        let mut goes_on = good.clone();
        goes_on.responses.swap(0, 1);
        goes_on.requests.swap(0, 1);
        let mut stray = good.clone();
        stray.surplus = Some("a stray byte".to_owned());
        let mut kept = good;
        kept.ending = Ending::PeerEnded;
        for faulty in [lost, mixed_up, unannounced, goes_on, stray, kept] {
            assert!(faulty.fault().is_some(), "{faulty}");
        }
    }

    #[test]
    fn what_is_on_the_wire_is_split() {
        let (responses, surplus) =
            split_responses(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nCont".to_vec(), &[], 0);
        assert_eq!(responses.len(), 1);
        assert!(surplus.is_some_and(|problem| problem.contains("the connection ended")));
    }

    #[test]
    fn cuts_are_everywhere_and_bounded() {
        let ways: Vec<_> = ways_to_cut(50).collect();
        assert!((1..50).all(|place| ways.contains(&vec![place])));
        assert!(ways.iter().filter(|cuts| cuts.len() == 2).count() >= 10);
        assert!(ways.contains(&(1..50).collect()));
        assert!(ways.iter().all(|cuts| cuts.is_sorted() && cuts.iter().all(|cut| (1..50).contains(cut))));
        assert!(ways_to_cut(50_000).count() < 1000);
        assert_eq!(ways_to_cut(0).chain(ways_to_cut(1)).flatten().count(), 0);
    }
}
