//! The conversation on one socket: what comes is told, what is to be sent is encoded, and it comes to an end.
//!
//! The idea: whoever serves the connection brings bytes and takes them away, and asks [`SocketSession::next`] what is
//! to be done between two of these. The user's code is called by [`SocketSession::run`] alone, when whoever serves says
//! so.
//!
//! The rules: a message is told before the next one is looked for. What the user's code has sent is in the output
//! before that, too, so a client that does not take it is not read from. Once the end is settled nothing is sent but
//! what is in the output.
//!
//! A client of ours reads whatever its server takes: both would wait for each other if the server did as we do. Then
//! [`SocketSession::hear`] says what is next. It adds nothing to the output but the answer to a close frame, which is
//! the last: pings wait for the output, and only the last of them is answered (RFC 6455 section 5.5.3).
//!
//! Source: RFC 6455 sections 5.5 and 7.

use super::counts::SocketCounters;
use super::end::WebSocketEnd;
use super::handler::WebSocketHandler;
use super::inbox::Inbox;
use super::link::{SocketLink, ToPeer};
use super::looping::{LoopFunction, LoopPlace, LoopStart, failed};
use super::options::SocketSettings;
use super::outbox::{FromOutbox, Openness};
use super::sender::WebSocketSender;
use super::socket::WebSocket;
use super::times::{Due, SocketTimes};
use crate::stop::StopSignal;
use crate::util::panic::{self, Contained};
use crate::wire::input::Input;
use crate::wire::output::Output;
use crate::wire::wake::Waker;
use crate::ws::{
    CloseCode, CloseFrame, ControlPayload, DeflateParams, Incoming, Message, MessageDecoder, MessageEncoder,
    Role,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Unsent bytes at which they are sent before anything else is done.
const ENOUGH: usize = 64 * 1024;

const IDLE: &str = "nothing was said for too long";

/// A socket that a handler has agreed to, before it is open.
pub(crate) struct SocketSeed {
    pub(crate) settings: Arc<SocketSettings>,
    pub(crate) subprotocol: Option<String>,
    pub(crate) deflate: Option<DeflateParams>,
    pub(crate) user: SocketUser,
}

/// Whose it is.
pub(crate) enum SocketUser {
    Handler(Contained<Box<dyn WebSocketHandler>>),
    /// The place is the one that was promised, if that was.
    Loop(Contained<LoopFunction>, Option<LoopPlace>),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketStep {
    /// Run the user's code: [`SocketSession::run`].
    Run,
    /// Send the output.
    Send,
    /// Send the output, then bring more of what the peer sends.
    Read,
    /// Send the output, then wait until there is something else to do.
    Wait,
    /// Go on, unless others have waited for long.
    GoOn,
    /// It is over. `is_cut`: at once, whatever is in the output; `is_mid`: the peer may be sending what nobody will
    /// read.
    Over { is_cut: bool, is_mid: bool },
}

/// What is to be done before a connection is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BeforeParking {
    Nothing,
    /// Look once more whether something has come: if not, the peer may have to be given up.
    Read,
    /// Go on with the session.
    GoOn,
}

/// Who is told.
enum Teller {
    Handler(Contained<Box<dyn WebSocketHandler>>),
    Loop(Arc<Inbox<Message, WebSocketEnd>>),
}

/// What the user's code is to be called for.
#[derive(Debug)]
enum Ahead {
    Open,
    Message(Message),
    End,
}

/// How far the end has come.
#[derive(Debug, Default)]
struct Closing {
    /// The server was seen to be stopping.
    is_stopping: bool,
    /// What we have said.
    sent: Option<CloseFrame>,
    /// Whether anything at all was said.
    is_sent: bool,
    /// And has left: it is the last of the output, so that was found empty behind it.
    has_left: bool,
    /// What the peer has said.
    received: Option<Option<CloseFrame>>,
    /// The user's code was told of the end, or will be when this is dropped.
    is_told: bool,
    has_called: bool,
    is_cut: bool,
    is_mid: bool,
}

/// See the module's text.
pub(crate) struct SocketSession {
    sender: WebSocketSender,
    decoder: MessageDecoder,
    encoder: MessageEncoder,
    teller: Teller,
    /// The loop, until it is begun.
    start: Option<Box<LoopStart>>,
    ahead: Option<Ahead>,
    closing: Closing,
    times: SocketTimes,
    /// Whether what comes is read; false while a loop has enough to do.
    reads: bool,
    /// What the last ping said that a client has not answered yet.
    asked: Option<ControlPayload>,
    /// What may take long was done since that was asked last.
    has_toiled: bool,
    uncounted: UncountedMessages,
}

/// Messages that were not counted yet.
#[derive(Default)]
struct UncountedMessages {
    received: u64,
    sent: u64,
}

impl SocketSession {
    /// A socket of a server, that opens `now`.
    pub(crate) fn begin(
        seed: SocketSeed,
        counters: &Arc<SocketCounters>,
        stop: &StopSignal,
        now: u64,
    ) -> Self {
        let SocketSeed { settings, subprotocol, deflate, user } = seed;
        let link =
            SocketLink::new(Role::Server, settings, counters.clone(), stop.clone(), subprotocol, deflate);
        let sender = WebSocketSender::new(Arc::new(link));
        let (teller, start, ahead) = match user {
            SocketUser::Handler(handler) => (Teller::Handler(handler), None, Some(Ahead::Open)),
            SocketUser::Loop(function, place) => {
                let inbox = Arc::new(Inbox::new());
                let socket = WebSocket::new(sender.clone(), inbox.clone());
                (Teller::Loop(inbox), Some(Box::new(LoopStart::new(function, socket, place))), None)
            }
        };
        Self::of(sender, teller, start, ahead, now)
    }

    /// A socket that this program has opened to a server, `now`; it is whoever's who gets it.
    #[cfg(feature = "client")]
    pub(crate) fn begin_held(
        settings: Arc<SocketSettings>,
        subprotocol: Option<String>,
        deflate: Option<DeflateParams>,
        now: u64,
    ) -> (Self, WebSocket) {
        let (counters, stop) = (Arc::default(), StopSignal::new());
        let link = SocketLink::new(Role::Client, settings, counters, stop, subprotocol, deflate);
        let sender = WebSocketSender::new(Arc::new(link));
        let inbox = Arc::new(Inbox::new());
        let socket = WebSocket::held(sender.clone(), inbox.clone());
        (Self::of(sender, Teller::Loop(inbox), None, None, now), socket)
    }

    fn of(
        sender: WebSocketSender,
        teller: Teller,
        start: Option<Box<LoopStart>>,
        ahead: Option<Ahead>,
        now: u64,
    ) -> Self {
        let SocketLink { role, settings, deflate, counters, .. } = &*sender.link;
        counters.opened();
        Self {
            decoder: MessageDecoder::new(*role, settings.limits, deflate.as_ref()),
            encoder: MessageEncoder::new(*role, deflate.as_ref()),
            sender,
            teller,
            start,
            ahead,
            closing: Closing::default(),
            times: SocketTimes::new(now),
            reads: true,
            asked: None,
            has_toiled: false,
            uncounted: UncountedMessages::default(),
        }
    }

    /// The loop that is to be begun.
    pub(crate) fn take_start(&mut self) -> Option<Box<LoopStart>> {
        self.start.take()
    }

    /// Whether there is a loop to be begun.
    pub(crate) fn has_start(&self) -> bool {
        self.start.is_some()
    }

    /// Whoever brings something to be sent wakes by this.
    pub(crate) fn be_told_by(&self, waker: impl FnOnce() -> Waker) {
        self.link().outbox.be_told_by(waker);
    }

    /// Whether there is something to be done that nobody has seen yet. If not, the waker is used once when there is.
    pub(crate) fn look(&self) -> bool {
        self.link().outbox.look()
    }

    fn link(&self) -> &Arc<SocketLink> {
        &self.sender.link
    }

    /// What is to be done, having looked at what has come.
    pub(crate) fn next(
        &mut self,
        input: &mut Input,
        output: &mut Output,
        now: u64,
        is_stopping: bool,
    ) -> SocketStep {
        self.see_what_others_did(now, is_stopping);
        self.see_what_left(output);
        loop {
            if self.ahead.is_some() {
                return SocketStep::Run;
            }
            if self.link().end().is_some() {
                if let Some(over) = self.over() {
                    return over;
                }
                continue;
            }
            self.answer_ping(output);
            if output.len() < ENOUGH {
                self.fill(output, now);
            }
            if self.link().end().is_some() {
                continue;
            }
            if output.len() >= ENOUGH {
                return SocketStep::Send;
            }
            // As long as something is to be sent that is done first, and has its own time.
            if output.is_empty() && self.is_end_late(now) {
                self.end_late(output);
                continue;
            }
            if !self.is_to_read() {
                self.reads = false;
                return SocketStep::Wait;
            }
            if !std::mem::replace(&mut self.reads, true) {
                self.times.spoke(now);
            }
            if !input.is_empty() || self.decoder.is_behind() {
                self.decode(input, output, now);
                if self.decoder.has_unpacked() {
                    self.has_toiled = true;
                    return if self.ahead.is_some() { SocketStep::Run } else { SocketStep::GoOn };
                }
            } else if self.is_fruitless(now) {
                self.sender.close(CloseCode::AWAY, IDLE);
            } else {
                return SocketStep::Read;
            }
        }
    }

    /// What is to be done while nothing is added to the output: [`SocketStep::Send`] when the server is not to be heard
    /// now, else [`SocketStep::Read`].
    #[cfg(feature = "client")]
    pub(crate) fn hear(&mut self, input: &mut Input, output: &mut Output, now: u64) -> SocketStep {
        self.see_what_others_did(now, false);
        self.see_what_left(output);
        loop {
            if self.link().end().is_some() {
                match self.over() {
                    Some(over) => return over,
                    None => return SocketStep::Run,
                }
            }
            if !self.is_to_read() {
                self.reads = false;
                return SocketStep::Send;
            }
            if !std::mem::replace(&mut self.reads, true) {
                self.times.spoke(now);
            }
            if input.is_empty() && !self.decoder.is_behind() {
                return SocketStep::Read;
            }
            self.decode(input, output, now);
        }
    }

    /// As [`look`](Self::look), while nothing of what waits is taken.
    #[cfg(feature = "client")]
    pub(crate) fn look_for_nudge(&self) -> bool {
        self.link().outbox.look_for_nudge()
    }

    /// Looks at what has changed while nobody served this: whether it is to come to its end, and for how long the
    /// user's code ran.
    fn see_what_others_did(&mut self, now: u64, is_stopping: bool) {
        if is_stopping && !self.closing.is_stopping {
            self.closing.is_stopping = true;
            self.sender.close(CloseCode::AWAY, "the server stops");
        }
        self.times.goes_on(now);
        match self.link().outbox.openness() {
            Openness::Open => {}
            // What was told before is answered in its own time.
            Openness::Closed if self.ahead.is_some() => {}
            Openness::Closed => self.times.closes(now),
            Openness::Overrun => {
                log::debug!("a peer was cut off that took its messages too slowly");
                self.cut_off();
            }
        }
    }

    /// Looks whether what was said last has left, as far as the system is concerned.
    fn see_what_left(&mut self, output: &Output) {
        self.closing.has_left |= self.closing.is_sent && output.is_empty();
    }

    /// Whether the time for the end is over, which passes whatever the peer sends.
    fn is_end_late(&self, now: u64) -> bool {
        self.times.close_deadline(&self.link().settings.timeouts).is_some_and(|at| at <= now)
    }

    fn end_late(&mut self, output: &mut Output) {
        if self.closing.received.is_some() { self.answer_close(output, true) } else { self.cut_off() }
    }

    /// Whether the peer, which sends and sends, has said nothing for too long.
    fn is_fruitless(&mut self, now: u64) -> bool {
        self.times.are_reads_fruitless(now)
            && self.link().outbox.is_open()
            && self.times.due(&self.link().settings.timeouts, self.reads, now) == Due::Idle
    }

    /// The end is settled. `None`: the user's code is to be told first.
    fn over(&mut self) -> Option<SocketStep> {
        let Closing { is_cut, is_mid, is_told, .. } = self.closing;
        if !is_told && matches!(self.teller, Teller::Handler(_)) {
            self.closing.is_told = true;
            self.ahead = Some(Ahead::End);
            return None;
        }
        Some(SocketStep::Over { is_cut, is_mid })
    }

    /// Moves what waits into the output, as long as there is not enough of it.
    fn fill(&mut self, output: &mut Output, now: u64) {
        while !self.closing.is_sent && output.len() < ENOUGH {
            match self.link().outbox.take() {
                FromOutbox::Item(ToPeer::Frames(mut frames)) => output.append_body_vec(&mut frames),
                FromOutbox::Item(ToPeer::Message(message)) => {
                    self.encoder.message(message.kind(), message.as_bytes(), output.buffer_mut());
                }
                FromOutbox::Item(ToPeer::Shared(message)) => match self.encoder.shared(&message) {
                    Some(frame) => output.append(&frame),
                    None => self.encoder.message(message.kind(), message.payload(), output.buffer_mut()),
                },
                FromOutbox::Close(frame) => {
                    // Who was first is answered as it has said.
                    if self.closing.received.is_some() {
                        return self.answer_close(output, true);
                    }
                    self.say_last(Some(&frame), output);
                    self.times.closes(now);
                    self.closing.sent = Some(frame);
                    return;
                }
                FromOutbox::Overrun => return self.cut_off(),
                FromOutbox::Nothing => return self.answer_close(output, false),
            }
            self.uncounted.sent += 1;
            self.times.spoke(now);
        }
    }

    /// Whether the peer is to be read from.
    fn is_to_read(&self) -> bool {
        if self.closing.received.is_some() {
            return false;
        }
        match &self.teller {
            Teller::Handler(_) => true,
            Teller::Loop(inbox) => inbox.has_room(),
        }
    }

    fn decode(&mut self, input: &mut Input, output: &mut Output, now: u64) {
        let (used, incoming) = match self.decoder.decode_some(input.unread_mut()) {
            Ok(found) => found,
            Err(error) => {
                input.clear();
                log::debug!("a WebSocket is closed: {error}");
                self.times.closes(now);
                return self.fail(error.close_frame(), output);
            }
        };
        input.consume(used);
        match incoming {
            None | Some(Incoming::Pong(_)) => {}
            Some(Incoming::Ping(payload)) => {
                self.asked = Some(payload);
                if self.link().role == Role::Server {
                    self.answer_ping(output);
                }
            }
            Some(Incoming::Message(message)) => {
                self.uncounted.received += 1;
                self.times.spoke(now);
                self.tell(message);
            }
            Some(Incoming::Close(frame)) => {
                input.clear();
                self.closed_by_peer(frame, output, now);
            }
        }
    }

    /// Answers the last ping, unless that was done.
    fn answer_ping(&mut self, output: &mut Output) {
        if let Some(payload) = self.asked.take().filter(|_| !self.closing.is_sent) {
            // A ping is never longer than a pong may be.
            let _ = self.encoder.pong(&payload, output.buffer_mut());
        }
    }

    fn tell(&mut self, message: Message) {
        if !self.link().outbox.is_open() {
            // It was closed here, so nobody wants it any more.
            return;
        }
        match &self.teller {
            Teller::Handler(_) => self.ahead = Some(Ahead::Message(message)),
            Teller::Loop(inbox) => {
                let weight = message.len();
                inbox.put(message, weight);
            }
        }
    }

    fn closed_by_peer(&mut self, frame: Option<CloseFrame>, output: &mut Output, now: u64) {
        if self.closing.is_sent {
            let ours = self.closing.sent.take();
            let role = self.link().role;
            // Nobody has answered what has not left.
            let end = match ours.filter(|_| self.closing.has_left) {
                Some(ours) => WebSocketEnd::by_us(role, ours),
                None => WebSocketEnd::by_peer(role, frame),
            };
            return self.note_end(end);
        }
        self.closing.received = Some(frame);
        self.times.closes(now);
        self.answer_close(output, false);
    }

    /// Answers the peer's close frame, once everything that came before was answered.
    fn answer_close(&mut self, output: &mut Output, is_late: bool) {
        let Some(theirs) = &self.closing.received else { return };
        let is_due = match &self.teller {
            Teller::Handler(_) => true,
            Teller::Loop(inbox) => inbox.put_last() || is_late,
        };
        if !self.closing.is_sent && is_due {
            let theirs = theirs.clone();
            self.say_last(theirs.as_ref(), output);
            self.note_end(WebSocketEnd::by_peer(self.link().role, theirs));
        }
    }

    /// The peer has broken the protocol, or the like: it is told, and not waited for.
    fn fail(&mut self, frame: CloseFrame, output: &mut Output) {
        if !self.closing.is_sent {
            self.say_last(Some(&frame), output);
        }
        self.closing.is_mid = true;
        let said = self.closing.sent.take().unwrap_or(frame);
        self.note_end(WebSocketEnd::by_us(self.link().role, said));
    }

    fn say_last(&mut self, frame: Option<&CloseFrame>, output: &mut Output) {
        self.encoder.close(frame, output.buffer_mut());
        self.closing.is_sent = true;
    }

    /// That is how it ends, unless it has ended otherwise before.
    fn note_end(&mut self, end: WebSocketEnd) {
        if self.link().ended(end.clone()) {
            self.link().counters.ended(&end);
            if let Teller::Loop(inbox) = &self.teller {
                inbox.end(end);
            }
        }
    }

    /// The connection is cut off: nothing of what waits is sent. Whether a server has what a client said before its
    /// close frame is not known without the answer to that.
    pub(crate) fn cut_off(&mut self) {
        self.closing.is_cut = true;
        let role = self.link().role;
        let end = match (self.closing.sent.take(), self.closing.received.take()) {
            (Some(_), None) if role == Role::Client => WebSocketEnd::Lost,
            (Some(ours), _) => WebSocketEnd::by_us(role, ours),
            (None, Some(theirs)) => WebSocketEnd::by_peer(role, theirs),
            (None, None) => WebSocketEnd::Lost,
        };
        self.note_end(end);
    }

    /// Something has come from the peer.
    pub(crate) fn heard(&mut self, now: u64) {
        self.times.heard(now);
    }

    /// A read has found nothing of the peer.
    pub(crate) fn heard_nothing(&mut self, now: u64) {
        self.times.looked(now);
    }

    /// Whether something was done since this was asked last that may have taken long, as a peer will have it: messages
    /// were unpacked.
    pub(crate) fn has_toiled(&mut self) -> bool {
        std::mem::take(&mut self.has_toiled)
    }

    /// Asked before the connection is parked, when everything that was reported has been read.
    pub(crate) fn before_parking(&mut self, output: &mut Output, now: u64) -> BeforeParking {
        self.decoder.release();
        if self.closing.is_sent || !self.link().outbox.is_open() {
            self.times.closes(now);
        }
        let due = self.times.due(&self.link().settings.timeouts, self.reads, now);
        match due {
            Due::Nothing => return BeforeParking::Nothing,
            Due::Look => return BeforeParking::Read,
            Due::Ping => {
                let _ = self.encoder.ping(&[], output.buffer_mut());
                self.times.asked(now);
            }
            Due::Lost => {
                log::debug!("a WebSocket is given up: its peer does not answer");
                self.cut_off();
            }
            Due::Idle => self.sender.close(CloseCode::AWAY, IDLE),
            Due::Close => self.end_late(output),
        }
        BeforeParking::GoOn
    }

    /// When the connection, which is about to be parked and waits for what happens next, is to be looked at.
    pub(crate) fn deadline(&mut self) -> Option<u64> {
        self.times.flows();
        self.times.deadline(&self.link().settings.timeouts, self.reads)
    }

    /// The same where it waits for its peer to take more. `has_moved`: it has taken some since it was parked last, or
    /// something came of it.
    pub(crate) fn write_deadline(&mut self, now: u64, has_moved: bool) -> Option<u64> {
        // A server that is not read from may have to be before it takes more.
        let is_heard = self.reads || self.link().role == Role::Server;
        self.times.stalls(now, has_moved || !is_heard);
        self.times.write_deadline(&self.link().settings.timeouts)
    }

    /// Whether the peer, which takes no more of the output for now, is to be given up. `has_moved`: it has taken some
    /// since this was asked last.
    pub(crate) fn is_late_to_take(&mut self, now: u64, has_moved: bool) -> bool {
        self.write_deadline(now, has_moved).is_some_and(|at| at <= now)
    }

    /// Whether a shutdown has nothing to say here: the socket is about to end already.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_stopping || self.closing.is_sent
    }

    /// No thread could be had for what is ahead.
    pub(crate) fn turn_away(&mut self) {
        self.ahead = None;
        self.sender.close(CloseCode::TRY_AGAIN, "no thread can be had for it");
    }

    /// Runs the user's code for what is ahead.
    pub(crate) fn run(&mut self) {
        let Some(ahead) = self.ahead.take() else { return };
        self.times.ran();
        let Teller::Handler(handler) = &mut self.teller else { return };
        let Some(handler) = handler.as_mut() else { return };
        let sender = &self.sender;
        let outcome = {
            let _served = sender.link.serve_here();
            panic::call(|| match ahead {
                Ahead::Open => handler.on_open(sender),
                Ahead::Message(message) => handler.on_message(sender, message),
                Ahead::End => {
                    self.closing.has_called = true;
                    if let Some(end) = sender.end() {
                        handler.on_close(end);
                    }
                    Ok(())
                }
            })
        };
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed(sender, error),
            Err(panicked) => {
                sender.link.counters.panics.fetch_add(1, Ordering::Relaxed);
                log::error!(target: "anthill_http::handler", "a handler of a WebSocket {panicked}");
                sender.close(CloseCode::INTERNAL, "");
            }
        }
    }

    /// Counts what was not counted yet.
    pub(crate) fn count(&mut self) {
        let counters = &self.sender.link.counters;
        let UncountedMessages { received, sent } = &mut self.uncounted;
        for (counter, count) in [(&counters.received, received), (&counters.sent, sent)] {
            if *count > 0 {
                counter.fetch_add(std::mem::take(count), Ordering::Relaxed);
            }
        }
    }
}

impl Drop for SocketSession {
    /// Who has not been told of the end is told here: the connection was given up before there was a thread for it.
    fn drop(&mut self) {
        self.cut_off();
        self.count();
        if !self.closing.has_called {
            self.ahead = Some(Ahead::End);
            self.run();
        }
    }
}

impl fmt::Debug for SocketSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketSession")
            .field("ahead", &self.ahead)
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
