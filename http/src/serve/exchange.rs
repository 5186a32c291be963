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
//! The rules: the user's code runs through the [`Runner`] alone, because a driver may lose its right to drive meanwhile.
//! What is counted is counted here, so that all drivers count alike. Once a response has announced that the connection
//! ends, nothing more is served.

use crate::config::request_config::RequestConfig;
use crate::config::settings::Settings;
use crate::ctx::UserValues;
use crate::message::response::{Live, Outgoing, Stream};
use crate::proto::{Limits, Progress, ProtoError, RequestStage, ServerSession};
use crate::serve::error::Error;
use crate::serve::runner::Runner;
use crate::serve::service::Service;
use crate::serve::user_code;
use crate::serve::workspace::Workspace;
use crate::wire::input::Input;
use crate::wire::lent::LentTransport;
use crate::wire::output::Output;
use crate::wire::transport::Transport;
use crate::wire::wake::Waker;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Unsent bytes at which they are sent although further requests are here already.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;

/// How long, and for how many bytes, a peer that is closed on may go on sending before it is cut off.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
pub(crate) const LINGER_BYTES: usize = 1024 * 1024;

/// What is to be done; see the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send the output, then bring more of what the peer sends.
    NeedInput,
    /// The workspace holds a request: [`Exchange::answer`].
    Request,
    /// A streamed response is under way: [`Exchange::next_piece`].
    Streams,
    /// The peer's bytes were no request, and the output says so: send it, then end the connection.
    Refused(ProtoError),
    /// Send the output, then end the connection.
    Ends,
}

/// Where the next piece of a streamed response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// In the output.
    InOutput,
    /// On its way to the peer: it did not pass through here.
    Sent,
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
    /// It ends with what is in the output.
    Closing,
    /// The same, and the peer may be in the middle of sending what nobody will read.
    ClosingMidRequest,
}

/// What a connection that waits for its peer is waiting for. While it is the same, the same deadline goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    /// The connection's first byte.
    FirstRequest,
    /// The first byte of the request behind so many.
    NextRequest(u64),
    /// The rest of the head of the request behind so many.
    Head(u64),
    /// The rest of the body of the request behind so many, in the time that was given to the whole request.
    Body(u64),
    /// The same, in time of its own: somebody decided on the request when its head was there.
    AcceptedBody(u64),
    /// The rest of a body that nobody wants, of this request.
    UnreadBody(u64),
}

/// How long the peer may keep others waiting; `None`: as long as the transport itself allows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    pub(crate) read: Option<Duration>,
    pub(crate) write: Option<Duration>,
}

/// The conversation; see the module's text.
#[derive(Debug)]
pub(crate) struct Exchange {
    session: ServerSession,
    /// What is different for the request under way, where there are hooks that say so.
    config: Option<Box<RequestConfig>>,
    stage: ConnStage,
    /// Whether somebody decided on the request under way when its head was there.
    is_accepted: bool,
    /// Whether the output is to be sent before the next piece is asked for.
    sends_first: bool,
    /// What is to follow the output: the rest of a streamed response.
    outgoing: Option<Box<Outgoing>>,
    /// What handlers have kept until the streamed response is sent.
    kept: UserValues,
    /// Requests that [`Exchange::uncounted_requests`] has told of.
    counted_requests: u64,
}

impl Exchange {
    /// That of the connection `number`, of which nothing has been received.
    pub(crate) fn new(number: u64) -> Self {
        Self {
            session: ServerSession::new(number),
            config: None,
            stage: ConnStage::Serving,
            is_accepted: false,
            sends_first: false,
            outgoing: None,
            kept: UserValues::default(),
            counted_requests: 0,
        }
    }

    /// Says what is to be done, having looked at what was received.
    #[inline]
    pub(crate) fn next(&mut self, work: &mut Workspace, service: &Service, by: &mut impl Runner) -> Step {
        if self.outgoing.is_some() {
            return Step::Streams;
        }
        if self.stage != ConnStage::Serving {
            return Step::Ends;
        }
        self.advance(work, service, by).unwrap_or_else(|error| {
            self.refuse(error, work, service);
            Step::Refused(error)
        })
    }

    /// Looks for the next request.
    #[inline]
    fn advance(
        &mut self,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) -> Result<Step, ProtoError> {
        let limits = self.limits(&service.settings);
        match work.ctx.request.advance(&mut self.session, &mut work.output, &limits)? {
            Progress::Ready => Ok(Step::Request),
            Progress::NeedInput => Ok(Step::NeedInput),
            Progress::Head { awaits_continue } => self.decide_on_head(awaits_continue, work, service, by),
        }
    }

    /// Has the hooks decide on a request of which only the head is there.
    #[inline(never)]
    fn decide_on_head(
        &mut self,
        awaits_continue: bool,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) -> Result<Step, ProtoError> {
        let settings = &service.settings;
        let Workspace { ctx, output, default_fields, moment, .. } = work;
        ctx.begin(self.session.requests(), moment.wall);
        let mut config = RequestConfig::new();
        let mut verdict = Ok(true);
        by.run_user_code(|| {
            let (hooks, limits) = (settings.head_hooks(), &settings.limits);
            verdict = user_code::check_head(hooks, awaits_continue, &self.session, ctx, limits, &mut config);
        });
        self.configure(config);
        if verdict? {
            self.is_accepted = true;
            let limits = self.limits(settings);
            return Ok(match ctx.request.accept_body(&mut self.session, output, &limits)? {
                Progress::Ready => Step::Request,
                Progress::NeedInput | Progress::Head { .. } => Step::NeedInput,
            });
        }
        let defaults = default_fields.at(moment.unix_seconds);
        ctx.response.respond(&mut self.session, &ctx.request, output, &defaults, true);
        ctx.request.finish(&mut self.session);
        ctx.end();
        self.stage = ConnStage::ClosingMidRequest;
        Ok(Step::Ends)
    }

    /// Runs the handler on the request in the workspace, and adds the response to the output, or as much of it as is not
    /// streamed. The handler is lent the transport.
    ///
    /// # Errors
    /// When the response cannot be completed, so that the connection has to end.
    pub(crate) fn answer(
        &mut self,
        work: &mut Workspace,
        service: &Service,
        transport: &mut Option<Box<dyn Transport>>,
        patience: Patience,
        by: &mut impl Runner,
    ) -> Result<(), Error> {
        let settings = &service.settings;
        work.ctx.begin(self.session.requests(), work.moment.wall);
        let lent = LentTransport {
            transport: transport.take(),
            owner: self.session.number(),
            read_limit: patience.read,
            write_limit: patience.write,
            is_answering: false,
        };
        work.ctx.lend(lent, self.limits(settings).body_bytes_max, &settings.ctx);
        let answered = self.answer_lent(work, service, by);
        *transport = work.ctx.lent.transport.take();
        if transport.is_none() {
            log::error!("a handler kept its context; its connection is closed without an answer");
        }
        let stays = answered?;
        if let (Some(_), Some(transport)) = (self.live(), transport) {
            // Heartbeats are so small that the system takes any number of them for a peer that has vanished.
            transport.give_up_after(patience.write);
        }
        self.is_accepted = false;
        if work.ctx.request.finish(&mut self.session).is_some() {
            // The rest of the request may still be on its way.
            self.stage = ConnStage::ClosingMidRequest;
        } else if !stays || by.is_stopping() {
            // What is behind the request is not begun.
            self.end();
        }
        if self.outgoing.is_some() {
            self.kept = work.ctx.take_user_values();
        }
        if work.ctx.holds_users_values() {
            by.run_user_code(|| work.ctx.end());
        } else {
            work.ctx.end();
        }
        Ok(())
    }

    /// The same, while the context has the transport. False: the connection ends with the response.
    fn answer_lent(
        &mut self,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) -> Result<bool, Error> {
        let settings = &service.settings;
        let Workspace { ctx, output, default_fields, moment, .. } = work;
        if settings.get_only && !(ctx.request.is_get() || ctx.request.is_head()) {
            user_code::refuse_method(ctx);
        } else {
            let streams = !ctx.request.is_body_complete();
            let mut flushed = Ok(());
            by.run_user_code(|| {
                // The client may wait for what was answered before it sends on.
                if streams {
                    flushed = ctx.lent.send(output);
                }
                if flushed.is_ok() {
                    if user_code::run(&*service.handler, ctx).is_err() {
                        service.counters.panics.fetch_add(1, Ordering::Relaxed);
                    }
                    ctx.lent.keep_only_of(self.session.number());
                }
            });
            flushed?;
        }
        let connections = &settings.connections;
        let force_close = !connections.keep_alive
            || connections.max_requests.is_some_and(|max| self.session.requests() >= max)
            || (connections.close_on_shutdown && by.is_stopping());
        let defaults = default_fields.at(moment.unix_seconds);
        let reply = ctx.response.respond(&mut self.session, &ctx.request, output, &defaults, force_close);
        if reply.ending.is_none() && ctx.response.is_body_stream() {
            // Nothing of it is sent; what is dropped is the user's.
            by.run_user_code(|| ctx.response.clear_body());
        }
        match ctx.response.take_stream(reply.ending) {
            None => {}
            Some(Stream::Pieces(outgoing)) => {
                let mut outgoing = Box::new(outgoing);
                self.sends_first =
                    ctx.response.flushes_head() || outgoing.is_file() || outgoing.live().is_some();
                self.outgoing = Some(outgoing);
            }
            Some(stream) => {
                let mut written = Ok(());
                by.run_user_code(|| written = user_code::write_body(ctx, output, stream));
                written?;
            }
        }
        Ok(reply.close.is_none())
    }

    /// Whether the output is to be sent before [`Exchange::next_piece`]: each piece is, before the next is asked for.
    pub(crate) fn sends_first(&self) -> bool {
        self.sends_first
    }

    /// Brings the next piece of the streamed response. A source that has nothing for now keeps the `waker`.
    ///
    /// # Errors
    /// When the response cannot be completed, so that the connection has to end. What was collected before is the
    /// client's.
    pub(crate) fn next_piece(
        &mut self,
        output: &mut Output,
        transport: &mut Option<Box<dyn Transport>>,
        waker: &dyn Fn() -> Waker,
        by: &mut impl Runner,
    ) -> Result<Piece, Error> {
        let Some(outgoing) = self.outgoing.as_deref_mut().filter(|outgoing| !outgoing.is_done()) else {
            if let (Some(_), Some(transport)) = (self.live(), transport) {
                transport.give_up_after(None);
            }
            self.end_stream(by);
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
            return user_code::next_piece(outgoing, output).map(|()| Piece::InOutput);
        }
        let mut direct = None;
        if let Some(transport) = transport.as_deref_mut().filter(|_| outgoing.is_file()) {
            // The disk may have to be waited for.
            by.run_user_code(|| direct = outgoing.send_file(transport));
        }
        match direct {
            Some(Ok(())) => Ok(Piece::Sent),
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => Ok(Piece::Blocked),
            Some(Err(error)) if error.kind() == ErrorKind::Interrupted => Ok(Piece::Sent),
            Some(Err(error)) => Err(error.into()),
            None => {
                let mut filled = Ok(());
                by.run_user_code(|| filled = user_code::next_piece(outgoing, output));
                filled.map(|()| Piece::InOutput)
            }
        }
    }

    /// The source of the streamed response, if it is one that may have nothing for now.
    pub(crate) fn live(&mut self) -> Option<&mut dyn Live> {
        self.outgoing.as_deref_mut().and_then(Outgoing::live)
    }

    /// The peer will send nothing more, and may be gone, while the source of the streamed response has nothing. True, the
    /// first time: the next piece is there, and whether it is taken will tell.
    pub(crate) fn probe_peer(&mut self) -> bool {
        self.outgoing.as_deref_mut().is_some_and(Outgoing::probe)
    }

    /// A number that is another one after each piece of the streamed response.
    pub(crate) fn pieces(&self) -> u32 {
        self.outgoing.as_deref().map_or(0, Outgoing::pieces)
    }

    fn end_stream(&mut self, by: &mut impl Runner) {
        self.forget_response(by);
        if by.is_stopping() && self.stage == ConnStage::Serving {
            self.end();
        }
    }

    /// Forgets the response that is under way, and what handlers have kept until its end.
    pub(crate) fn forget_response(&mut self, by: &mut impl Runner) {
        if self.outgoing.is_some() || !self.kept.is_empty() {
            // What is dropped is the user's.
            by.run_user_code(|| {
                self.outgoing = None;
                self.kept.clear();
            });
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

    /// Tells the peer why what it sent is not served, and gives up on the rest of it.
    pub(crate) fn refuse(&mut self, error: ProtoError, work: &mut Workspace, service: &Service) {
        let Workspace { ctx, output, default_fields, moment, .. } = work;
        let defaults = default_fields.at(moment.unix_seconds);
        if ctx.request.refuse(&mut self.session, error, output, &defaults) {
            service.counters.refuse(error);
        }
        ctx.reset();
        ctx.request.input_mut().clear();
        self.stage = ConnStage::ClosingMidRequest;
    }

    /// The connection ends with the response that is on its way.
    fn end(&mut self) {
        // What is missing of a request that was answered early may still come.
        let is_mid_request = self.session.is_draining();
        self.stage = if is_mid_request { ConnStage::ClosingMidRequest } else { ConnStage::Closing };
    }

    /// Whether it is requests that come next, not the rest of a response or the end of the connection.
    pub(crate) fn takes_requests(&self) -> bool {
        self.outgoing.is_none() && self.stage == ConnStage::Serving
    }

    /// What comes of the connection.
    pub(crate) fn stage(&self) -> ConnStage {
        self.stage
    }

    /// What the connection expects of its peer, when it is served no further without it.
    pub(crate) fn expects(&self) -> Expects {
        let requests = self.session.requests();
        match self.session.state() {
            RequestStage::Idle if requests == 0 => Expects::FirstRequest,
            RequestStage::Idle => Expects::NextRequest(requests),
            RequestStage::Head => Expects::Head(requests),
            RequestStage::Body | RequestStage::Ready if self.session.is_draining() => {
                Expects::UnreadBody(requests)
            }
            RequestStage::Body | RequestStage::Ready if self.is_accepted => Expects::AcceptedBody(requests),
            RequestStage::Body | RequestStage::Ready => Expects::Body(requests),
        }
    }

    /// Whether no byte of the next request has been seen, empty lines aside.
    pub(crate) fn is_idle(&self) -> bool {
        self.session.is_idle()
    }

    /// Whether nobody would miss what the peer has not sent yet: the connection is between two requests, or only the
    /// rest of a body is missing that nobody wants.
    pub(crate) fn may_end_here(&self) -> bool {
        self.session.is_idle() || self.session.is_draining()
    }

    /// Whether the peer may be sending what nobody will read, so that closing at once would cut off what it has not
    /// received yet.
    pub(crate) fn may_be_sending(&self, input: &Input) -> bool {
        self.stage == ConnStage::ClosingMidRequest || !input.is_empty()
    }

    /// How many requests were made ready since this was asked last.
    pub(crate) fn uncounted_requests(&mut self) -> u64 {
        let requests = self.session.requests();
        requests - std::mem::replace(&mut self.counted_requests, requests)
    }

    /// How long the peer may take for the rest of the request under way, and take nothing of its response.
    pub(crate) fn patience(&self, settings: &Settings) -> Patience {
        let (config, server) = (self.config.as_deref(), &settings.timeouts);
        Patience {
            read: config.map_or(server.read, |config| config.read_timeout_or(server.read)),
            write: config.map_or(server.write, |config| config.write_timeout_or(server.write)),
        }
    }

    fn limits(&self, settings: &Settings) -> Limits {
        self.config.as_ref().map_or(settings.limits, |config| config.apply(&settings.limits))
    }

    /// Takes over what is different for the request whose head has just arrived.
    fn configure(&mut self, config: RequestConfig) {
        match &mut self.config {
            Some(present) => **present = config,
            // For most connections that is never.
            None if config != RequestConfig::default() => self.config = Some(Box::new(config)),
            None => {}
        }
    }
}
