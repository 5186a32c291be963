//! A connection on which requests are sent before those before them are answered.
//!
//! The idea: what is under way on it is a list in the order of sending, and that of the responses. A request comes into
//! the list with the piece of the output that it begins in, which leaves whole before the next one is made; until the
//! system has taken its first byte it can be taken back. So whoever leaves before that was never sent, and whoever
//! leaves later is answered all the same, to nobody.
//!
//! The rules: a response is awaited once its request was begun. Bytes that come while none is awaited answer nothing,
//! and end the connection, as whatever cannot be understood does; and so does a response whose request was not sent to
//! its end, behind which nothing else can be sent. Then each request is told what is true of it: not begun (it goes
//! back into the queue), answered by nothing, or by a part of a response.

use super::conn::ClientSocket;
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::pipe_call::{PipelinedCall, PipelinedOutcome};
use super::response::ClientResponse;
use super::stock::{ConnAges, Leased};
use super::until::Until;
use crate::proto::client::ResponseProgress;
use crate::proto::{CloseReason, Limits, ProtoError};
use mio::{Interest, Registry, Token};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much is copied into the output at once. Small requests leave together, large ones piece by piece.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// After so many reads something is written, if there is something, however much the server has to say.
const READS_AT_ONCE: usize = 16;

/// A connection; see the module's text.
pub(super) struct PipeConn {
    leased: Leased,
    under_way: VecDeque<SentCall>,
    /// How many bytes of requests were put into the output, all in all.
    appended: u64,
    /// How many requests may be under way.
    window: usize,
    /// Whether the response to the first one that is under way is awaited: some of that has left.
    is_front_awaited: bool,
    /// Whether an interim response to it has come.
    is_front_heard: bool,
    /// Since when it is the first one.
    front_since: Instant,
    /// When something came last.
    heard_at: Instant,
    /// When the system has taken something last, if it takes nothing now.
    blocked_since: Option<Instant>,
    taken_at: Instant,
}

/// A request that is under way.
struct SentCall {
    call: Arc<PipelinedCall>,
    /// Which bytes of all that were appended it is.
    start: u64,
    /// Whether the system has taken some of it.
    is_begun: bool,
    /// When the system had taken all of it.
    sent_at: Option<Instant>,
}

/// What is under way on a connection goes by these.
#[derive(Clone, Copy, Debug)]
pub(super) struct PipeTerms {
    pub(super) limits: Limits,
    /// The most bytes of a body, as the user has set it.
    pub(super) body_max: Option<u64>,
    /// The longest silence while a response is awaited.
    pub(super) read: Option<Duration>,
    /// The longest time without progress while something is to be written.
    pub(super) write: Option<Duration>,
    pub(super) ages: ConnAges,
    /// The most bytes that may come out of a content coding for each one that came.
    pub(super) ratio_max: Option<u32>,
}

/// What is left of a connection that was closed.
pub(super) struct PipelineConnEnd {
    /// Calls of which nothing was sent, in order.
    pub(super) unsent: Vec<Arc<PipelinedCall>>,
    /// How many requests may be under way on the next connection at first: only one, when some were lost, so that
    /// whoever is the reason takes no others along (RFC 9112 section 9.3.2).
    pub(super) window: usize,
    /// Why it ended, if it was a new one that took nothing.
    pub(super) useless: Option<ClientError>,
}

/// Why a connection cannot be used any more.
pub(super) struct PipeLoss {
    /// What the first request that is under way is told.
    error: ClientError,
    /// Whether the server has said behind which response it ends: it acts on no other request (RFC 9112 section 9.6).
    is_announced: bool,
}

impl PipeLoss {
    /// Whether it says more than that the connection has ended.
    fn is_telling(&self) -> bool {
        self.is_announced || self.error.kind() != ClientErrorKind::ConnectionClosed
    }
}

impl From<ClientError> for PipeLoss {
    fn from(error: ClientError) -> Self {
        Self { error, is_announced: false }
    }
}

impl SentCall {
    fn end(&self) -> u64 {
        self.start + self.call.sent.bytes.len() as u64
    }

    /// What of it is behind the first `appended` bytes of all.
    fn rest_behind(&self, appended: u64) -> &[u8] {
        // At most its length, so the cast keeps the value.
        self.call.sent.bytes.get((appended - self.start) as usize..).unwrap_or_default()
    }
}

impl PipeConn {
    /// A connection whose reports go to `registry`, and on which `window` requests may be under way at first.
    pub(super) fn new(mut leased: Leased, window: usize, registry: &Registry) -> io::Result<Self> {
        leased.conn.report_to(registry, Token(0), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self::of(leased, window))
    }

    fn of(leased: Leased, window: usize) -> Self {
        let now = Instant::now();
        Self {
            leased,
            under_way: VecDeque::new(),
            appended: 0,
            window,
            is_front_awaited: false,
            is_front_heard: false,
            front_since: now,
            heard_at: now,
            blocked_since: None,
            taken_at: now,
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether nobody waits for what is under way.
    pub(super) fn is_forsaken(&self) -> bool {
        self.under_way.iter().all(|sent| sent.call.is_gone())
    }

    /// Whether requests were begun, and nobody waits for any of those.
    pub(super) fn is_given_up(&self) -> bool {
        let mut begun = self.under_way.iter().filter(|sent| sent.is_begun).peekable();
        begun.peek().is_some() && begun.all(|sent| sent.call.is_gone())
    }

    /// Whoever will wait longest of those who wait.
    pub(super) fn last_waiting(&self) -> Option<&Arc<PipelinedCall>> {
        self.under_way.iter().rev().map(|sent| &sent.call).find(|call| !call.is_gone())
    }

    /// Whether no request may follow those that are under way.
    pub(super) fn is_retired(&self, terms: &PipeTerms) -> bool {
        let ConnAges { whole, requests, .. } = terms.ages;
        let conn = &self.leased.conn;
        let is_old = || whole.is_some_and(|age| conn.times.opened.elapsed() >= age);
        // The first one that is under way is counted there already, once its response is awaited.
        let begun = || conn.requests + self.under_way.len() as u64 - u64::from(self.is_front_awaited);
        let is_worn = || requests.is_some_and(|most| begun() >= most);
        let is_last = |last: &SentCall| last.call.sent.head.is_last();
        // A new one serves at least one.
        self.under_way.back().is_some_and(is_last) || self.appended > 0 && (is_old() || is_worn())
    }

    /// Whether the next piece of the output could begin with another request.
    pub(super) fn has_room(&self, terms: &PipeTerms) -> bool {
        self.leased.conn.out.is_empty() && self.may_begin(terms)
    }

    /// Whether another request could be begun in this piece of the output.
    fn may_begin(&self, terms: &PipeTerms) -> bool {
        self.leased.conn.out.len() < OUTPUT_BYTES_MAX
            && self.is_last_appended()
            && self.under_way.len() < self.window
            && !self.is_retired(terms)
    }

    /// Whether all of the request that was begun last has gone into the output.
    fn is_last_appended(&self) -> bool {
        self.under_way.back().is_none_or(|last| last.rest_behind(self.appended).is_empty())
    }

    /// Whether something of the request that was begun last could go into the output now.
    pub(super) fn has_room_for_rest(&self) -> bool {
        self.leased.conn.out.is_empty() && !self.is_last_appended()
    }

    /// Puts the next piece into the output, when the one before has left, so that it does not grow: what is left of the
    /// request that was begun last and then, if they are due, those that `queue` gives.
    pub(super) fn append(
        &mut self,
        queue: &mut VecDeque<Arc<PipelinedCall>>,
        is_due: bool,
        terms: &PipeTerms,
    ) {
        if !self.leased.conn.out.is_empty() {
            return;
        }
        loop {
            let room = OUTPUT_BYTES_MAX.saturating_sub(self.leased.conn.out.len());
            if let Some(last) = self.under_way.back() {
                let rest = last.rest_behind(self.appended);
                let piece = rest.get(..room).unwrap_or(rest);
                self.leased.conn.out.append(piece);
                self.appended += piece.len() as u64;
            }
            if !is_due || !self.may_begin(terms) {
                return;
            }
            let Some(call) = queue.pop_front() else { return };
            if self.under_way.is_empty() {
                self.front_since = Instant::now();
            }
            self.under_way.push_back(SentCall { call, start: self.appended, is_begun: false, sent_at: None });
        }
    }

    /// Takes back into the queue what lies in the output and was not begun, if somebody has left of those whose it is.
    pub(super) fn take_back(&mut self, queue: &mut VecDeque<Arc<PipelinedCall>>) {
        let taken = self.leased.conn.passed.sent;
        let first = self.under_way.partition_point(|sent| sent.start < taken);
        let Some(start) = self.under_way.get(first).map(|sent| sent.start) else { return };
        if !self.under_way.range(first..).any(|sent| sent.call.is_gone()) {
            return;
        }
        let out = &mut self.leased.conn.out;
        if out.take_back(out.position() - (self.appended - start)) {
            self.appended = start;
            let waiting = self.under_way.drain(first..).map(|sent| sent.call).filter(|call| !call.is_gone());
            waiting.rev().for_each(|call| queue.push_front(call));
        }
    }

    /// Makes the response to the first request that is under way the next to come, if some of that has left.
    fn await_front(&mut self) {
        let conn = &mut self.leased.conn;
        if let (Some(front), false) = (self.under_way.front(), self.is_front_awaited) {
            if front.start < conn.passed.sent {
                self.is_front_awaited = true;
                conn.requests += 1;
                conn.session.expect(front.call.sent.head);
            }
        }
    }

    /// Writes what is in the output, as far as it is taken. What the server said before it took no more counts, until
    /// `is_enough` says that there is no more time for that.
    pub(super) fn write(&mut self, is_enough: &dyn Fn() -> bool, terms: &PipeTerms) -> Result<(), PipeLoss> {
        let written = self.write_what_is_taken();
        let taken = self.leased.conn.passed.sent;
        for sent in self.under_way.iter_mut().rev().skip_while(|sent| sent.start >= taken) {
            if sent.sent_at.is_some() {
                break;
            }
            if !std::mem::replace(&mut sent.is_begun, true) {
                sent.call.begun();
            }
            if sent.end() <= taken {
                sent.sent_at = Some(self.taken_at);
            }
        }
        self.await_front();
        written.map_err(|error| {
            let loss = self.leased.conn.lost(error).into();
            self.salvage(loss, is_enough, terms)
        })
    }

    fn write_what_is_taken(&mut self) -> io::Result<()> {
        self.blocked_since = loop {
            match self.leased.conn.write_some() {
                Ok(true) => self.taken_at = Instant::now(),
                Ok(false) => break None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    break Some(self.blocked_since.unwrap_or_else(Instant::now));
                }
                Err(error) => return Err(error),
            }
        };
        Ok(())
    }

    /// The server takes nothing more: hands out what it has said before, which may also be why it has ended.
    fn salvage(&mut self, loss: PipeLoss, is_enough: &dyn Fn() -> bool, terms: &PipeTerms) -> PipeLoss {
        loop {
            match self.receive_some(is_enough, terms) {
                Ok(true) if !is_enough() => {}
                Err(said) if said.is_telling() => return said,
                _ => return loss,
            }
        }
    }

    /// Reads some of what is there and hands responses out, until `is_enough`. So many bytes came, and that there may
    /// be more.
    pub(super) fn receive(
        &mut self,
        is_enough: &dyn Fn() -> bool,
        terms: &PipeTerms,
    ) -> (u64, Result<bool, PipeLoss>) {
        let before = self.leased.conn.passed.received;
        let received = self.receive_some(is_enough, terms);
        (self.leased.conn.passed.received - before, received)
    }

    fn receive_some(&mut self, is_enough: &dyn Fn() -> bool, terms: &PipeTerms) -> Result<bool, PipeLoss> {
        // What was kept may be due by now.
        self.hand_out(terms)?;
        for _ in 0..READS_AT_ONCE {
            match self.leased.conn.read_once() {
                Ok(0) => return self.take_end(terms),
                Ok(_) => {
                    self.heard_at = Instant::now();
                    self.hand_out(terms)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(self.leased.conn.lost(error).into()),
            }
            if is_enough() {
                break;
            }
        }
        Ok(true)
    }

    /// Hands out the responses that are there.
    fn hand_out(&mut self, terms: &PipeTerms) -> Result<(), PipeLoss> {
        loop {
            let conn = &mut *self.leased.conn;
            if !self.is_front_awaited {
                return match conn.input.is_empty() {
                    true => Ok(()),
                    false => Err(Self::unasked(conn).into()),
                };
            }
            match conn.session.advance(&mut conn.input, &mut conn.found, &terms.limits) {
                Ok(ResponseProgress::NeedInput) => return Ok(()),
                Ok(ResponseProgress::Interim { .. }) => self.is_front_heard = true,
                Ok(ResponseProgress::Ready) if self.is_early_agreement() => return Ok(()),
                Ok(ResponseProgress::Ready) => self.hand_out_one(terms)?,
                Err(error) => return Err(self.leased.conn.refused(error).into()),
            }
        }
    }

    /// Something came that answers nothing. Before anything was sent the server may only want to be rid of us.
    fn unasked(conn: &ClientSocket) -> ClientError {
        match conn.passed.sent {
            0 => ClientError::because(ClientErrorKind::ConnectionClosed, ProtoError::ExtraBytes)
                .at(conn.remote),
            _ => conn.refused(ProtoError::ExtraBytes),
        }
    }

    /// Whether the response that is there agrees to a request that was not sent to its end: a server may say so before
    /// it has read all, and the rest is still for it. More behind it would be a response to nothing.
    fn is_early_agreement(&self) -> bool {
        let conn = &self.leased.conn;
        !self.is_front_sent() && conn.found.head.status < 300 && conn.input.unread().len() <= conn.found.raw
    }

    /// Whether all of the first request that is under way was sent.
    fn is_front_sent(&self) -> bool {
        self.under_way.front().is_none_or(|front| front.end() <= self.leased.conn.passed.sent)
    }

    /// Whether a response was kept until its request was sent, and now it is.
    pub(super) fn is_kept_due(&self) -> bool {
        self.is_front_awaited && self.leased.conn.session.is_ready() && self.is_front_sent()
    }

    /// Hands out the response that is there, and has the next awaited.
    fn hand_out_one(&mut self, terms: &PipeTerms) -> Result<(), PipeLoss> {
        if let Some(reason) = self.give_front(terms) {
            let is_announced = reason == CloseReason::PeerAsked && self.is_nothing_behind();
            return Err(PipeLoss { error: self.leased.conn.ended(), is_announced });
        }
        self.leased.conn.give_memory_back();
        self.window = self.window.saturating_mul(2);
        self.await_front();
        Ok(())
    }

    /// Gives the response that is there to its caller, and says why there is no other on this connection.
    fn give_front(&mut self, terms: &PipeTerms) -> Option<CloseReason> {
        let is_sent = self.is_front_sent();
        let front = self.under_way.pop_front()?;
        (self.is_front_awaited, self.is_front_heard, self.front_since) = (false, false, Instant::now());
        let conn: &mut ClientSocket = &mut self.leased.conn;
        if is_sent {
            conn.session.request_sent();
        }
        if !front.call.is_gone() {
            let response =
                ClientResponse::whole(conn, terms.body_max, terms.ratio_max, front.call.sent.decodes);
            let (is_safe, was_reused) = (front.call.sent.is_idempotent, conn.requests > 1);
            front.call.give(PipelinedOutcome { result: Ok(response), is_safe, was_reused });
        }
        match self.under_way.is_empty() {
            true => conn.session.finish(&mut conn.input, &mut conn.found),
            false => conn.session.finish_before_others(&mut conn.input, &mut conn.found),
        }
    }

    /// Whether nothing has come behind what was handed out. A server may announce its end with each response, and go
    /// on.
    fn is_nothing_behind(&mut self) -> bool {
        let conn = &mut self.leased.conn;
        conn.input.is_empty() && !conn.read_once().is_ok_and(|count| count > 0)
    }

    /// The peer's stream has ended, which may be the end of a body.
    fn take_end(&mut self, terms: &PipeTerms) -> Result<bool, PipeLoss> {
        let conn = &mut self.leased.conn;
        if conn.take_end(&terms.limits)? == ResponseProgress::Ready {
            self.hand_out_one(terms)?;
        }
        Err(self.leased.conn.ended().into())
    }

    /// Until when something has to move.
    pub(super) fn until(&self, terms: &PipeTerms) -> Until {
        let (silent, blocked) = self.ends(terms);
        silent.or(blocked)
    }

    /// When the server has been silent for too long, and when it has taken nothing for too long: of the first request
    /// that is under way, for which alone it can be blamed.
    fn ends(&self, terms: &PipeTerms) -> (Until, Until) {
        let never = Until::default();
        let Some(front) = self.under_way.front() else { return (never, never) };
        match (front.sent_at, self.blocked_since) {
            // A server need not take anything while it works on this one.
            (Some(sent_at), _) => (never.or_at(sent_at.max(self.heard_at), terms.read), never),
            (None, Some(blocked_since)) => {
                let since = blocked_since.max(self.taken_at).max(self.front_since);
                (never, never.or_at(since, terms.write))
            }
            (None, None) => (never, never),
        }
    }

    /// Requires that it has not been still for too long.
    pub(super) fn check_stillness(&self, terms: &PipeTerms) -> Result<(), PipeLoss> {
        let (silent, blocked) = self.ends(terms);
        let phase = match (silent.is_over(), blocked.is_over()) {
            (false, false) => return Ok(()),
            (true, _) if self.leased.conn.session.awaits_body() => ClientPhase::Body,
            (true, _) => ClientPhase::Head,
            (false, true) => ClientPhase::Send,
        };
        Err(self.leased.conn.late(phase).into())
    }

    /// Nobody waits for what is under way.
    pub(super) fn forsaken(&self) -> PipeLoss {
        self.leased.conn.ended().into()
    }

    /// The connection cannot be waited for.
    pub(super) fn lost(&self, error: io::Error) -> PipeLoss {
        self.leased.conn.lost(error).into()
    }

    /// Gives the connection back, on which nothing is under way, and says how many requests may be on the next.
    pub(super) fn give_back(mut self, registry: &Registry) -> usize {
        self.leased.conn.report_no_more_to(registry);
        if self.leased.conn.finish().is_none() {
            self.leased.give_back();
        }
        self.window
    }

    /// Closes the connection, and then tells all whose requests were begun.
    pub(super) fn end(mut self, loss: PipeLoss, terms: &PipeTerms) -> PipelineConnEnd {
        if self.is_front_awaited && self.leased.conn.session.is_ready() {
            // It has come, and waited only for the end of its request.
            self.give_front(terms);
        }
        let Self { leased, under_way, is_front_heard, window, .. } = self;
        let conn = &leased.conn;
        let (taken, was_reused, remote) = (conn.passed.sent, conn.requests > 1, conn.remote);
        let is_heard = is_front_heard || !conn.input.is_empty();
        let was_used = taken > 0 || conn.requests > 0;
        drop(leased);
        let PipeLoss { error, is_announced } = loss;
        let mut end =
            PipelineConnEnd { unsent: Vec::new(), window, useless: (!was_used).then(|| error.same()) };
        let behind = format!("of those that were sent together an earlier one failed: {error}");
        let mut error = Some(error);
        for (number, SentCall { call, start, .. }) in under_way.into_iter().enumerate() {
            if start >= taken {
                end.unsent.push(call);
                continue;
            }
            end.window = 1;
            let was_heard_of = number == 0 && is_heard;
            let is_safe = !was_heard_of && (is_announced || call.sent.is_idempotent);
            let error = error.take().unwrap_or_else(|| {
                ClientError::because(ClientErrorKind::ConnectionClosed, behind.as_str()).at(remote)
            });
            call.give(PipelinedOutcome { result: Err(error), is_safe, was_reused });
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::conn::{ConnWay, NewSocket};
    use crate::client::exchange::append_whole;
    use crate::client::patience::CallPatience;
    use crate::client::pipe_call::{PendingPlace, PipelinedBytes};
    use crate::client::places::{HostPlaces, ReuseOrder};
    use crate::client::scripted::{ScriptedTransport, blocked};
    use crate::client::stock::{Leave, Stock};
    use crate::message::request::Request;
    use crate::values::headers::Fields;
    use parking_lot::Mutex;
    use std::net::SocketAddr;

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const REFUSED: &str = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

    const AGES: ConnAges = ConnAges { idle: Duration::from_secs(3600), kept: 0, whole: None, requests: None };

    const TERMS: PipeTerms = PipeTerms {
        limits: Limits::DEFAULT,
        body_max: None,
        read: None,
        write: Some(Duration::ZERO),
        ages: AGES,
        ratio_max: None,
    };

    type Script<T> = Vec<Result<T, io::ErrorKind>>;

    fn reset<T>() -> Result<T, io::ErrorKind> {
        Err(io::ErrorKind::ConnectionReset)
    }

    /// A connection that does what is written, and its queue.
    struct Piped {
        conn: PipeConn,
        queue: VecDeque<Arc<PipelinedCall>>,
    }

    impl Piped {
        fn new(reads: Script<&'static str>, writes: Script<usize>) -> Self {
            let transport = Arc::new(ScriptedTransport {
                reads: Mutex::new(reads.into()),
                writes: Mutex::new(writes.into()),
                ..ScriptedTransport::default()
            });
            let remote = SocketAddr::from(([127, 0, 0, 1], 9));
            let way = ConnWay { local: None, via: None, is_tunnel: false };
            let conn = ClientSocket::new(NewSocket { transport, remote, way });
            let stock = Stock::new(HostPlaces::new(1, 1, ReuseOrder::Lifo), AGES);
            let patience = CallPatience::default();
            let Ok(Leave::Make(place)) = stock.take(&patience, &patience) else {
                panic!("there is none yet")
            };
            Self { conn: PipeConn::of(place.with(Box::new(conn)), usize::MAX), queue: VecDeque::new() }
        }

        /// Queues a call with a body of so many bytes.
        fn call(&mut self, method: &str, body: usize) -> Arc<PipelinedCall> {
            let mut request = Request::new(method, "/").expect("a request");
            request.set_body_vec(vec![b'x'; body]);
            let mut bytes = Vec::new();
            let head =
                append_whole(&request, b"h", Fields::new(b"", &[]), false, &mut bytes).expect("a length");
            let sent = PipelinedBytes { bytes, head, is_idempotent: method == "GET", decodes: false };
            let places = Arc::new(HostPlaces::new(1, 0, ReuseOrder::Lifo));
            let patience = CallPatience::default();
            assert!(places.take(&patience, &patience).is_ok());
            let call = PipelinedCall::new(sent, PendingPlace { places, here: Arc::new(1.into()) });
            self.queue.push_back(call.clone());
            call
        }

        fn append(&mut self) {
            self.conn.append(&mut self.queue, true, &TERMS);
        }

        fn write(&mut self) -> Result<(), PipeLoss> {
            self.conn.write(&|| false, &TERMS)
        }

        fn receive(&mut self) -> Result<bool, PipeLoss> {
            self.conn.receive(&|| false, &TERMS).1
        }
    }

    /// The status that a call got, and whether its request had been sent.
    fn status(call: &PipelinedCall) -> Option<(u16, bool)> {
        let response = call.take()?.result.ok()?;
        Some((response.status_code(), response.is_request_sent()))
    }

    /// Why a call failed, and whether it may be repeated.
    fn failure(call: &PipelinedCall) -> Option<(ClientErrorKind, bool)> {
        let outcome = call.take()?;
        Some((outcome.result.map(drop).expect_err("a failure").kind(), outcome.is_safe))
    }

    #[test]
    fn the_output_is_bounded_however_the_system_takes_it() {
        let mut piped = Piped::new(Vec::new(), [Ok(40_000), blocked()].repeat(100));
        for _ in 0..40 {
            piped.call("POST", 50_000);
        }
        for _ in 0..100 {
            piped.append();
            assert!(piped.conn.leased.conn.out.slices().concat().len() <= OUTPUT_BYTES_MAX);
            assert!(piped.conn.leased.conn.out.buffer_mut().len() <= OUTPUT_BYTES_MAX, "nor what has left");
            assert!(piped.write().is_ok());
        }
        assert!(piped.conn.leased.conn.passed.sent > 1_500_000);
    }

    #[test]
    fn what_was_not_begun_is_taken_back_when_somebody_leaves() {
        let mut piped = Piped::new(vec![Ok(OK)], vec![Ok(7), blocked()]);
        let [first, second, third] = [(); 3].map(|()| piped.call("POST", 5));
        piped.append();
        assert!(piped.write().is_ok());
        assert_eq!([&first, &second, &third].map(|call| call.is_begun()), [true, false, false]);
        piped.conn.take_back(&mut piped.queue);
        assert_eq!((piped.queue.len(), piped.conn.under_way.len()), (0, 3), "all wait");
        assert!(first.leave().is_none() && second.leave().is_none());
        piped.conn.take_back(&mut piped.queue);
        assert!(piped.queue.len() == 1 && Arc::ptr_eq(&piped.queue[0], &third));
        assert_eq!(piped.conn.leased.conn.out.len(), first.sent.bytes.len() - 7, "it was begun");
        // The third is sent behind the first.
        piped.write().and_then(|()| piped.receive()).map_err(|loss| loss.error).expect("all is taken");
        assert!(piped.conn.is_idle());
        piped.append();
        assert!(piped.write().is_ok() && third.is_begun());
        let all = (first.sent.bytes.len() + third.sent.bytes.len()) as u64;
        assert_eq!(piped.conn.leased.conn.passed.sent, all);
    }

    #[test]
    fn nothing_follows_a_request_that_was_answered_before_it_was_sent() {
        for method in ["GET", "POST"] {
            let mut piped = Piped::new(vec![Ok(REFUSED)], vec![Ok(7), blocked()]);
            let [first, second] = [(); 2].map(|()| piped.call(method, 0));
            piped.append();
            assert!(piped.write().is_ok());
            let loss = piped.receive().expect_err("the connection is over");
            assert_eq!(status(&first), Some((413, false)));
            let end = piped.conn.end(loss, &TERMS);
            assert!(end.unsent.len() == 1 && Arc::ptr_eq(&end.unsent[0], &second));
        }
    }

    #[test]
    fn an_early_agreement_waits_for_the_rest_of_its_request() {
        let mut piped = Piped::new(vec![Ok(OK), blocked(), Ok(OK)], vec![Ok(7), blocked()]);
        let [first, second] = [(); 2].map(|()| piped.call("POST", 5));
        piped.append();
        assert!(piped.write().is_ok() && piped.receive().is_ok());
        assert!(!first.is_over() && !piped.conn.is_kept_due());
        assert!(piped.write().is_ok() && piped.conn.is_kept_due());
        assert!(piped.receive().is_ok());
        assert_eq!((status(&first), status(&second)), (Some((200, true)), Some((200, true))));
        // When the rest cannot be sent, the answer is there all the same.
        let mut piped = Piped::new(vec![Ok(OK), blocked()], vec![Ok(7), blocked(), reset()]);
        let call = piped.call("POST", 5);
        piped.append();
        assert!(piped.write().is_ok() && piped.receive().is_ok());
        let loss = piped.write().expect_err("a reset");
        piped.conn.end(loss, &TERMS);
        assert_eq!(status(&call), Some((200, false)));
    }

    #[test]
    fn what_the_server_said_before_it_took_no_more_counts() {
        for (said, told) in [(REFUSED, 413), (LAST, 200)] {
            let mut piped = Piped::new(vec![Ok(said), reset()], vec![Ok(7), reset()]);
            let [first, second] = [(); 2].map(|()| piped.call("POST", 100_000));
            piped.append();
            let loss = piped.write().expect_err("a reset");
            let end = piped.conn.end(loss, &TERMS);
            assert_eq!(status(&first), Some((told, false)));
            assert_eq!((end.unsent.len(), second.is_over()), (0, false), "it was not even appended");
        }
    }

    #[test]
    fn an_announced_end_is_believed_if_nothing_comes_behind_it() {
        for behind in [None, Some(Ok("H")), Some(blocked())] {
            let mut piped = Piped::new([Some(Ok(LAST)), behind].into_iter().flatten().collect(), Vec::new());
            let [first, second, third] = [(); 3].map(|()| piped.call("POST", 5));
            piped.append();
            assert!(piped.write().is_ok());
            let loss = piped.receive().expect_err("the connection is over");
            piped.conn.end(loss, &TERMS);
            assert_eq!(status(&first), Some((200, true)));
            let is_safe = behind != Some(Ok("H"));
            let closed = Some((ClientErrorKind::ConnectionClosed, is_safe));
            assert_eq!((failure(&second), failure(&third)), (closed, closed));
        }
    }

    #[test]
    fn a_server_that_works_need_not_take_what_comes_next() {
        let whole = 65 + 5;
        let mut piped = Piped::new(vec![blocked(), Ok(OK)], vec![Ok(whole), blocked(), blocked()]);
        let first = piped.call("POST", 5);
        piped.call("POST", 5);
        assert!(first.sent.bytes.len() <= whole);
        piped.append();
        assert!(piped.write().is_ok() && first.is_begun());
        assert!(piped.conn.check_stillness(&TERMS).is_ok(), "that of the first is with the server");
        assert!(piped.receive().is_ok() && piped.receive().is_ok() && first.is_over());
        let late = piped.conn.check_stillness(&TERMS).expect_err("now it is the second that is not taken");
        assert_eq!(late.error.kind(), ClientErrorKind::Timeout(ClientPhase::Send));
    }

    #[test]
    fn whoever_has_no_more_time_does_not_read_on() {
        let mut piped = Piped::new(vec![Ok("HTTP/1.1 102 Processing\r\n\r\n"); 3], Vec::new());
        piped.call("GET", 0);
        piped.append();
        assert!(piped.write().is_ok());
        let (bytes, is_more_there) = piped.conn.receive(&|| true, &TERMS);
        assert_eq!((bytes, is_more_there.ok()), (27, Some(true)));
    }

    #[test]
    fn a_word_before_anything_was_asked_is_the_end_of_the_connection() {
        let mut piped = Piped::new(vec![Ok(REFUSED)], Vec::new());
        let loss = piped.receive().expect_err("it answers nothing");
        assert_eq!(loss.error.kind(), ClientErrorKind::ConnectionClosed);
        let call = piped.call("POST", 5);
        piped.append();
        let end = piped.conn.end(loss, &TERMS);
        assert!(end.useless.is_some() && end.unsent.len() == 1 && !call.is_over());
    }
}
