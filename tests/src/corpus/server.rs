//! What a server makes of what a client sends: how such a case is tried.

use super::expect::{RequestLine, ResponseLine};
use crate::client::get;
use crate::exchange::{Bench, Ending, Outcome};
use crate::wire::Script;
use anthill_http::{Server, ServerBuilder};

/// A case about a server.
#[derive(Debug)]
pub(super) struct ServerTrial {
    pub(super) server: Vec<(String, Option<u64>)>,
    pub(super) script: Script,
    /// How many bytes of the input the server may need at most.
    pub(super) stop: Option<usize>,
    pub(super) alone: bool,
    pub(super) expected: Expected,
}

#[derive(Debug)]
pub(super) struct Expected {
    pub(super) requests: Vec<RequestLine>,
    pub(super) responses: Option<Vec<ResponseLine>>,
    pub(super) end: End,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Peer,
    Close,
    Silence,
    Refused(u16, String),
}

/// The buffer, and with it the limit of a head, of cases that do not say otherwise. Each of the many conversations
/// makes one of its own, which is most of what they take.
const READ_BUFFER_BYTES: usize = 2048;

impl ServerTrial {
    /// Tries the case in all ways; the error is what came of it instead.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_on(Bench::new(self.options()))
    }

    /// The same on another bench, which has these [options](Self::options).
    pub(super) fn check_on(&self, mut bench: Bench) -> Result<(), String> {
        let outcome = bench.same_however_cut(&self.script)?;
        let alone = Neighbours { is_streaming: bench.is_streaming(), ..Neighbours::default() };
        self.judge(&outcome, &alone)?;
        if !self.alone {
            let before = get("/before");
            let neighbours = Neighbours { before: true, ..alone };
            if !bench.is_quick() {
                self.judge(&bench.converse(self.script.preceded_by(&before)), &neighbours)?;
            }
            let script = self.script.preceded_by(&before).cut_at([before.len()]);
            self.judge(&bench.converse(script), &neighbours)?;
        }
        self.check_what_follows(&mut bench)
    }

    fn check_what_follows(&self, bench: &mut Bench) -> Result<(), String> {
        let is_cut_off = ["UnexpectedEnd", "Timeout"]
            .iter()
            .any(|cut_off| matches!(&self.expected.end, End::Refused(_, error) if error == cut_off));
        let length = self.script.bytes.len();
        let more = self.script.followed_by(get("/behind"));
        let byte_by_byte = bench.converse(more.cut_at(1..more.bytes.len()));
        let stop = self.stop.or((self.expected.end == End::Close).then_some(length));
        if let Some(stop) = stop
            && byte_by_byte.taken > stop
        {
            return Err(format!("{} bytes were read, not {stop}", byte_by_byte.taken));
        }
        if self.alone || is_cut_off {
            return Ok(());
        }
        let stays = matches!(self.expected.end, End::Peer | End::Silence);
        let neighbours = Neighbours { before: false, behind: stays, is_streaming: bench.is_streaming() };
        self.judge(&byte_by_byte, &neighbours)?;
        if bench.is_quick() {
            return Ok(());
        }
        self.judge(&bench.converse(more.cut_at([length])), &neighbours)?;
        self.judge(&bench.converse(more), &neighbours)
    }

    pub(super) fn options(&self) -> ServerBuilder {
        let builder = Server::builder().read_buffer_size(READ_BUFFER_BYTES);
        self.server.iter().fold(builder, |builder, (name, value)| {
            let number = value.unwrap_or_default();
            match name.as_str() {
                "get_only" => builder.get_only(true),
                "disable_keepalive" => builder.keep_alive(false),
                "unlimited_request_body_size" => builder.max_request_body_size(None),
                "max_request_body_size" => builder.max_request_body_size(number),
                "max_requests_per_conn" => builder.max_requests_per_conn(number),
                "read_buffer_size" => builder.read_buffer_size(usize::try_from(number).unwrap_or(usize::MAX)),
                _ => builder,
            }
        })
    }

    fn judge(&self, outcome: &Outcome, neighbours: &Neighbours) -> Result<(), String> {
        match self.expected.mismatch(outcome, neighbours) {
            None => Ok(()),
            Some(mismatch) => Err(format!(
                "{mismatch}{neighbours}\n  input:  {}\n  became: {outcome}",
                self.script.bytes.escape_ascii()
            )),
        }
    }
}

/// Which flawless requests stand beside a case and are served as well, and by whom.
#[derive(Clone, Copy, Debug, Default)]
struct Neighbours {
    before: bool,
    behind: bool,
    /// By a handler that answers himself what is wrong with bodies, and has the connection end.
    is_streaming: bool,
}

impl std::fmt::Display for Neighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.before {
            f.write_str(" (behind a flawless request)")?;
        }
        if self.behind {
            f.write_str(" (before a flawless request)")?;
        }
        Ok(())
    }
}

impl Expected {
    fn mismatch(&self, outcome: &Outcome, neighbours: &Neighbours) -> Option<String> {
        let before = neighbours.before.then(|| RequestLine::get("/before"));
        let behind = neighbours.behind.then(|| RequestLine::get("/behind"));
        let requests: Vec<&RequestLine> = before.iter().chain(&self.requests).chain(&behind).collect();
        if outcome.requests.len() != requests.len() {
            return Some(format!(
                "the handler saw {} requests instead of {}",
                outcome.requests.len(),
                requests.len()
            ));
        }
        let unlike = requests.iter().zip(&outcome.requests).find_map(|(line, seen)| line.mismatch(seen));
        if unlike.is_some() {
            return unlike;
        }
        let fine = ResponseLine::of_status(200);
        let refusal = match &self.end {
            End::Refused(status, _) => Some(ResponseLine::of_status(*status)),
            _ => None,
        };
        let mut responses: Vec<&ResponseLine> = before.iter().map(|_| &fine).collect();
        match &self.responses {
            Some(said) => responses.extend(said),
            None => responses.extend(self.requests.iter().map(|_| &fine)),
        }
        responses.extend(behind.iter().map(|_| &fine));
        responses.extend(&refusal);
        if outcome.responses.len() != responses.len() {
            return Some(format!("{} responses instead of {}", outcome.responses.len(), responses.len()));
        }
        let unlike = responses.iter().zip(&outcome.responses).find_map(|(line, reply)| line.mismatch(reply));
        if unlike.is_some() {
            return unlike;
        }
        let ends_so = match (&self.end, outcome.ending) {
            (End::Peer, Ending::PeerEnded)
            | (End::Close, Ending::Closed)
            | (End::Silence, Ending::Silence) => true,
            (End::Refused(_, expected), Ending::Refused(error)) => format!("{error:?}") == *expected,
            (End::Refused(..), Ending::Closed) => neighbours.is_streaming,
            _ => false,
        };
        (!ends_so).then(|| format!("ends with {:?} instead of {:?}", outcome.ending, self.end))
    }
}
