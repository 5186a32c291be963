//! A connection on which requests are sent before those before them are answered.
//!
//! The idea: what is under way on it is a list in the order of sending, and that of the responses. A request is in the
//! list from the moment at which its first byte goes into the output, and until then in a queue from which it can be
//! taken back; so whoever leaves the queue was never sent, and whoever leaves the list is answered all the same, to
//! nobody.
//!
//! The rules: bytes that come while nothing that is under way was sent answer nothing, and end the connection, as
//! whatever cannot be understood does. Then each request is told what is true of it: not sent (it goes back into the
//! queue), answered by nothing, or by a part of a response.

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

/// A connection; see the module's text.
pub(super) struct PipeConn {
    leased: Leased,
    under_way: VecDeque<SentCall>,
    /// How many bytes of requests were put into the output, all in all.
    appended: u64,
    /// How many requests may be under way.
    window: usize,
    /// Whether no request may follow those that are under way.
    is_last_sent: bool,
    /// Whether an interim response to the first one that is under way has come.
    is_front_heard: bool,
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
pub(super) struct PipeEnd {
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
        let now = Instant::now();
        Ok(Self {
            leased,
            under_way: VecDeque::new(),
            appended: 0,
            window,
            is_last_sent: false,
            is_front_heard: false,
            heard_at: now,
            blocked_since: None,
            taken_at: now,
        })
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether nobody waits for what is under way.
    pub(super) fn is_forsaken(&self) -> bool {
        self.under_way.iter().all(|sent| sent.call.is_gone())
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
        // The first one that is under way is counted there already.
        let begun = || conn.requests + self.under_way.len().saturating_sub(1) as u64;
        let is_worn = || requests.is_some_and(|most| begun() >= most);
        // A new one serves at least one.
        self.is_last_sent || self.appended > 0 && (is_old() || is_worn())
    }

    /// Whether another request could be begun now.
    pub(super) fn has_room(&self, terms: &PipeTerms) -> bool {
        self.leased.conn.out.len() < OUTPUT_BYTES_MAX
            && self.under_way.back().is_none_or(|last| last.rest_behind(self.appended).is_empty())
            && self.under_way.len() < self.window
            && !self.is_retired(terms)
    }

    /// Whether something of the request that was begun last could go into the output now.
    pub(super) fn has_room_for_rest(&self) -> bool {
        let is_all = |last: &SentCall| last.rest_behind(self.appended).is_empty();
        self.leased.conn.out.len() < OUTPUT_BYTES_MAX && !self.under_way.back().is_none_or(is_all)
    }

    /// Puts what is to be sent next into the output: what is left of the request that was begun last, and then, if they
    /// are due, those that `queue` gives. `heard`: how much was heard so far.
    pub(super) fn append(
        &mut self,
        queue: &mut VecDeque<Arc<PipelinedCall>>,
        heard: u64,
        is_due: bool,
        terms: &PipeTerms,
    ) {
        loop {
            let room = OUTPUT_BYTES_MAX.saturating_sub(self.leased.conn.out.len());
            if let Some(last) = self.under_way.back() {
                let rest = last.rest_behind(self.appended);
                let piece = rest.get(..room).unwrap_or(rest);
                self.leased.conn.out.append(piece);
                self.appended += piece.len() as u64;
            }
            if !is_due || !self.has_room(terms) {
                return;
            }
            let Some(call) = queue.pop_front() else { return };
            call.sent_after(heard);
            self.is_last_sent = call.sent.head.is_last();
            self.under_way.push_back(SentCall { call, start: self.appended, sent_at: None });
            if self.under_way.len() == 1 {
                self.await_front();
            }
        }
    }

    /// Makes the response to the first request that is under way the next to come.
    fn await_front(&mut self) {
        self.is_front_heard = false;
        if let Some(front) = self.under_way.front() {
            self.leased.conn.requests += 1;
            self.leased.conn.session.expect(front.call.sent.head);
        }
    }

    /// Whether some of the first request that is under way has left.
    fn is_front_begun(&self) -> bool {
        let taken = self.leased.conn.passed.sent;
        self.under_way.front().is_some_and(|front| front.start < taken)
    }

    /// Writes what is in the output, as far as it is taken.
    pub(super) fn write(&mut self) -> Result<(), PipeLoss> {
        let conn = &mut self.leased.conn;
        let blocked_since = loop {
            match conn.write_some() {
                Ok(true) => self.taken_at = Instant::now(),
                Ok(false) => break None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    break Some(self.blocked_since.unwrap_or_else(Instant::now));
                }
                Err(error) => return Err(conn.lost(error).into()),
            }
        };
        self.blocked_since = blocked_since;
        let taken = self.leased.conn.passed.sent;
        for sent in self.under_way.iter_mut().rev().skip_while(|sent| sent.end() > taken) {
            if sent.sent_at.is_some() {
                break;
            }
            sent.sent_at = Some(self.taken_at);
        }
        Ok(())
    }

    /// Reads what is there and hands responses out, until there is nothing more or `mine` has its own. So many bytes
    /// came.
    pub(super) fn receive(&mut self, mine: &PipelinedCall, terms: &PipeTerms) -> (u64, Result<(), PipeLoss>) {
        let before = self.leased.conn.passed.received;
        let received = self.receive_for(mine, terms);
        (self.leased.conn.passed.received - before, received)
    }

    fn receive_for(&mut self, mine: &PipelinedCall, terms: &PipeTerms) -> Result<(), PipeLoss> {
        loop {
            if mine.is_over() {
                return Ok(());
            }
            match self.leased.conn.read_once() {
                Ok(0) => return self.take_end(terms),
                Ok(_) => {
                    self.heard_at = Instant::now();
                    self.hand_out(terms)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(self.leased.conn.lost(error).into()),
            }
        }
    }

    /// Hands out the responses that are there.
    fn hand_out(&mut self, terms: &PipeTerms) -> Result<(), PipeLoss> {
        loop {
            let is_begun = self.is_front_begun();
            let conn = &mut *self.leased.conn;
            if !is_begun {
                return match conn.input.is_empty() {
                    true => Ok(()),
                    false => Err(conn.refused(ProtoError::ExtraBytes).into()),
                };
            }
            match conn.session.advance(&mut conn.input, &mut conn.found, &terms.limits) {
                Ok(ResponseProgress::NeedInput) => return Ok(()),
                Ok(ResponseProgress::Interim { .. }) => self.is_front_heard = true,
                Ok(ResponseProgress::Ready) => self.hand_out_one(terms)?,
                Err(error) => return Err(conn.refused(error).into()),
            }
        }
    }

    /// Hands out the response that is there, and has the next awaited.
    fn hand_out_one(&mut self, terms: &PipeTerms) -> Result<(), PipeLoss> {
        let Some(front) = self.under_way.pop_front() else { return Ok(()) };
        let conn: &mut ClientSocket = &mut self.leased.conn;
        if front.end() <= conn.passed.sent {
            conn.session.request_sent();
        }
        if !front.call.is_gone() {
            let response =
                ClientResponse::whole(conn, terms.body_max, terms.ratio_max, front.call.sent.decodes);
            let (is_safe, was_reused) = (front.call.sent.is_idempotent, conn.requests > 1);
            front.call.give(PipelinedOutcome { result: Ok(response), is_safe, was_reused });
        }
        let reason = match self.under_way.is_empty() {
            true => conn.session.finish(&mut conn.input, &mut conn.found),
            false => conn.session.finish_before_others(&mut conn.input, &mut conn.found),
        };
        if let Some(reason) = reason {
            let is_announced = reason == CloseReason::PeerAsked;
            return Err(PipeLoss { error: conn.ended(), is_announced });
        }
        self.window = self.window.saturating_mul(2);
        self.await_front();
        Ok(())
    }

    /// The peer's stream has ended, which may be the end of a body.
    fn take_end(&mut self, terms: &PipeTerms) -> Result<(), PipeLoss> {
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

    /// When the server has been silent for too long, and when it has taken nothing for too long.
    fn ends(&self, terms: &PipeTerms) -> (Until, Until) {
        let never = Until::default();
        let sent_at = self.under_way.front().and_then(|front| front.sent_at);
        let silent = sent_at.map_or(never, |sent_at| never.or_at(sent_at.max(self.heard_at), terms.read));
        let blocked = self
            .blocked_since
            .map_or(never, |blocked_since| never.or_at(blocked_since.max(self.taken_at), terms.write));
        (silent, blocked)
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

    /// Closes the connection, and then tells all whose requests were sent.
    pub(super) fn end(self, loss: PipeLoss) -> PipeEnd {
        let Self { leased, under_way, is_front_heard, window, .. } = self;
        let conn = &leased.conn;
        let (taken, was_reused, remote) = (conn.passed.sent, conn.requests > 1, conn.remote);
        let is_heard = is_front_heard || !conn.input.is_empty();
        let was_used = taken > 0 || conn.requests > u64::from(!under_way.is_empty());
        drop(leased);
        let PipeLoss { error, is_announced } = loss;
        let mut end = PipeEnd { unsent: Vec::new(), window, useless: (!was_used).then(|| error.same()) };
        let behind = format!("of those that were sent together an earlier one failed: {error}");
        let mut error = Some(error);
        for (number, SentCall { call, start, .. }) in under_way.into_iter().enumerate() {
            if start >= taken {
                end.unsent.push(call);
                continue;
            }
            end.window = 1;
            let is_safe = is_announced || call.sent.is_idempotent && !(number == 0 && is_heard);
            let error = error.take().unwrap_or_else(|| {
                ClientError::because(ClientErrorKind::ConnectionClosed, behind.as_str()).at(remote)
            });
            call.give(PipelinedOutcome { result: Err(error), is_safe, was_reused });
        }
        end
    }
}
