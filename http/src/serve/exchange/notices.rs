//! What observers are told of a connection and of its requests, and when.
//!
//! The idea: what has happened is put into a list, and whoever drives the connection has it told when everything that
//! was to be sent has been sent, before it goes on. So those of a connection are told in order, one that blocks is
//! treated like any other code of the user's, and where nobody observes there is no list.
//!
//! The rules: a record is made where the request is still there, and told where its last byte is gone. From when the
//! head of a request was found there is a record to be made of it, whatever becomes of it: at the latest when the
//! connection ends.

use super::{Apart, ConnStage, Exchange};
use crate::config::hooks::Observers;
use crate::ctx::{ConnInfo, RequestCtx};
use crate::observe::ConnState;
use crate::observe::completed::{CompletedRequest, ExchangeTimes, ExchangedBytes, RequestOutcome};
use crate::observe::notice::{Notice, NoticeRoom};
use crate::proto::{Progress, ProtoError, RequestStage};
use crate::serve::error::Error;
use crate::serve::runner::{Runner, UserCode};
use crate::serve::service::Service;
use crate::serve::user_code;
use crate::serve::workspace::Workspace;
use crate::wire::output::Output;
use std::sync::Arc;
use std::time::Instant;

/// The status in records of requests that were not answered: nginx's, when the client was gone before.
pub(super) const CLIENT_GONE: u16 = 499;
const CONTEXT_KEPT: u16 = 500;

/// What is to be told of one connection, and what is known of its request under way.
#[derive(Debug, Default)]
pub(super) struct Notices {
    list: Vec<Notice>,
    /// The connection, for records of requests whose context is gone.
    conn: ConnInfo,
    state: ConnState,
    /// The connection was given to a worker to have these told.
    are_handed_over: bool,
    current: Current,
    /// The record of the request whose response is streamed.
    under_way: Option<(Box<CompletedRequest>, Instant)>,
}

/// The request under way.
#[derive(Clone, Copy, Debug, Default)]
struct Current {
    /// When its head was found; nothing when its record was made.
    arrived: Option<Instant>,
    /// When its handler began, and when it ended.
    began: Option<Instant>,
    ended: Option<Instant>,
    /// Where its response begins in what is sent.
    output_begins: u64,
    head_bytes: u64,
    is_turned_away: bool,
    /// The user's code has kept the context, and with it all that is known of the request.
    is_kept: bool,
}

impl Notices {
    /// Whether something is to be told now.
    #[inline]
    pub(super) fn are_due(&self, output: &Output) -> bool {
        !self.list.is_empty() && output.is_empty()
    }

    /// Those of the connection that `ctx` is of.
    fn of(ctx: &RequestCtx) -> Self {
        Self { conn: ctx.conn().clone(), ..Self::default() }
    }

    fn tell_state(&mut self, state: ConnState, observers: &Observers) {
        self.state = state;
        if observers.conn_state.is_some() {
            self.list.push(Notice::State(state));
        }
    }

    /// The record of the request in `ctx`.
    fn record(
        &mut self,
        ctx: &RequestCtx,
        outcome: RequestOutcome,
        bytes: ExchangedBytes,
        room: &mut NoticeRoom,
    ) -> (Box<CompletedRequest>, Instant) {
        let Current { arrived, began, ended, .. } = std::mem::take(&mut self.current);
        let ended = ended.unwrap_or_else(Instant::now);
        let began = began.unwrap_or(ended);
        let mut record = room.take_record();
        ctx.request.copy_head_to(&mut record.request);
        record.conn.clone_from(ctx.conn());
        record.remote_addr = ctx.known_remote_addr();
        record.time = ctx.time();
        record.route = ctx.route();
        record.request_id.clear();
        record.request_id.extend_from_slice(ctx.request_id().unwrap_or_default().as_bytes());
        record.status = ctx.response.status_code();
        (record.outcome, record.bytes) = (outcome, bytes);
        record.times = ExchangeTimes {
            waited: arrived.map_or_else(Default::default, |arrived| began.saturating_duration_since(arrived)),
            handled: ended.saturating_duration_since(began),
            sent: Default::default(),
        };
        (record, ended)
    }

    /// It is to be told when what is in `output` now was sent.
    fn push(
        &mut self,
        (record, ended): (Box<CompletedRequest>, Instant),
        output: &Output,
        room: &mut NoticeRoom,
    ) {
        if self.list.capacity() == 0 {
            self.list = room.take_list();
        }
        self.list.push(Notice::Completed { record, ended, output_ends: output.position() });
    }
}

impl Exchange {
    #[inline]
    pub(super) fn notices(&self) -> Option<&Notices> {
        self.apart.as_deref().and_then(Apart::notices)
    }

    #[inline]
    fn notices_mut(&mut self) -> Option<&mut Notices> {
        self.apart.as_deref_mut().and_then(Apart::notices_mut)
    }
}

/// Out of line, so that where nothing is apart each place that asks costs a look at a pointer.
impl Apart {
    #[cold]
    fn notices(&self) -> Option<&Notices> {
        self.notices.as_ref()
    }

    #[cold]
    fn notices_mut(&mut self) -> Option<&mut Notices> {
        self.notices.as_mut()
    }
}

/// Where something happens that observers are told of. Each costs a look where nobody observes.
impl Exchange {
    /// It has become known whose the connection of `ctx` is, which is as good as new then.
    pub(crate) fn note_opened(&mut self, ctx: &RequestCtx, observers: &Observers) {
        if observers.conn_state.is_some() {
            let notices = &mut self.apart.get_or_insert_default().notices;
            let notices = notices.get_or_insert_with(|| Notices::of(ctx));
            notices.tell_state(ConnState::New, observers);
        }
    }

    /// Looks at what came of looking for a request. True: something is to be told first.
    pub(super) fn note_progress(
        &mut self,
        progress: &Result<Progress, ProtoError>,
        work: &Workspace,
        observers: &Observers,
    ) -> bool {
        let has_head = match progress {
            Ok(Progress::NeedInput) if self.session.is_idle() => return false,
            Ok(Progress::NeedInput) => {
                self.session.state() == RequestStage::Body && !self.session.is_draining()
            }
            Ok(Progress::Ready | Progress::Head { .. }) => true,
            Err(_) => false,
        };
        let notices = &mut self.apart.get_or_insert_default().notices;
        let notices = notices.get_or_insert_with(|| Notices::of(&work.ctx));
        if has_head {
            notices.current.arrived.get_or_insert_with(Instant::now);
        }
        if matches!(notices.state, ConnState::New | ConnState::Idle) {
            notices.tell_state(ConnState::Active, observers);
        }
        progress.is_ok() && notices.are_due(&work.output)
    }

    /// The request in the workspace is about to be answered.
    #[inline]
    pub(super) fn note_begin(&mut self, output: &Output) {
        if let Some(notices) = self.notices_mut() {
            notices.current.began = Some(Instant::now());
            notices.current.output_begins = output.position();
        }
    }

    /// Its handler is over.
    #[inline]
    pub(super) fn note_handled(&mut self) {
        if let Some(notices) = self.notices_mut() {
            notices.current.ended = Some(Instant::now());
        }
    }

    /// No thread could be had for it.
    pub(super) fn note_turned_away(&mut self) {
        if let Some(notices) = self.notices_mut() {
            notices.current.is_turned_away = true;
        }
    }

    /// The user's code has kept its context: nothing is known of it any more, and it is not answered.
    #[cold]
    pub(super) fn note_kept(&mut self) {
        if let Some(notices) = self.notices_mut() {
            notices.current.is_kept = true;
            // Where it was refused its head may not have been found.
            notices.current.arrived.get_or_insert_with(Instant::now);
        }
    }

    /// The head of its response is so long.
    pub(super) fn note_head(&mut self, bytes: u64) {
        if let Some(notices) = self.notices_mut() {
            notices.current.head_bytes = bytes;
        }
    }

    /// It was answered, or its response was begun.
    #[inline]
    pub(super) fn note_answered(&mut self, work: &mut Workspace, service: &Service) {
        if self.notices().is_some() {
            self.note_over(work, service, RequestOutcome::Sent);
        }
    }

    /// Its response breaks off.
    pub(super) fn note_broken(&mut self, work: &mut Workspace, service: &Service, error: &Error) {
        let outcome = if error.is_body() { RequestOutcome::Broken } else { RequestOutcome::ClientGone };
        // That of one whose context is gone is made when the connection ends.
        if self.notices().is_some_and(|notices| !notices.current.is_kept) {
            self.note_over(work, service, outcome);
        }
    }

    #[cold]
    fn note_over(&mut self, work: &mut Workspace, service: &Service, outcome: RequestOutcome) {
        let is_streamed = self.outgoing.is_some();
        let Some(notices) = self.notices_mut() else { return };
        if service.settings.hooks.observers.completed.is_empty() {
            notices.current = Current::default();
            return;
        }
        let Current { output_begins, head_bytes, is_turned_away, .. } = notices.current;
        let outcome = match outcome {
            RequestOutcome::Sent if is_turned_away => RequestOutcome::TurnedAway,
            RequestOutcome::Sent if work.ctx.has_panicked => RequestOutcome::Panicked,
            other => other,
        };
        let bytes = ExchangedBytes {
            received: work.ctx.request.received_bytes(),
            sent: work.output.position().saturating_sub(output_begins),
            head: head_bytes,
        };
        let record = notices.record(&work.ctx, outcome, bytes, &mut work.room);
        if is_streamed {
            notices.under_way = Some(record);
        } else {
            notices.push(record, &work.output, &mut work.room);
        }
    }

    /// So many bytes more of the streamed response were prepared, or sent.
    #[inline]
    pub(super) fn note_piece(&mut self, bytes: u64) {
        if let Some((record, _)) = self.notices_mut().and_then(|notices| notices.under_way.as_mut()) {
            record.bytes.sent += bytes;
        }
    }

    /// The streamed response is complete, but for what is in the output.
    pub(super) fn note_streamed(&mut self, work: &mut Workspace) {
        if let Some(notices) = self.notices_mut() {
            if let Some(record) = notices.under_way.take() {
                notices.push(record, &work.output, &mut work.room);
            }
        }
    }

    /// The source of the streamed response has failed.
    pub(super) fn note_failed_source(&mut self) {
        if let Some((record, _)) = self.notices_mut().and_then(|notices| notices.under_way.as_mut()) {
            record.outcome = RequestOutcome::Broken;
        }
    }

    /// What is in the input, whose head was made readable, was refused by so many bytes, of which so many are a head.
    pub(super) fn note_refused(
        &mut self,
        work: &mut Workspace,
        service: &Service,
        error: ProtoError,
        sent: u64,
        head: u64,
    ) {
        let Some(notices) = self.notices_mut() else { return };
        if service.settings.hooks.observers.completed.is_empty() {
            return;
        }
        let received = work.ctx.request.input().unread().len() as u64;
        let bytes = ExchangedBytes { received, sent, head };
        let record = notices.record(&work.ctx, RequestOutcome::Refused(error), bytes, &mut work.room);
        notices.push(record, &work.output, &mut work.room);
    }

    /// The request under way is not answered: its client has gone before that, or its context has.
    #[cold]
    fn note_unanswered(&mut self, work: &mut Workspace, service: &Service) {
        let is_found = self.session.holds_request();
        let number = self.session.requests() + u64::from(!is_found);
        let Some(notices) = self.notices_mut() else { return };
        let mut blank;
        let (ctx, status, outcome) = if notices.current.is_kept {
            blank = RequestCtx::new();
            blank.set_conn(notices.conn.facts());
            (&mut blank, CONTEXT_KEPT, RequestOutcome::ContextKept)
        } else {
            if !is_found {
                work.ctx.request.salvage(service.settings.limits.head_bytes());
            }
            (&mut work.ctx, CLIENT_GONE, RequestOutcome::ClientGone)
        };
        ctx.prepare(None, &service.settings.ctx, &service.stop);
        ctx.begin(number, work.moment.wall);
        ctx.response.set_status_code(status);
        let received =
            if is_found { ctx.request.received_bytes() } else { ctx.request.input().unread().len() as u64 };
        let bytes = ExchangedBytes { received, ..ExchangedBytes::default() };
        let record = notices.record(ctx, outcome, bytes, &mut work.room);
        notices.push(record, &work.output, &mut work.room);
    }

    /// Whether somebody is told what becomes of requests.
    #[inline]
    pub(super) fn is_observed(&self) -> bool {
        self.notices().is_some()
    }
}

/// For those who drive connections.
impl Exchange {
    /// Asked when everything was sent, before the peer is waited for. True: something is to be told first.
    #[inline]
    pub(crate) fn must_tell_before_waiting(&mut self, service: &Service) -> bool {
        if !self.is_observed() {
            return false;
        }
        let rests = self.session.is_idle() && self.stage == ConnStage::Serving;
        let Some(notices) = self.notices_mut() else { return false };
        if notices.state == ConnState::Active && rests {
            notices.tell_state(ConnState::Idle, &service.settings.hooks.observers);
        }
        !notices.list.is_empty()
    }

    /// Whether something is to be told.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.notices().is_some_and(|notices| !notices.list.is_empty())
    }

    /// The connection is given to a worker to have its news told.
    pub(crate) fn hands_news_over(&mut self) {
        if let Some(notices) = self.notices_mut() {
            notices.are_handed_over = true;
        }
    }

    /// Whether it was given to a worker for that, which has not come to it.
    pub(crate) fn are_news_handed_over(&self) -> bool {
        self.notices().is_some_and(|notices| notices.are_handed_over)
    }

    /// Tells what is to be told.
    pub(crate) fn tell(&mut self, work: &mut Workspace, service: &Service, by: &mut impl Runner) {
        let Some(notices) = self.notices_mut() else { return };
        notices.are_handed_over = false;
        let mut list = std::mem::take(&mut notices.list);
        let observers = &service.settings.hooks.observers;
        by.run_user_code(UserCode::Hook, || user_code::tell(observers, work.ctx.conn(), &mut list));
        work.room.give_back(list);
        work.time_has_passed();
    }

    /// What is to be told, for whoever has the time.
    pub(crate) fn take_news(&mut self, info: &ConnInfo, service: &Arc<Service>) -> Option<News> {
        let notices = self.notices_mut()?;
        notices.are_handed_over = false;
        let list = std::mem::take(&mut notices.list);
        Some(News { service: service.clone(), info: info.clone(), list })
    }

    /// The connection ends: what is in its output is not sent any more, and the request that is under way is not
    /// answered.
    pub(crate) fn cut_off(&mut self, work: &mut Workspace, service: &Service) {
        let Some(notices) = self.notices_mut() else { return };
        // An output in which something is left is the one that the records are of: it goes with its connection. An
        // empty one may be another thread's, and says nothing of what was sent here.
        if !work.output.is_empty() {
            let sent = work.output.position() - work.output.len() as u64;
            for notice in &mut notices.list {
                match notice {
                    Notice::Completed { record, output_ends, .. } if *output_ends > sent => cut(record),
                    _ => {}
                }
            }
        }
        if let Some((mut record, ended)) = notices.under_way.take() {
            cut(&mut record);
            notices.push((record, ended), &work.output, &mut work.room);
        }
        if notices.current.arrived.is_some() && !service.settings.hooks.observers.completed.is_empty() {
            self.note_unanswered(work, service);
        }
    }

    /// What is to be told when the connection has come to its last state. `None`: nobody wants to know.
    pub(crate) fn last_news(
        &mut self,
        info: &ConnInfo,
        service: &Arc<Service>,
        last: ConnState,
    ) -> Option<News> {
        let observers = &service.settings.hooks.observers;
        if !observers.are_any {
            return None;
        }
        let mut notices =
            self.apart.as_deref_mut().and_then(|apart| apart.notices.take()).unwrap_or_default();
        notices.tell_state(last, observers);
        (!notices.list.is_empty()).then(|| News {
            service: service.clone(),
            info: info.clone(),
            list: notices.list,
        })
    }
}

/// Not all of its response was sent.
fn cut(record: &mut CompletedRequest) {
    if record.outcome == RequestOutcome::Sent {
        record.outcome = RequestOutcome::ClientGone;
    }
}

/// What is to be told of a connection by whoever drops this, which may block.
pub(crate) struct News {
    service: Arc<Service>,
    info: ConnInfo,
    list: Vec<Notice>,
}

impl Drop for News {
    fn drop(&mut self) {
        user_code::tell(&self.service.settings.hooks.observers, &self.info, &mut self.list);
    }
}
