//! A connection's conversation: request, response, request, response, whoever moves the bytes.
//!
//! The idea: everything that is decided about a request, from its first byte to the last of its response, is decided
//! here, on a workspace that holds what was received and what is to be sent. A driver reads, writes and waits; between
//! two of these it asks [`Exchange::next`] what is to be done.
//!
//! ```text
//!        bytes came                                               answer            next_piece
//!  ┌──▶ NeedInput ◀── next ──▶ Request ─────────────────────────────────▶ Streams ─────────┐
//!  │                   │          │ the driver may give it to a worker first              ▲     │
//!  └───────────────────┼──────────┴───────────── all of it is in the output ◀─────────────┴─────┘
//!                      └──▶ Refused, Ends: send the output, then end the connection
//! ```
//!
//! The rules: the user's code runs through the [`Runner`] alone, because a driver may lose its right to drive
//! meanwhile. What the clocks said is not used beyond it. What is counted is counted here, so that all drivers count
//! alike. Once a response has announced that the connection ends, nothing more is served.

mod bodies;
mod notices;
mod questions;
mod refused;
#[cfg(feature = "ws")]
mod socket;
mod taken_over;

pub(crate) use notices::News;

use crate::config::request_config::RequestConfig;
use crate::config::settings::Settings;
use crate::ctx::{RequestCtx, UserValues};
use crate::message::response::{Live, Outgoing};
use crate::proto::{Limits, Progress, ProtoError, Reply, ServerSession};
use crate::serve::error::Error;
use crate::serve::exchange::notices::{CLIENT_GONE, Notices};
use crate::serve::patience::Patience;
use crate::serve::runner::{Runner, UserCode};
use crate::serve::service::Service;
use crate::serve::user_code::{self, Written};
use crate::serve::workspace::Workspace;
#[cfg(feature = "ws")]
use crate::sockets::SocketSession;
use crate::wire::output::Output;
use crate::wire::transport::Transport;
use crate::wire::wake::Waker;
use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Unsent bytes at which they are sent although further requests are here already.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;

/// How long, and for how many bytes, a peer that is closed on may go on sending before it is cut off.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
pub(crate) const LINGER_BYTES: u32 = 1024 * 1024;

/// What is to be done; see the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Observers are to be told something first: [`Exchange::tell`].
    Tell,
    /// Send the output, then bring more of what the peer sends.
    NeedInput,
    /// The workspace holds a head on which hooks have to decide: [`Exchange::decide`]. `awaits_continue`: its client
    /// waits to be asked for the body.
    Head { awaits_continue: bool },
    /// The workspace holds a request: [`Exchange::answer`].
    Request,
    /// A streamed response is under way: [`Exchange::next_piece`].
    Streams,
    /// The peer's bytes were no request, and the output says so: send it, then end the connection.
    Refused(ProtoError),
    /// The peer's bytes were no request, and the user's error handler answers: [`Exchange::refuse_by_handler`].
    Refusing(ProtoError),
    /// Send the output, then give the connection away: [`Exchange::take_kept`] has who takes it.
    GiveAway,
    /// WebSocket is spoken: [`Exchange::next_of_socket`].
    #[cfg(feature = "ws")]
    Socket,
    /// Send the output, then end the connection.
    Ends,
}

/// Where the next piece of a streamed response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// In the output.
    InOutput,
    /// On its way to the peer, so many bytes: they did not pass through here.
    Sent(usize),
    /// Still at its source: the transport takes nothing now.
    Blocked,
    /// Its source has nothing for now, and has the connection served again when that changes.
    Waiting,
    /// There is none; the response is complete.
    None,
}

/// What comes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnStage {
    /// Requests are read and answered.
    Serving,
    /// The user's error handler has to answer what is no request.
    Refusing(ProtoError),
    /// It ends with what is in the output.
    Closing,
    /// The same, and the peer may be in the middle of sending what nobody will read.
    ClosingMidRequest,
    /// It is given away when what is in the output was sent.
    GivenAway,
    /// It is a WebSocket's.
    #[cfg(feature = "ws")]
    Socket,
}

/// What a connection that waits for its peer is waiting for. While it is the same, the same deadline goes on: requests
/// behind one another have different numbers, that is all that is asked of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    /// The connection's first byte.
    FirstRequest,
    /// The first byte of the request behind so many.
    NextRequest(u32),
    /// The rest of the head of the request behind so many.
    Head(u32),
    /// The rest of the body of the request behind so many, in the time that was given to the whole request.
    Body(u32),
    /// The same, in time of its own: somebody decided on the request when its head was there.
    AcceptedBody(u32),
    /// The rest of a body that nobody wants, of this request.
    UnreadBody(u32),
}

impl Expects {
    /// The number of the request that it is, or belongs to.
    pub(crate) fn request(self) -> u32 {
        match self {
            Self::FirstRequest => 0,
            Self::NextRequest(number)
            | Self::Head(number)
            | Self::Body(number)
            | Self::AcceptedBody(number)
            | Self::UnreadBody(number) => number,
        }
    }

    /// Whether it is a body, of whatever request, that has to come with some speed.
    pub(crate) fn is_body(self) -> bool {
        matches!(self, Self::Body(_) | Self::AcceptedBody(_) | Self::UnreadBody(_))
    }
}

/// The conversation; see the module's text.
#[derive(Debug)]
pub(crate) struct Exchange {
    session: ServerSession,
    /// What most connections have no use for.
    apart: Option<Box<Apart>>,
    stage: ConnStage,
    /// Whether somebody decided on the request under way when its head was there.
    is_accepted: bool,
    /// Whether the output is to be sent before the next piece is asked for.
    sends_first: bool,
    /// What is to follow the output: the rest of a streamed response.
    outgoing: Option<Box<Outgoing>>,
    /// What hooks have kept for the handler; and what handlers have kept until the streamed response is sent.
    kept: UserValues,
}

/// What takes room in those connections only that have a use for it.
#[derive(Debug, Default)]
struct Apart {
    /// What is different for the request under way, where there are hooks that say so.
    config: RequestConfig,
    /// What observers are to be told, where there are any.
    notices: Option<Notices>,
    /// What is said on it, if it is a WebSocket's.
    #[cfg(feature = "ws")]
    socket: Option<Box<SocketSession>>,
}

impl Exchange {
    /// That of the connection `number`, of which nothing has been received.
    pub(crate) fn new(number: u64) -> Self {
        Self {
            session: ServerSession::new(number),
            apart: None,
            stage: ConnStage::Serving,
            is_accepted: false,
            sends_first: false,
            outgoing: None,
            kept: UserValues::default(),
        }
    }

    /// That of a connection on which a request was answered.
    #[cfg(test)]
    pub(crate) fn between_requests() -> Self {
        Self { session: ServerSession::behind_a_request(), ..Self::new(0) }
    }

    /// Says what is to be done, having looked at what was received.
    #[inline]
    pub(crate) fn next(&mut self, work: &mut Workspace, service: &Service) -> Step {
        // Mostly all of this is so.
        let takes_requests = self.apart.is_none() && self.takes_requests();
        if !takes_requests {
            if let Some(step) = self.next_but_request(&work.output) {
                return step;
            }
        }
        let limits = self.limits(&service.settings);
        let progress = work.ctx.request.advance(&mut self.session, &mut work.output, &limits);
        let observers = &service.settings.hooks.observers;
        if observers.are_any && self.note_progress(&progress, work, observers) {
            return Step::Tell;
        }
        match progress {
            Ok(Progress::Ready) => Step::Request,
            Ok(Progress::NeedInput) => Step::NeedInput,
            Ok(Progress::Head { awaits_continue }) => Step::Head { awaits_continue },
            Err(error) => self.refusal(error, work, service),
        }
    }

    /// What is to be done, if that is something else than to look for a request.
    #[inline(never)]
    fn next_but_request(&self, output: &Output) -> Option<Step> {
        if self.notices().is_some_and(|notices| notices.are_due(output)) {
            return Some(Step::Tell);
        }
        if self.outgoing.is_some() {
            return Some(Step::Streams);
        }
        match self.stage {
            ConnStage::Serving => None,
            ConnStage::Refusing(error) => Some(Step::Refusing(error)),
            ConnStage::Closing | ConnStage::ClosingMidRequest => Some(Step::Ends),
            ConnStage::GivenAway => Some(Step::GiveAway),
            #[cfg(feature = "ws")]
            ConnStage::Socket => Some(Step::Socket),
        }
    }

    #[cold]
    fn refusal(&mut self, error: ProtoError, work: &mut Workspace, service: &Service) -> Step {
        self.refuse(error, work, service);
        if self.stage == ConnStage::Refusing(error) { Step::Refusing(error) } else { Step::Refused(error) }
    }

    /// Has the hooks decide on a request of which only the head is there, and says what is to be done then.
    pub(crate) fn decide(
        &mut self,
        awaits_continue: bool,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) -> Step {
        self.try_decide(awaits_continue, work, service, by)
            .unwrap_or_else(|error| self.refusal(error, work, service))
    }

    #[inline(never)]
    fn try_decide(
        &mut self,
        awaits_continue: bool,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) -> Result<Step, ProtoError> {
        let settings = &service.settings;
        let Workspace { ctx, output, moment, clock, .. } = work;
        ctx.begin(self.session.requests(), moment.wall);
        ctx.prepare(settings.limits.body_bytes_max, &settings.ctx, &service.stop);
        ctx.lent.lend_nothing(self.session.number());
        let mut config = RequestConfig::new();
        let mut verdict = Ok(true);
        by.run_user_code(UserCode::Hook, || {
            let (hooks, limits) = (settings.head_hooks(), &settings.limits);
            verdict = user_code::check_head(hooks, awaits_continue, &self.session, ctx, limits, &mut config);
        });
        moment.refresh(clock);
        if ctx.lent.owner() != self.session.number() {
            log::error!("a hook kept the context of a request; its connection is closed without an answer");
            self.note_kept();
            self.stage = ConnStage::ClosingMidRequest;
            return Ok(Step::Ends);
        }
        // The handler may be called elsewhere, and others be served here before.
        ctx.swap_user_values(&mut self.kept);
        self.configure(config);
        if verdict? {
            self.is_accepted = true;
            let limits = self.limits(settings);
            return Ok(match ctx.request.accept_body(&mut self.session, output, &limits)? {
                Progress::Ready => Step::Request,
                Progress::NeedInput | Progress::Head { .. } => Step::NeedInput,
            });
        }
        self.note_begin(output);
        self.put_response(work, true);
        work.begin_answer();
        work.count_answer();
        self.note_answered(work, service);
        let ctx = &mut work.ctx;
        ctx.request.finish(&mut self.session);
        ctx.end();
        self.stage = ConnStage::ClosingMidRequest;
        Ok(Step::Ends)
    }

    /// Runs the handler on the request in the workspace, and adds the response to the output, or as much of it as is
    /// not streamed. The handler is lent the transport.
    ///
    /// # Errors
    /// When the response cannot be completed, so that the connection has to end.
    pub(crate) fn answer(
        &mut self,
        work: &mut Workspace,
        service: &Service,
        transport: &Arc<dyn Transport>,
        patience: &Patience,
        by: &mut impl Runner,
    ) -> Result<(), Error> {
        let settings = &service.settings;
        self.begin(work);
        // It is given back when the workspace is left, or is lent for the next request.
        work.ctx.lent.lend(transport, self.session.number(), patience.read, patience.write);
        work.ctx.prepare(self.limits(settings).body_bytes_max, &settings.ctx, &service.stop);
        work.begin_handler();
        let answered = self.answer_lent(work, service, by);
        work.attendant.end();
        let stays = match answered {
            Ok(stays) => stays,
            Err(error) => {
                count_slow_reader(service, &error);
                self.note_broken(work, service, &error);
                return Err(error);
            }
        };
        let is_long = self.live().is_some();
        #[cfg(feature = "ws")]
        let is_long = is_long || work.ctx.is_socket();
        if is_long {
            // Heartbeats are so small that the system takes any number of them for a peer that has vanished.
            transport.give_up_after(patience.write.limit());
        }
        self.finish(stays, work, service, by);
        Ok(())
    }

    /// Answers the request in the workspace, or of which the head is, that it cannot be served for now: no worker could
    /// be had for it.
    pub(crate) fn turn_away(&mut self, work: &mut Workspace, service: &Service, by: &mut impl Runner) {
        if !self.kept.is_empty() {
            self.forget_response(by);
            work.time_has_passed();
        }
        self.begin(work);
        // Records of it say who the client is.
        work.ctx.prepare(None, &service.settings.ctx, &service.stop);
        service.settings.hooks.note_route(&mut work.ctx);
        user_code::turn_away(&mut work.ctx, by);
        work.time_has_passed();
        service.counters.workers.turned_away.fetch_add(1, Ordering::Relaxed);
        self.note_turned_away();
        let reply = self.respond(work, service);
        self.finish(reply.close.is_none(), work, service, by);
    }

    /// Begins to answer the request in the workspace, with what hooks have kept for it.
    fn begin(&mut self, work: &mut Workspace) {
        work.ctx.begin(self.session.requests(), work.moment.wall);
        work.begin_answer();
        self.note_begin(&work.output);
        if self.is_accepted {
            work.ctx.swap_user_values(&mut self.kept);
        }
    }

    /// Forgets the request that was answered. `stays`: so far the connection does.
    fn finish(&mut self, stays: bool, work: &mut Workspace, service: &Service, by: &mut impl Runner) {
        work.count_answer();
        self.note_answered(work, service);
        self.is_accepted = false;
        if work.ctx.request.finish(&mut self.session).is_some() {
            // The rest of the request may still be on its way.
            self.stage = ConnStage::ClosingMidRequest;
        } else if work.ctx.is_hijacked() {
            self.stage = ConnStage::GivenAway;
        } else if !stays || by.is_stopping() {
            // What is behind the request is not begun.
            self.end();
        }
        if self.outgoing.is_some() || self.gives_away() {
            self.kept = work.ctx.take_user_values();
            #[cfg(feature = "ws")]
            self.begin_socket(work.moment.millis, service);
        }
        if work.ctx.holds_users_values() {
            by.run_user_code(UserCode::Cleanup, || work.ctx.end());
            work.time_has_passed();
        } else {
            work.ctx.end();
        }
    }

    /// Adds the head of the response in the workspace to the output, and its body unless that is streamed.
    fn respond(&mut self, work: &mut Workspace, service: &Service) -> Reply {
        let connections = &service.settings.connections;
        let force_close = !connections.keep_alive
            || connections.max_requests.is_some_and(|max| self.session.requests() >= max)
            // One that is taken over goes on, and a shutdown waits for it.
            || (connections.close_on_shutdown && !service.stop.is_ready() && !work.ctx.is_hijacked());
        self.put_response(work, force_close)
    }

    /// The same; `force_close`: the connection ends with it, whatever else speaks for its going on.
    #[inline]
    fn put_response(&mut self, work: &mut Workspace, force_close: bool) -> Reply {
        let Workspace { ctx, output, default_fields, moment, .. } = work;
        let defaults = default_fields.at(moment.unix_seconds);
        let observed = self.is_observed().then(|| (output.position(), ctx.response.body().len()));
        let reply = ctx.response.respond(&mut self.session, &ctx.request, output, &defaults, force_close);
        if let Some((before, body)) = observed {
            let body = if reply.ending.is_some() { body as u64 } else { 0 };
            self.note_head((output.position() - before).saturating_sub(body));
        }
        reply
    }

    /// The same, while the context has the transport. False: the connection ends with the response.
    fn answer_lent(
        &mut self,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) -> Result<bool, Error> {
        let ctx = &mut work.ctx;
        if service.settings.get_only && !(ctx.request.is_get() || ctx.request.is_head()) {
            user_code::refuse_method(ctx, by);
            work.time_has_passed();
        } else {
            self.call_handler(work, service, by)?;
        }
        let mut is_first = true;
        loop {
            self.settle_writer(work, service, by)?;
            if work.ctx.may_leave_http() {
                if !self.settle_hijack(work, service, by) {
                    return Ok(true);
                }
                self.check_ctx(&work.ctx)?;
                // Another answer may be in its place.
                self.settle_writer(work, service, by)?;
            }
            let begins = work.output.position();
            let reply = self.respond(work, service);
            if work.ctx.is_hijacked() {
                Self::check_hijack(reply, work, by);
            }
            match self.begin_stream(reply, begins, is_first, work, service, by)? {
                Written::Whole => return Ok(reply.close.is_none() || work.ctx.is_hijacked()),
                // There is another response.
                Written::Answered => {
                    self.check_ctx(&work.ctx)?;
                    is_first = false;
                }
            }
        }
    }

    /// A body that a function writes at the pace of the client gets a place, or the response becomes another one.
    fn settle_writer(
        &mut self,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) -> Result<(), Error> {
        if work.ctx.response.has_writer() && !by.may_wait_for_client() {
            self.turn_writer_away(work, service, by);
            self.check_ctx(&work.ctx)?;
        }
        Ok(())
    }

    /// Has the handler answer the request.
    #[inline]
    fn call_handler(
        &mut self,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) -> Result<(), Error> {
        let Workspace { ctx, output, moment, clock, .. } = work;
        // The client may wait for what was answered before it sends on; and what handlers send ahead comes behind that.
        let sends_first = !output.is_empty()
            && (!ctx.request.is_body_complete() || service.settings.ctx.sends_hints.load(Ordering::Relaxed));
        ctx.lent.has_unsent = !output.is_empty() && !sends_first;
        let timeout = &service.settings.threads.handler_timeout;
        let within = self.config().handling(timeout.limit);
        let mut flushed = Ok(());
        by.run_user_code(UserCode::Handler, || {
            if sends_first {
                flushed = ctx.lent.send(output);
            }
            if flushed.is_ok() {
                if within.is_zero() {
                    user_code::run(&*service.handler, ctx);
                } else {
                    // It may be given up.
                    service.settings.hooks.note_route(ctx);
                    user_code::run_timed(service, within, ctx);
                }
                user_code::begin_body(ctx, |status| self.session.sends_body(status));
            }
        });
        self.note_handled();
        if let Err(error) = flushed {
            // The handler was not even called.
            ctx.response.set_status_code(CLIENT_GONE);
            return Err(error.into());
        }
        if ctx.has_panicked {
            service.counters.panics.fetch_add(1, Ordering::Relaxed);
        }
        self.check_ctx(ctx)?;
        moment.refresh(clock);
        Ok(())
    }

    /// Sees that `ctx` is the one that a handler was given. One that is in the place of another knows nothing of this
    /// connection, or of this request; where the other is somebody may read from the connection.
    fn check_ctx(&mut self, ctx: &RequestCtx) -> Result<(), Error> {
        if ctx.lent.is_of(self.session.number()) {
            return Ok(());
        }
        self.note_kept();
        log::error!("a handler kept its context; its connection is closed without an answer");
        let reason = "a handler kept the context of its request, and the connection ended";
        Err(io::Error::new(ErrorKind::NotConnected, reason).into())
    }

    /// Whether the output is to be sent before [`Exchange::next_piece`]: each piece is, before the next is asked for.
    pub(crate) fn sends_first(&self) -> bool {
        self.sends_first
    }

    /// Whether bytes of a file are to follow the output at once.
    pub(crate) fn file_follows(&self) -> bool {
        self.outgoing.as_deref().is_some_and(|outgoing| !outgoing.is_done() && outgoing.is_file())
    }

    /// Brings the next piece of the streamed response. A source that has nothing for now keeps the `waker`.
    ///
    /// # Errors
    /// When the response cannot be completed, so that the connection has to end. What was collected before is the
    /// client's.
    pub(crate) fn next_piece(
        &mut self,
        work: &mut Workspace,
        service: &Service,
        transport: &dyn Transport,
        waker: &dyn Fn() -> Waker,
        by: &mut impl Runner,
    ) -> Result<Piece, Error> {
        let before = work.output.position();
        let brought = self.bring_piece(work, transport, waker, by);
        match &brought {
            Ok(Piece::InOutput) => self.note_piece(work.output.position() - before),
            Ok(Piece::Sent(count)) => {
                self.note_piece(*count as u64);
                work.output.passed(*count);
            }
            Ok(Piece::None) => self.note_streamed(work),
            Ok(Piece::Blocked | Piece::Waiting) => {}
            Err(error) => {
                count_slow_reader(service, error);
                if error.is_body() {
                    self.note_failed_source();
                }
                if error.is_body_panic() {
                    service.counters.panics.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        brought
    }

    fn bring_piece(
        &mut self,
        work: &mut Workspace,
        transport: &dyn Transport,
        waker: &dyn Fn() -> Waker,
        by: &mut impl Runner,
    ) -> Result<Piece, Error> {
        let Some(outgoing) = self.outgoing.as_deref_mut().filter(|outgoing| !outgoing.is_done()) else {
            if self.live().is_some() {
                transport.give_up_after(None);
            }
            self.end_stream(by);
            work.time_has_passed();
            return Ok(Piece::None);
        };
        self.sends_first = true;
        if let Some(live) = outgoing.live() {
            if by.is_stopping() {
                live.end();
            }
            if !outgoing.is_ready(waker) {
                return Ok(Piece::Waiting);
            }
            // Nothing of the user's runs.
            return user_code::next_piece(outgoing, &mut work.output).map(|()| Piece::InOutput);
        }
        let mut direct = None;
        if outgoing.is_file() {
            // The disk may have to be waited for.
            by.run_user_code(UserCode::Body, || direct = outgoing.send_file(transport));
        }
        match direct {
            Some(Ok(count)) => Ok(Piece::Sent(count)),
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => Ok(Piece::Blocked),
            Some(Err(error)) if error.kind() == ErrorKind::Interrupted => Ok(Piece::Sent(0)),
            Some(Err(error)) => Err(error.into()),
            None => {
                let mut filled = Ok(());
                by.run_user_code(UserCode::Body, || {
                    filled = user_code::next_piece(outgoing, &mut work.output)
                });
                filled.map(|()| Piece::InOutput)
            }
        }
    }

    /// The source of the streamed response, if it is one that may have nothing for now.
    pub(crate) fn live(&mut self) -> Option<&mut dyn Live> {
        self.outgoing.as_deref_mut().and_then(Outgoing::live)
    }

    /// Whether each piece of the streamed response is computed for long.
    pub(crate) fn computes(&self) -> bool {
        self.outgoing.as_deref().is_some_and(Outgoing::computes)
    }

    /// The peer will send nothing more, and may be gone, while the source of the streamed response has nothing. True,
    /// the first time: the next piece is there, and whether it is taken will tell.
    pub(crate) fn probe_peer(&mut self) -> bool {
        self.outgoing.as_deref_mut().is_some_and(Outgoing::probe)
    }

    /// A number that is another one after each piece of the streamed response.
    pub(crate) fn pieces(&self) -> u32 {
        self.outgoing.as_deref().map_or(0, Outgoing::pieces)
    }

    fn end_stream(&mut self, by: &mut impl Runner) {
        if self.gives_away() {
            by.forget(self.outgoing.take());
        } else {
            self.forget_response(by);
        }
        if by.is_stopping() && self.stage == ConnStage::Serving {
            self.end();
        }
    }

    /// Forgets the response that is under way, and what handlers have kept until its end.
    pub(crate) fn forget_response(&mut self, by: &mut impl Runner) {
        #[cfg(feature = "ws")]
        if let Some(socket) = self.take_socket() {
            by.forget(socket);
        }
        if self.outgoing.is_some() || !self.kept.is_empty() {
            by.forget((self.outgoing.take(), std::mem::take(&mut self.kept)));
        }
    }

    /// The peer has sent its last byte. Between two requests that is how connections end.
    ///
    /// # Errors
    /// When it was in the middle of a request, of which the peer is told.
    pub(crate) fn input_ended(&mut self, work: &mut Workspace, service: &Service) -> Result<(), ProtoError> {
        self.session
            .input_closed(work.ctx.request.input())
            .inspect_err(|error| self.refuse(*error, work, service))
    }

    /// Asked before the peer is waited for. True: the server is stopping, and there is nothing to wait for, because the
    /// connection is between two requests, or only the rest of a body is missing that nobody wants. It ends.
    pub(crate) fn ends_instead_of_waiting(&mut self, by: &impl Runner) -> bool {
        let is_over = by.is_stopping() && self.may_end_here();
        if is_over {
            self.end();
        }
        is_over
    }

    /// The connection ends with what is in the output, whatever its peer is sending: it is not served at all.
    pub(crate) fn ends_with_refusal(&mut self) {
        self.stage = ConnStage::ClosingMidRequest;
    }

    /// The connection ends with the response that is on its way.
    fn end(&mut self) {
        // What is missing of a request that was answered early may still come.
        let is_mid_request = self.session.is_draining();
        self.stage = if is_mid_request { ConnStage::ClosingMidRequest } else { ConnStage::Closing };
    }

    /// How slow the peer may be in sending the rest of the request under way, and in taking its response.
    #[inline]
    pub(crate) fn patience<'a>(&self, service: &'a Service) -> Cow<'a, Patience> {
        match &self.apart {
            None => Cow::Borrowed(&service.patience),
            Some(apart) => Cow::Owned(Patience::of(&apart.config, &service.settings.timeouts)),
        }
    }

    fn config(&self) -> &RequestConfig {
        self.apart.as_deref().map_or(&RequestConfig::NOTHING, |apart| &apart.config)
    }

    #[inline]
    fn limits<'a>(&self, settings: &'a Settings) -> Cow<'a, Limits> {
        match &self.apart {
            None => Cow::Borrowed(&settings.limits),
            Some(apart) => Cow::Owned(apart.config.apply(&settings.limits)),
        }
    }

    /// Takes over what is different for the request whose head has just arrived.
    fn configure(&mut self, config: RequestConfig) {
        match &mut self.apart {
            Some(apart) => apart.config = config,
            // For most connections that is never.
            None if config != RequestConfig::default() => {
                self.apart = Some(Box::new(Apart { config, ..Apart::default() }));
            }
            None => {}
        }
    }
}

/// A response was given up; perhaps because its client took too little of it.
#[cold]
fn count_slow_reader(service: &Service, error: &Error) {
    if error.is_timeout() && error.is_io() {
        service.counters.slow.readers.fetch_add(1, Ordering::Relaxed);
    }
}
