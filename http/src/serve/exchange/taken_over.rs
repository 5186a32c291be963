//! Whether a connection is taken over by the user's function when the response has been sent.
//!
//! The rule: that is settled before the response goes out, so one that announces it is sent only if somebody is there.

use super::{ConnStage, Exchange};
#[cfg(feature = "tls-no-provider")]
use crate::ctx::HijackedConn;
use crate::ctx::{Hijack, Taker, UserValues};
use crate::proto::{CloseReason, Reply};
use crate::serve::runner::{Runner, UserCode};
use crate::serve::service::Service;
use crate::serve::user_code;
use crate::serve::workspace::Workspace;
#[cfg(feature = "ws")]
use crate::sockets::SocketUser;
#[cfg(feature = "tls-no-provider")]
use crate::util::panic::Contained;
use crate::wire::taken_over::TakenOver;
use std::sync::atomic::Ordering;

impl Exchange {
    /// Settles a response behind which no HTTP may follow: who takes the connection over gets a place, or the response
    /// becomes another one. False: there is no response to be sent.
    #[cold]
    pub(super) fn settle_hijack(
        &mut self,
        work: &mut Workspace,
        service: &Service,
        by: &mut impl Runner,
    ) -> bool {
        let Workspace { ctx, moment, clock, .. } = work;
        let is_other = ctx.response.status_code() != 101;
        if ctx.hijack_mut().is_some_and(|hijack| hijack.switches_protocols && is_other) {
            // Whoever came behind it has answered something else.
            let unused = ctx.take_hijack();
            by.run_user_code(UserCode::Cleanup, || {
                drop(unused);
                ctx.stand_again();
                user_code::begin_body(ctx, |status| self.session.sends_body(status));
            });
            moment.refresh(clock);
            return true;
        }
        let is_read = ctx.request.is_received_whole();
        let fault = match ctx.hijack_mut() {
            None => Some("announces that another protocol follows, and nobody takes the connection over"),
            Some(_) if !is_read => Some("was to be taken over, and its body has not been read to the end"),
            Some(hijack) => {
                if has_place(hijack, service, by) {
                    return hijack.sends_response;
                }
                None
            }
        };
        let unused = ctx.take_hijack();
        by.run_user_code(UserCode::Cleanup, || {
            drop(unused);
            ctx.response.clear();
        });
        match fault {
            Some(fault) => {
                let (method, path) = (ctx.request.method(), ctx.request.path());
                log::error!(target: "anthill_http::handler", "the answer to {method} {path:?} {fault}; answered 500");
                by.run_user_code(UserCode::Cleanup, || {
                    ctx.error("Internal Server Error", 500);
                    ctx.stand_again();
                    user_code::begin_body(ctx, |status| self.session.sends_body(status));
                });
                ctx.response.set_connection_close();
            }
            None => {
                user_code::turn_away(ctx, by);
                self.note_turned_away();
                service.counters.workers.turned_away.fetch_add(1, Ordering::Relaxed);
            }
        }
        moment.refresh(clock);
        true
    }

    /// The connection is given to `function` before there was any request, at once. False: as many have been taken over
    /// as may.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) fn gives_away_at_once(
        &mut self,
        function: Box<dyn FnOnce(HijackedConn) + Send>,
        service: &Service,
    ) -> bool {
        let place = TakenOver::promise(&service.taken_over, service.settings.threads.max_hijacked);
        if place.is_none() {
            return false;
        }
        let taker = Taker::Function(Contained::new(function));
        self.kept.set_hijack(Hijack { taker, sends_response: false, switches_protocols: false, place });
        self.stage = ConnStage::GivenAway;
        true
    }

    /// The response was prepared: nobody takes a connection over that ends with it.
    #[cold]
    pub(super) fn check_hijack(reply: Reply, work: &mut Workspace, by: &mut impl Runner) {
        if matches!(reply.close, None | Some(CloseReason::Upgrade)) {
            return;
        }
        let Workspace { ctx, moment, clock, .. } = work;
        let (method, path) = (ctx.request.method(), ctx.request.path());
        log::warn!(
            target: "anthill_http::handler",
            "the connection ends with the answer to {method} {path:?}, so nobody takes it over"
        );
        let unused = ctx.take_hijack();
        by.run_user_code(UserCode::Cleanup, || drop(unused));
        moment.refresh(clock);
    }

    /// Whether the connection is to be given away.
    pub(crate) fn gives_away(&self) -> bool {
        self.stage == ConnStage::GivenAway
    }

    /// What was kept for whoever takes the connection over, with the function itself.
    pub(crate) fn take_kept(&mut self) -> UserValues {
        std::mem::take(&mut self.kept)
    }
}

/// Whether there is room for whoever takes the connection over, who is promised it.
#[cfg_attr(
    not(feature = "ws"),
    allow(unused_variables, reason = "only a loop takes one of the runner's threads")
)]
fn has_place(hijack: &mut Hijack, service: &Service, by: &mut impl Runner) -> bool {
    match &mut hijack.taker {
        Taker::Function(_) => {
            hijack.place = TakenOver::promise(&service.taken_over, service.settings.threads.max_hijacked);
            hijack.place.is_some()
        }
        #[cfg(feature = "ws")]
        Taker::Socket(seed) => {
            // One without a loop needs none; it is a connection as before.
            match &mut seed.user {
                SocketUser::Handler(_) => true,
                SocketUser::Loop(_, place) => {
                    *place = by.promises_loop();
                    place.is_some()
                }
            }
        }
    }
}
