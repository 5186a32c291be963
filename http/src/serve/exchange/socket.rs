//! A connection on which WebSocket is spoken: what the session says is to be done, as a step of the exchange.
//!
//! The rule: the session is in its connection from the response on that agrees to it, until the connection is over.

use super::{Apart, ConnStage, Exchange};
use crate::ctx::Taker;
use crate::serve::runner::{Runner, UserCode};
use crate::serve::service::Service;
use crate::serve::workspace::Workspace;
use crate::sockets::{SocketSession, SocketStep};

impl Exchange {
    /// The response was prepared. If the connection is to be a WebSocket's, it is that from now on.
    pub(super) fn begin_socket(&mut self, now: u64, service: &Service) {
        if !self.kept.is_socket() {
            return;
        }
        let Some(Taker::Socket(seed)) = self.kept.take_hijack().map(|hijack| hijack.taker) else { return };
        let session = SocketSession::begin(*seed, &service.sockets, &service.stop, now);
        self.apart.get_or_insert_default().socket = Some(Box::new(session));
        self.stage = ConnStage::Socket;
    }

    /// The session, if the connection is a WebSocket's.
    pub(crate) fn socket(&mut self) -> Option<&mut SocketSession> {
        self.apart.as_deref_mut()?.socket.as_deref_mut()
    }

    /// Whether the connection is a WebSocket's.
    pub(crate) fn has_socket(&self) -> bool {
        self.apart.as_deref().is_some_and(|apart: &Apart| apart.socket.is_some())
    }

    /// Whether a shutdown has nothing to say here, because the session is at its end already.
    pub(crate) fn is_socket_closing(&self) -> bool {
        let socket = self.apart.as_deref().and_then(|apart| apart.socket.as_deref());
        socket.is_none_or(SocketSession::is_closing)
    }

    /// What is to be done, having looked at what was received.
    pub(crate) fn next_of_socket(&mut self, work: &mut Workspace, by: &impl Runner) -> SocketStep {
        let (is_stopping, now) = (by.is_stopping(), work.moment.millis);
        let Some(socket) = self.socket() else { return SocketStep::Over { is_cut: true, is_mid: false } };
        let step = socket.next(work.ctx.request.input_mut(), &mut work.output, now, is_stopping);
        if let SocketStep::Over { is_mid, .. } = step {
            self.stage = if is_mid { ConnStage::ClosingMidRequest } else { ConnStage::Closing };
        }
        step
    }

    /// Runs the user's code that is ahead.
    pub(crate) fn run_socket(&mut self, work: &mut Workspace, by: &mut impl Runner) {
        if let Some(socket) = self.socket() {
            by.run_user_code(UserCode::Handler, || socket.run());
            work.time_has_passed();
        }
    }

    /// The session goes no further, if it has not come to its end already: then what is left is to be done. False:
    /// there is none, or nothing is.
    pub(crate) fn cut_socket_off(&mut self) -> bool {
        let is_under_way = self.stage == ConnStage::Socket;
        if let Some(socket) = self.socket().filter(|_| is_under_way) {
            socket.cut_off();
        }
        is_under_way
    }

    /// The session, for whoever drops it.
    pub(super) fn take_socket(&mut self) -> Option<Box<SocketSession>> {
        self.apart.as_deref_mut()?.socket.take()
    }
}
