//! How the body of a response begins that is not there as bytes.
//!
//! The rule: a response is the client's from its first byte on. What fails before that is answered instead.

use super::Exchange;
use crate::message::response::Stream;
use crate::proto::Reply;
use crate::serve::error::Error;
use crate::serve::runner::{Runner, UserCode};
use crate::serve::service::Service;
use crate::serve::user_code::{self, Written};
use crate::serve::workspace::Workspace;
use std::sync::atomic::Ordering;

impl Exchange {
    /// Begins the body of the response whose head is in the output from the position `begins` on, unless it is there as
    /// well; one that a function writes is written. `is_first`: the response is not itself what answers a failure of
    /// that.
    pub(super) fn begin_stream(
        &mut self,
        reply: Reply,
        begins: u64,
        is_first: bool,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) -> Result<Written, Error> {
        let Workspace { ctx, output, moment, clock, .. } = work;
        if reply.ending.is_none() && ctx.response.is_body_stream() && !ctx.response.writes_bodiless() {
            // Nothing of it is sent; what is dropped is the user's.
            by.run_user_code(UserCode::Cleanup, || ctx.response.clear_body());
            moment.refresh(clock);
        }
        match ctx.response.take_stream(reply.ending) {
            None => {}
            Some(Stream::Pieces(outgoing)) => {
                let mut outgoing = Box::new(outgoing);
                outgoing.see_client(&|| ctx.lent.share());
                self.sends_first =
                    ctx.response.flushes_head() || outgoing.is_file() || outgoing.live().is_some();
                self.outgoing = Some(outgoing);
            }
            Some(stream) => {
                let had_panicked = std::mem::take(&mut ctx.has_panicked);
                let mut written = Ok(Written::Whole);
                by.run_user_code(UserCode::Body, || {
                    written = user_code::write_body(ctx, output, stream, begins, is_first);
                    if matches!(written, Ok(Written::Answered)) {
                        user_code::begin_body(ctx, |status| self.session.sends_body(status));
                    }
                });
                moment.refresh(clock);
                if ctx.has_panicked || written.as_ref().is_err_and(Error::is_body_panic) {
                    service.counters.panics.fetch_add(1, Ordering::Relaxed);
                }
                ctx.has_panicked |= had_panicked;
                if written.is_err() {
                    // It was begun.
                    work.count_answer();
                }
                return written;
            }
        }
        Ok(Written::Whole)
    }

    /// Puts a 503 in the place of a response that a function would write: there are as many of these as may be.
    pub(super) fn turn_writer_away(&mut self, work: &mut Workspace, service: &Service, by: &mut impl Runner) {
        let Workspace { ctx, moment, clock, .. } = work;
        let unused = ctx.take_hijack();
        by.run_user_code(UserCode::Cleanup, || {
            drop(unused);
            ctx.response.clear();
        });
        user_code::turn_away(ctx, by);
        moment.refresh(clock);
        self.note_turned_away();
        service.counters.workers.turned_away.fetch_add(1, Ordering::Relaxed);
    }
}
