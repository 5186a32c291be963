//! What a client makes of what a server sends: how such a case is tried.
//!
//! The idea: the bytes are fed to the client's half of the protocol core whole, cut in two at every place, cut in three
//! at some, and byte by byte, with bodies that are collected and bodies that stream; it is all the same each time. The
//! rule: where an exchange leaves the connection usable, another one follows; where it does not, none can be begun.

use std::fmt;

use super::expect::ResponseLine;
use crate::wire::Then;
use anthill_http::header::Fields;
use anthill_http::unstable::{ClientConn, ClientLimits, ClientProgress};
use anthill_http::{ProtoError, Request};

/// A case about a client.
#[derive(Debug)]
pub(super) struct ClientTrial {
    pub(super) sent: Sent,
    pub(super) limits: ClientLimits,
    /// What the server sends.
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
    /// How many bytes of the input the client may need at most.
    pub(super) stop: Option<usize>,
    pub(super) alone: bool,
    pub(super) responses: Vec<ResponseLine>,
    /// `stays`, `silence`, the reason why the connection cannot be used again, or `refused` and the error.
    pub(super) end: String,
    /// What is left to another protocol.
    pub(super) left: Vec<u8>,
}

/// The request that is answered.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    method: String,
    closes: bool,
    wants_upgrade: bool,
    is_unsent: bool,
}

/// A response as the client saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<(String, Vec<u8>)>,
}

/// What became of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Became {
    responses: Vec<Received>,
    end: String,
    left: Vec<u8>,
}

impl fmt::Display for Became {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Received { status, fields, body, trailers } in &self.responses {
            let trailers = if trailers.is_empty() { "" } else { " and trailers" };
            write!(f, "{status} with {} fields and \"{}\"{trailers}, ", fields.len(), body.escape_ascii())?;
        }
        write!(f, "then {} (left: \"{}\")", self.end, self.left.escape_ascii())
    }
}

/// A flawless exchange beside a case.
const FLAWLESS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

impl Sent {
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let method = words.next().ok_or("a method is wanted")?.to_owned();
        let mut sent = Sent { method, closes: false, wants_upgrade: false, is_unsent: false };
        for word in words {
            match word {
                "close" => sent.closes = true,
                "upgrade" => sent.wants_upgrade = true,
                "unsent" => sent.is_unsent = true,
                _ => return Err(format!("{word:?} is nothing that a request does")),
            }
        }
        Ok(sent)
    }

    fn request(&self) -> Request {
        let target = if self.method == "CONNECT" { "h:1" } else { "/" };
        let mut request = Request::new(&self.method, target).expect("a method");
        request.set_host("h:1").expect("a host");
        if self.closes {
            request.append_header("Connection", "close");
        }
        if self.wants_upgrade {
            request.append_header("Connection", "Upgrade");
            request.append_header("Upgrade", "other");
        }
        request
    }
}

impl ClientTrial {
    /// Tries the case in all ways; the error is what came of it instead.
    pub(super) fn check(&self) -> Result<(), String> {
        let length = self.bytes.len();
        let whole = self.converse(&[], false)?;
        self.judge(&whole)?;
        let everywhere: Vec<usize> = (1..length).collect();
        let third = (length / 3).max(1);
        let cuts = (1..length).map(|cut| vec![cut]).chain([everywhere]);
        let cuts = cuts.chain((1..length).map(|cut| vec![cut, (cut + third).min(length)]));
        let streams =
            [false, true].into_iter().filter(|streams| !streams || !self.end.contains("BodyTooLarge"));
        for streams in streams {
            for cuts in cuts.clone().chain([Vec::new()]) {
                let became = self.converse(&cuts, streams)?;
                if became != whole {
                    return Err(format!("cut at {cuts:?}, streams: {streams}: {became}\n  whole: {whole}"));
                }
            }
        }
        Ok(())
    }

    /// Feeds the input in pieces, behind a flawless exchange if there may be one, and sees to what follows.
    fn converse(&self, cuts: &[usize], streams: bool) -> Result<Became, String> {
        let mut conn = ClientConn::new(ClientLimits { streams, ..self.limits });
        if !self.alone {
            let before = exchange(&mut conn, FLAWLESS).ok_or("a flawless exchange before fails")?;
            assert_eq!(before, Received { body: b"ok".to_vec(), status: 200, ..before.clone() });
        }
        let request = self.sent.request();
        let length = if self.sent.is_unsent { None } else { Some(0) };
        conn.begin(&request, length).map_err(|error| format!("the request cannot be sent: {error}"))?;
        let mut feed = Feed { conn, responses: Vec::new(), body: Vec::new(), end: None };
        let mut from = 0;
        for to in cuts.iter().copied().chain([self.bytes.len()]) {
            if self.stop.is_some_and(|stop| from >= stop && feed.end.is_none()) {
                return Err(format!("has not made up its mind behind {from} bytes"));
            }
            feed.offer(&self.bytes[from..to]);
            from = to;
        }
        if feed.end.is_none() && self.then == Then::Closes {
            feed.close();
        }
        let end = feed.end.unwrap_or_else(|| "silence".to_owned());
        let again = exchange(&mut feed.conn, FLAWLESS);
        if again.is_some() != (end == "stays") {
            return Err(format!("it ends with {end}, and then another exchange became {again:?}"));
        }
        let left = if end == "Upgrade" { feed.conn.unread().to_vec() } else { Vec::new() };
        Ok(Became { responses: feed.responses, end, left })
    }

    fn judge(&self, became: &Became) -> Result<(), String> {
        let problem = |what: String| {
            Err(format!("{what}\n  input:  {}\n  became: {became}", self.bytes.escape_ascii()))
        };
        if became.responses.len() != self.responses.len() {
            return problem(format!(
                "{} responses instead of {}",
                became.responses.len(),
                self.responses.len()
            ));
        }
        let mut pairs = self.responses.iter().zip(&became.responses);
        if let Some(unlike) = pairs.find_map(|(line, found)| line.mismatch_received(found)) {
            return problem(unlike);
        }
        if became.end != self.end {
            return problem(format!("ends with {:?} instead of {:?}", became.end, self.end));
        }
        if became.left != self.left {
            return problem("something else is left".to_owned());
        }
        Ok(())
    }
}

/// One flawless exchange; `None` when it cannot be, or becomes anything else.
fn exchange(conn: &mut ClientConn, response: &[u8]) -> Option<Received> {
    let sent = Sent::parse("GET").expect("a request");
    conn.begin(&sent.request(), Some(0)).ok()?;
    conn.receive(response).ok()?;
    let is_there = conn.advance() == Ok(ClientProgress::Response) && conn.is_body_complete();
    let found = seen(conn, conn.body().to_vec());
    (is_there && conn.finish().is_none()).then_some(found)
}

fn seen(conn: &ClientConn, body: Vec<u8>) -> Received {
    let pairs =
        |fields: Fields<'_>| fields.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
    Received { status: conn.status(), fields: pairs(conn.headers()), body, trailers: pairs(conn.trailers()) }
}

/// A client under way.
struct Feed {
    conn: ClientConn,
    responses: Vec<Received>,
    /// What has streamed of the body.
    body: Vec<u8>,
    /// How it ended.
    end: Option<String>,
}

impl Feed {
    fn offer(&mut self, bytes: &[u8]) {
        let received = self.conn.receive(bytes);
        match &self.end {
            None => {}
            // What comes behind a response that left the connection usable must not be taken for another.
            Some(end) if end == "stays" && !bytes.is_empty() => {
                let found = self.conn.advance();
                self.end =
                    Some(found.map_or_else(|error| format!("{error:?}"), |found| format!("{found:?}")));
                return;
            }
            Some(_) => return,
        }
        if let Err(error) = received {
            return self.refuse(error);
        }
        loop {
            let found = self.conn.advance();
            if !self.take(found) {
                return;
            }
        }
    }

    fn close(&mut self) {
        let found = self.conn.input_closed();
        self.take(found);
    }

    /// Takes what was found; true: there may be more.
    fn take(&mut self, found: Result<ClientProgress, ProtoError>) -> bool {
        match found {
            Err(error) => self.refuse(error),
            Ok(ClientProgress::NeedInput) => {}
            Ok(ClientProgress::Interim) => {
                self.responses.push(seen(&self.conn, self.conn.body().to_vec()));
                return true;
            }
            Ok(ClientProgress::Response) => {
                self.body.extend_from_slice(self.conn.body());
                if self.conn.is_body_complete() {
                    let body = std::mem::take(&mut self.body);
                    self.responses.push(seen(&self.conn, body));
                    self.end = Some(self.conn.finish().unwrap_or_else(|| "stays".to_owned()));
                } else {
                    self.conn.drop_body();
                }
            }
        }
        false
    }

    fn refuse(&mut self, error: ProtoError) {
        self.end = Some(format!("refused {error:?}"));
        self.conn.finish();
    }
}
