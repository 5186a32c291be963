//! Accepting: the thread that calls `serve` takes connections in and gives each to the shard with the fewest.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::ctx::ConnInfo;
use crate::engine::Engine;
use crate::engine::shard::clock::after;
use crate::engine::shard::deadlines::Millis;
use crate::engine::stream::Stream;
use crate::proto::append_refusal;
use crate::serve::refusal::Refusal;
use crate::util::date;
use crate::wire::transport::Wire;

const LISTENER: Token = Token(0);
const WAKE: Token = Token(1);
/// How long accepting pauses when the system is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);
/// Refusals and exhaustion are logged once in this time.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// A listener of either kind, non-blocking.
pub(crate) enum Listener {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix(mio::net::UnixListener),
}

impl Listener {
    fn accept(&self) -> io::Result<(Stream, ConnInfo)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                // Responses are written whole; waiting for more to send would only delay them.
                stream.set_nodelay(true)?;
                let info = ConnInfo::opened_now(Some(peer), stream.local_addr().ok(), false);
                Ok((Stream::Tcp(stream), info))
            }
            #[cfg(unix)]
            Listener::Unix(listener) => {
                Ok((Stream::Unix(listener.accept()?.0), ConnInfo::opened_now(None, None, false)))
            }
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Listener::Tcp(listener) => listener,
            #[cfg(unix)]
            Listener::Unix(listener) => listener,
        }
    }
}

/// Accepts until the server stops (`Ok`) or the listener breaks.
pub(crate) fn accept(engine: &Arc<Engine>, mut listener: Listener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(listener.source(), LISTENER, Interest::READABLE)?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
    engine.acceptors.lock().push(waker.clone());
    let result = run(engine, &mut poll, &listener);
    engine.acceptors.lock().retain(|other| !Arc::ptr_eq(other, &waker));
    result
}

fn run(engine: &Engine, poll: &mut Poll, listener: &Listener) -> io::Result<()> {
    let mut events = Events::with_capacity(2);
    let mut log = Log::default();
    loop {
        let mut pause = None;
        while !engine.is_stopping() {
            match listener.accept() {
                Ok((stream, info)) => take_in(engine, Box::new(stream), info, &mut log),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The client was gone before we came.
                Err(error) if is_the_connections_fault(&error) => {}
                Err(error) if is_exhaustion(&error) => {
                    log.say(&format!(
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

fn take_in(engine: &Engine, mut transport: Box<dyn Wire>, info: ConnInfo, log: &mut Log) {
    let address: Option<IpAddr> = info.remote_addr().map(|address| address.ip().to_canonical());
    let counted_address = match engine.admit(address) {
        Ok(counted) => counted,
        Err(refused) => {
            engine.service.counters.refuse_connection(refused);
            let mut default_fields = engine.service.settings.default_fields();
            let defaults = default_fields.at(date::whole_seconds(info.time()));
            let mut answer = Vec::new();
            append_refusal(&mut answer, refused.status(), refused.text(), false, &defaults);
            // A new socket's buffer has room for it; if not, closing says enough.
            let _ = transport.write([&answer[..], &[]]).and_then(|_| transport.shutdown_write());
            log.say(match refused {
                Refusal::Concurrency => {
                    "refused a connection: `concurrency` connections are open; consider raising it"
                }
                Refusal::PerAddress => "refused a connection: its address has `max_conns_per_ip` open",
            });
            return;
        }
    };
    engine.service.counters.accepted.fetch_add(1, Ordering::Relaxed);
    let Some(shard) = engine.shards.iter().min_by_key(|shard| shard.load()) else { return };
    if let Err(error) = shard.add(transport, info, counted_address, first_deadline(engine)) {
        engine.connection_closed(counted_address);
        if !engine.is_stopping() {
            log.say(&format!("closed a new connection: {error}"));
        }
    }
}

/// When a connection is given up on which nothing ever comes.
fn first_deadline(engine: &Engine) -> Millis {
    let settings = &engine.service.settings;
    let limit = [settings.timeouts.read, settings.timeouts.read_header].into_iter().flatten().min();
    after(engine.clock.millis(), limit)
}

fn is_the_connections_fault(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | InvalidInput | NotConnected)
}

fn is_exhaustion(error: &io::Error) -> bool {
    // EMFILE and ENFILE have no stable kind; ENOBUFS and ENOMEM belong here too.
    matches!(error.raw_os_error(), Some(23 | 24 | 105 | 12)) || error.kind() == ErrorKind::OutOfMemory
}

/// Says the same thing once a minute at most.
#[derive(Default)]
struct Log {
    last: Option<Instant>,
}

impl Log {
    fn say(&mut self, what: &str) {
        let now = Instant::now();
        if self.last.is_none_or(|last| now.duration_since(last) >= LOG_EVERY) {
            self.last = Some(now);
            log::warn!("{what}");
        }
    }
}
