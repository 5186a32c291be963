//! What comes before the first request of a connection that a proxy has made: it says whose it is.

use super::{Host, Turn, TurnEnd};
use crate::ctx::{ConnFacts, ConnInfo};
use crate::engine::shard::conn::Conn;
use crate::observe::ConnState;
use crate::serve::proxied::{self, NotNamed};
use crate::serve::refusal::Refusal;
use crate::serve::runner::UserCode;
use crate::serve::user_code;

/// Whether nothing of a connection has been used, because nobody knows whose it is.
pub(super) fn awaits_header(conn: &Conn) -> bool {
    conn.facts.awaits_proxy_header() && conn.exchange.takes_requests()
}

impl<H: Host> Turn<'_, H> {
    /// Brings the header of the PROXY protocol. `None`: it is there, and what is to be done is up to the exchange.
    #[cold]
    pub(super) fn bring_proxy_header(&mut self) -> Option<TurnEnd<H::HandOver>> {
        loop {
            match proxied::take_header(self.work.ctx.request.input_mut(), self.conn.facts) {
                Ok(Some(named)) => {
                    self.name_client(named);
                    return None;
                }
                Ok(None) => {}
                Err(why) => return Some(self.is_not_named(why)),
            }
            match self.bring_first_bytes() {
                Ok(true) => {}
                Ok(false) => return Some(self.is_not_named(NotNamed::Ended)),
                Err(end) => return Some(end),
            }
        }
    }

    /// It is known now whose the connection is: it counts for that one, if it may.
    fn name_client(&mut self, named: ConnFacts) {
        let service = &self.engine.service;
        match self.engine.admission.name(named.peer_ip()) {
            Ok(()) => {
                self.work.ctx.set_conn(&named);
                self.conn.facts = named;
                self.conn.exchange.note_opened(&self.work.ctx, &service.settings.hooks.observers);
            }
            Err(refused) => self.refuse_client(&named.into(), refused),
        }
    }

    /// Answers whoever has as many connections as may be, and ends this one.
    fn refuse_client(&mut self, named: &ConnInfo, refused: Refusal) {
        let service = &self.engine.service;
        service.counters.refuse_connection(refused);
        log::debug!("refused a connection of {}, which a proxy has named", named.peer_text());
        // Of what is still to be encrypted the client would understand nothing else.
        if !self.conn.course.awaits_handshake {
            let work = &mut *self.work;
            let defaults = work.default_fields.at(work.moment.unix_seconds);
            let options = (&service.settings.ctx, &service.stop);
            let output = &mut work.output;
            // How errors look may be up to a function of the user's.
            self.host.run_user_code(UserCode::Cleanup, || {
                refused.append_answer(named, options, output, &defaults);
            });
            self.work.time_has_passed();
        }
        self.conn.exchange.ends_with_refusal();
        let observers = &service.settings.hooks.observers;
        if observers.conn_state.is_some() {
            self.host.run_user_code(UserCode::Hook, || {
                user_code::tell_state(observers, named, ConnState::New);
                user_code::tell_state(observers, named, ConnState::Closed);
            });
            self.work.time_has_passed();
        }
    }

    fn is_not_named(&mut self, why: NotNamed) -> TurnEnd<H::HandOver> {
        proxied::refuse(why, &self.conn.facts.into(), &self.engine.service);
        TurnEnd::Close
    }
}
