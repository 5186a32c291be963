//! What is done with a new connection: a shard serves it, or it is refused; and what is done when none can be accepted.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::ctx::ConnInfo;
use crate::engine::Engine;
use crate::engine::accept::backoff::Remedy;
use crate::engine::accept::failure::AcceptFailure;
use crate::engine::accept::shed::{close_longest_idle, close_some_idle};
use crate::engine::say_seldom::SaySeldom;
use crate::engine::shard::Shard;
use crate::engine::shard::clock::{ConnClock, first_deadline};
use crate::engine::shard::load::lightest;
use crate::observe::ConnState;
use crate::serve::proxied::{self, NotNamed};
use crate::serve::refusal::Refusal;
use crate::serve::user_code;
#[cfg(feature = "tls-no-provider")]
use crate::tls::{TlsConfig, TlsLayer};
use crate::util::date;
use crate::wire::output::Output;
use crate::wire::transport::Transport;

/// What is done with every connection of a listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intake {
    pub(crate) placement: Placement,
    /// Each begins with a header of the PROXY protocol.
    pub(crate) awaits_proxy_header: bool,
    /// How each is encrypted, behind that header; `None`: not.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) tls: Option<TlsConfig>,
}

impl Intake {
    /// Whether connections are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        #[cfg(feature = "tls-no-provider")]
        {
            self.tls.is_some()
        }
        #[cfg(not(feature = "tls-no-provider"))]
        {
            false
        }
    }

    /// A connection as it is to be served, and what is known of it.
    fn prepare(&self, socket: impl Transport + 'static, info: ConnInfo) -> (Arc<dyn Transport>, ConnInfo) {
        let info = if self.awaits_proxy_header { info.behind_proxy() } else { info };
        #[cfg(feature = "tls-no-provider")]
        if let Some(config) = &self.tls {
            return (Arc::new(TlsLayer::new(Arc::new(socket), config.clone())), info.over_tls());
        }
        (Arc::new(socket), info)
    }
}

/// Which shard the connections of a listener go to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Placement {
    /// Each to the one with the lightest load at that moment.
    #[default]
    Lightest,
    /// All to the one of this number, because the system has chosen already.
    Shard(usize),
}

/// What a thread that accepts does with what comes in.
pub(crate) struct Reception<'a> {
    engine: &'a Engine,
    intake: Intake,
    warnings: Warnings,
}

/// What there may be to say about accepting, each for itself.
#[derive(Default)]
struct Warnings {
    exhaustion: SaySeldom,
    failing: SaySeldom,
    concurrency: SaySeldom,
    per_address: SaySeldom,
    not_added: SaySeldom,
}

impl<'a> Reception<'a> {
    pub(crate) fn new(engine: &'a Engine, intake: Intake) -> Self {
        Reception { engine, intake, warnings: Warnings::default() }
    }

    /// Gives a new connection to a shard, or refuses it.
    pub(crate) fn take_in(&mut self, socket: impl Transport + 'static, info: ConnInfo) {
        let engine = self.engine;
        let (transport, info) = self.intake.prepare(socket, info);
        if info.awaits_proxy_header() && !proxied::may_name_client(&info, &engine.service.settings) {
            return proxied::refuse(NotNamed::Untrusted, &info, &engine.service);
        }
        let address = info.facts().peer_ip();
        if let Err(refused) = self.admit(address) {
            return self.refuse(transport, &info, refused);
        }
        engine.service.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let observers = &engine.service.settings.hooks.observers;
        // Kept only for those who want to know.
        let is_known = !info.awaits_proxy_header();
        let observed = observers.conn_state.as_ref().filter(|_| is_known).map(|_| info.clone());
        if is_known {
            user_code::tell_state(observers, &info, ConnState::New);
        }
        let now = engine.clock.millis();
        let clock = ConnClock::new(now, first_deadline(now, &engine.service.settings.timeouts));
        if let Err(error) = self.shard(now).add(transport, info, clock) {
            engine.admission.leave(address);
            if let Some(info) = observed {
                user_code::tell_state(observers, &info, ConnState::Closed);
            }
            if !engine.is_stopping() {
                self.warnings.not_added.say(format_args!("closed a new connection: {error}"));
            }
        }
    }

    /// Counts a new connection, and makes room for it if need be. As [`Admission::admit`].
    ///
    /// [`Admission::admit`]: crate::engine::accept::admission::Admission::admit
    fn admit(&self, address: Option<IpAddr>) -> Result<(), Refusal> {
        loop {
            let admitted = self.engine.admission.admit(address);
            if admitted != Err(Refusal::Concurrency) || !close_longest_idle(self.engine) {
                return admitted;
            }
        }
    }

    /// Where a new connection is placed.
    fn shard(&self, now: u64) -> &'a Arc<Shard> {
        let shards = &self.engine.shards;
        let index = match self.intake.placement {
            Placement::Shard(index) => index,
            Placement::Lightest => lightest(shards.iter().map(|shard| shard.load(now))),
        };
        &shards[index]
    }

    /// Answers a connection that is not served, and closes it.
    fn refuse(&mut self, transport: Arc<dyn Transport>, info: &ConnInfo, refused: Refusal) {
        let service = &self.engine.service;
        service.counters.refuse_connection(refused);
        // Of a connection of which nobody has said whose it is nobody is told.
        let tell = |state| {
            if !info.awaits_proxy_header() {
                user_code::tell_state(&service.settings.hooks.observers, info, state);
            }
        };
        tell(ConnState::New);
        // To be told more a client would have to be encrypted first, which costs more than to be served.
        if !self.intake.is_tls() {
            let mut default_fields = service.settings.default_fields();
            let defaults = default_fields.at(date::whole_seconds(info.time()));
            let mut answer = Output::default();
            let options = (&service.settings.ctx, &service.stop);
            refused.append_answer(info, options, &mut answer, &defaults);
            let answer = answer.slices().concat();
            // A new socket's buffer has room for it; if not, closing says enough.
            let _ = transport.write([&answer[..], &[]]).and_then(|_| transport.shutdown_write());
        }
        drop(transport);
        tell(ConnState::Closed);
        match refused {
            Refusal::Concurrency => self.warnings.concurrency.say(format_args!(
                "refused a connection: `concurrency` connections are open, none of them idle; consider raising it"
            )),
            Refusal::PerAddress => self
                .warnings
                .per_address
                .say(format_args!("refused a connection: its address has `max_conns_per_ip` open")),
        }
    }

    /// Says what is wrong, if it is worth saying, and makes room if that is what is missing. The answer is what to do
    /// then, instead of `remedy`.
    pub(crate) fn relieve(&mut self, remedy: Remedy, failure: AcceptFailure, error: &io::Error) -> Remedy {
        if !matches!(remedy, Remedy::Rest(_)) {
            return remedy;
        }
        let frees_enough = match failure {
            AcceptFailure::NoDescriptors => true,
            // Whatever is closed here may be of no use there, so idle connections go one part with each rest.
            AcceptFailure::Exhausted => remedy.is_first(),
            _ => {
                self.say_failing(error);
                return remedy;
            }
        };
        self.warnings
            .exhaustion
            .say(format_args!("cannot accept connections for now: {error}; raise the limit on open files"));
        if close_some_idle(self.engine) && frees_enough { Remedy::GoOn } else { remedy }
    }

    /// Accepting, or waiting for it, has failed, and is tried again.
    pub(crate) fn say_failing(&mut self, error: &dyn fmt::Display) {
        self.warnings
            .failing
            .say(format_args!("accepting a connection failed, which is tried again: {error}"));
    }
}
