//! Accepting: the thread that calls `serve` takes connections in and gives each to the shard with the fewest.

pub(crate) mod admission;
pub(crate) mod listener;
mod say_seldom;

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token, Waker};

use crate::ctx::ConnInfo;
use crate::engine::Engine;
use crate::engine::accept::listener::{Listener, is_exhaustion, is_the_connections_fault};
use crate::engine::accept::say_seldom::SaySeldom;
use crate::engine::shard::clock::first_deadline;
use crate::proto::append_refusal;
use crate::serve::refusal::Refusal;
use crate::util::date;
use crate::wire::transport::Transport;

const LISTENER: Token = Token(0);
const WAKE: Token = Token(1);
/// How long accepting pauses when the system is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);

/// What there may be to say about accepting, each for itself.
#[derive(Default)]
struct Warnings {
    exhaustion: SaySeldom,
    concurrency: SaySeldom,
    per_address: SaySeldom,
    not_added: SaySeldom,
}

/// Accepts until the server stops (`Ok`) or the listener breaks.
pub(crate) fn accept(engine: &Arc<Engine>, mut listener: Listener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(listener.source(), LISTENER, Interest::READABLE)?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
    engine.stopping.enter(&waker);
    let result = run(engine, &mut poll, &listener);
    engine.stopping.leave(&waker);
    result
}

fn run(engine: &Engine, poll: &mut Poll, listener: &Listener) -> io::Result<()> {
    let mut events = Events::with_capacity(2);
    let mut warnings = Warnings::default();
    loop {
        let mut pause = None;
        while !engine.is_stopping() {
            match listener.accept() {
                Ok((socket, info)) => take_in(engine, Arc::new(socket), info, &mut warnings),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_the_connections_fault(&error) => {}
                Err(error) if is_exhaustion(&error) => {
                    warnings.exhaustion.say(format_args!(
                        "cannot accept connections for now: {error}; raise the limit on open files"
                    ));
                    pause = Some(PAUSE);
                    break;
                }
                Err(error) => {
                    log::error!("accepting connections failed: {error}");
                    return Err(error);
                }
            }
        }
        if engine.is_stopping() {
            return Ok(());
        }
        match poll.poll(&mut events, pause) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
}

/// Gives a new connection to a shard, or refuses it.
fn take_in(engine: &Engine, transport: Arc<dyn Transport>, info: ConnInfo, warnings: &mut Warnings) {
    let address: Option<IpAddr> = info.remote_addr().map(|address| address.ip().to_canonical());
    let counted_address = match engine.admission.admit(address) {
        Ok(counted) => counted,
        Err(refused) => return refuse(engine, transport, &info, refused, warnings),
    };
    engine.service.counters.accepted.fetch_add(1, Ordering::Relaxed);
    let shard = engine.shard_with_fewest();
    if let Err(error) = shard.add(
        transport,
        info,
        counted_address,
        first_deadline(engine.clock.millis(), &engine.service.settings.timeouts),
    ) {
        engine.admission.leave(counted_address);
        if !engine.is_stopping() {
            warnings.not_added.say(format_args!("closed a new connection: {error}"));
        }
    }
}

/// Answers a connection that is not served, and closes it.
fn refuse(
    engine: &Engine,
    transport: Arc<dyn Transport>,
    info: &ConnInfo,
    refused: Refusal,
    warnings: &mut Warnings,
) {
    engine.service.counters.refuse_connection(refused);
    let mut default_fields = engine.service.settings.default_fields();
    let defaults = default_fields.at(date::whole_seconds(info.time()));
    let mut answer = Vec::new();
    append_refusal(&mut answer, refused.status(), refused.text(), false, &defaults);
    // A new socket's buffer has room for it; if not, closing says enough.
    let _ = transport.write([&answer[..], &[]]).and_then(|_| transport.shutdown_write());
    match refused {
        Refusal::Concurrency => warnings.concurrency.say(format_args!(
            "refused a connection: `concurrency` connections are open; consider raising it"
        )),
        Refusal::PerAddress => warnings
            .per_address
            .say(format_args!("refused a connection: its address has `max_conns_per_ip` open")),
    }
}
