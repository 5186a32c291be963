//! What becomes of bytes that are no request: they are counted, told to the log, and answered, by the server or by the
//! user's error handler.
//!
//! The rule: whatever the handler answers, the connection ends with it.

use super::{ConnStage, Exchange};
use crate::config::hooks::ErrorHandler;
use crate::config::settings::Logging;
use crate::proto::ProtoError;
use crate::serve::runner::{Runner, UserCode};
use crate::serve::service::Service;
use crate::serve::user_code;
use crate::serve::workspace::Workspace;
use std::sync::atomic::Ordering;

/// So much is shown of a head that was refused: all of it, or this at either end (fasthttp's).
const SHOWN_BYTES: usize = 400;

impl Exchange {
    /// Tells the peer why what it sent is not served, and gives up on the rest of it: at once, or by the error handler,
    /// which is called next then.
    pub(crate) fn refuse(&mut self, error: ProtoError, work: &mut Workspace, service: &Service) {
        // What goes wrong behind a request that was answered is no request's fault.
        if !self.session.is_draining() {
            service.counters.refuse(error);
            if error == ProtoError::Timeout && self.expects().is_body() {
                service.counters.slow.senders.fetch_add(1, Ordering::Relaxed);
            }
            tell(error, work, &service.settings.logging, self.session.requests() + 1);
            if service.settings.hooks.refused.is_some() {
                self.stage = ConnStage::Refusing(error);
                return;
            }
        }
        self.refuse_plainly(error, work, service);
    }

    /// Tells the peer why what it sent is not served, in the server's own words.
    pub(crate) fn refuse_plainly(&mut self, error: ProtoError, work: &mut Workspace, service: &Service) {
        let is_request = !self.session.is_draining();
        let before = work.output.position();
        let Workspace { ctx, output, default_fields, moment, .. } = &mut *work;
        let defaults = default_fields.at(moment.unix_seconds);
        let body = ctx.request.refuse(&mut self.session, error, output, &defaults) as u64;
        if is_request && self.is_observed() {
            ctx.request.salvage(service.settings.limits.head_bytes());
            ctx.begin(self.session.requests() + 1, moment.wall);
            ctx.prepare(None, &service.settings.ctx, &service.stop);
            ctx.response.set_status_code(error.status());
            let sent = work.output.position() - before;
            self.note_refused(work, service, error, sent, sent.saturating_sub(body));
        }
        self.forget_refused(work);
    }

    /// Has the error handler tell the peer.
    pub(crate) fn refuse_by_handler(
        &mut self,
        error: ProtoError,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) {
        let Some(ErrorHandler(handler)) = &service.settings.hooks.refused else {
            return self.refuse_plainly(error, work, service);
        };
        let Workspace { ctx, moment, clock, .. } = work;
        ctx.request.salvage(service.settings.limits.head_bytes());
        ctx.begin(self.session.requests() + 1, moment.wall);
        ctx.prepare(None, &service.settings.ctx, &service.stop);
        ctx.lent.lend_nothing(self.session.number());
        let mut is_answered = false;
        by.run_user_code(UserCode::Hook, || is_answered = user_code::refuse(&**handler, ctx, error));
        moment.refresh(clock);
        if ctx.lent.owner() != self.session.number() {
            log::error!("an error handler kept its context; its connection is closed without an answer");
            self.note_kept();
            self.stage = ConnStage::ClosingMidRequest;
            return;
        }
        if ctx.response.is_body_stream() {
            log::error!(
                "an error handler has set a body that is no bytes; answered {} instead",
                error.status()
            );
            is_answered = false;
        }
        let before = work.output.position();
        let defaults = work.default_fields.at(work.moment.unix_seconds);
        let Workspace { ctx, output, .. } = work;
        let body = if is_answered {
            self.session.take_for_refused(ctx.request.input());
            let body = ctx.response.body().len();
            let reply = ctx.response.respond(&mut self.session, &ctx.request, output, &defaults, true);
            if reply.ending.is_some() { body } else { 0 }
        } else {
            ctx.response.set_status_code(error.status());
            ctx.request.refuse(&mut self.session, error, output, &defaults)
        };
        let sent = work.output.position() - before;
        self.note_refused(work, service, error, sent, sent.saturating_sub(body as u64));
        if work.ctx.holds_users_values() {
            by.run_user_code(UserCode::Cleanup, || work.ctx.end());
            work.time_has_passed();
        }
        self.forget_refused(work);
    }

    fn forget_refused(&mut self, work: &mut Workspace) {
        work.ctx.reset();
        work.ctx.request.input_mut().clear();
        self.stage = ConnStage::ClosingMidRequest;
    }
}

/// Tells the log.
#[cold]
fn tell(error: ProtoError, work: &Workspace, logging: &Logging, number: u64) {
    let level = if logging.all_errors { log::Level::Warn } else { log::Level::Debug };
    let target = "anthill_http::refused";
    if !log::log_enabled!(target: target, level) {
        return;
    }
    let (conn, status) = (work.ctx.conn(), error.status());
    let (id, peer) = (conn.id(), conn.peer_text());
    let received = work.ctx.request.input().unread();
    let (count, shown) =
        (received.len(), if logging.is_secret_free { String::new() } else { shown(received) });
    log::log!(
        target: target, level,
        "{status} to {peer}: {error} (request {number} of connection {id}, {count} bytes{shown})"
    );
}

/// What was received, on one line.
fn shown(received: &[u8]) -> String {
    if received.len() <= SHOWN_BYTES {
        return format!(": \"{}\"", received.escape_ascii());
    }
    let (front, back) = (&received[..SHOWN_BYTES / 2], &received[received.len() - SHOWN_BYTES / 2..]);
    format!(": \"{}\"...\"{}\"", front.escape_ascii(), back.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_is_shown_by_its_ends() {
        assert_eq!(shown(b"GET /\r\n\xff"), r#": "GET /\r\n\xff""#);
        let long = [vec![b'a'; 300], vec![b'b'; 300]].concat();
        assert_eq!(shown(&long), format!(": \"{}\"...\"{}\"", "a".repeat(200), "b".repeat(200)));
    }
}
