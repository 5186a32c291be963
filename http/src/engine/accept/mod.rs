//! Accepting: each thread that calls `serve` takes connections in, and gives them to shards.

pub(crate) mod admission;
mod arrivals;
mod backoff;
mod failure;
pub(crate) mod in_memory;
pub(crate) mod listener;
mod rhythm;
mod shed;
pub(crate) mod take_in;

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use mio::Waker;

use crate::engine::Engine;
use crate::engine::accept::arrivals::{Arrivals, Listening};
use crate::engine::accept::backoff::{Backoff, Remedy};
use crate::engine::accept::failure::AcceptFailure;
use crate::engine::accept::in_memory::{ClosedWithServer, InMemoryListening};
use crate::engine::accept::listener::ListeningSocket;
use crate::engine::accept::rhythm::Rhythm;
use crate::engine::accept::take_in::{Intake, Reception};

/// Where connections come in.
pub(crate) enum Entrance {
    Socket(ListeningSocket),
    InMemory(ClosedWithServer),
}

impl Entrance {
    /// Where it is, as the log has it.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Socket(socket) => socket.place(),
            Self::InMemory(_) => "memory".to_owned(),
        }
    }
}

/// Accepts until the server stops (`Ok`), or the listener is none any more.
type Accepting = dyn FnOnce(&Engine) -> io::Result<()> + Send;

/// What a thread that accepts at one entrance does.
pub(crate) struct Acceptor(Box<Accepting>);

impl Acceptor {
    /// All that accepting at that entrance takes.
    ///
    /// # Errors
    /// When there is no poller to be had.
    pub(crate) fn new(entrance: Entrance, intake: Intake) -> io::Result<Self> {
        Ok(Self(match entrance {
            Entrance::Socket(socket) => {
                let (listening, waker) = Listening::new(socket)?;
                Box::new(move |engine| accept_from(engine, listening, &waker, intake))
            }
            Entrance::InMemory(listener) => {
                let (listening, waker) = InMemoryListening::new(listener)?;
                Box::new(move |engine| accept_from(engine, listening, &waker, intake))
            }
        }))
    }
}

fn accept_from(
    engine: &Engine,
    mut listening: impl Arrivals,
    waker: &Arc<Waker>,
    intake: Intake,
) -> io::Result<()> {
    engine.stopping.enter(waker);
    let result = run(engine, &mut listening, intake);
    engine.stopping.leave(waker);
    result
}

/// Accepts from several listeners, each on a thread of its own but for the first; until the server stops, or until none
/// of them is a listener any more. `has_begun` is called when all have their threads. What comes of that is the error
/// of the first that broke.
///
/// # Errors
/// When there are not threads for all, and so nothing was accepted.
pub(crate) fn accept_all(
    engine: &Engine,
    acceptors: Vec<Acceptor>,
    has_begun: impl FnOnce(),
) -> io::Result<io::Result<()>> {
    let mut acceptors = acceptors.into_iter();
    let Some(first) = acceptors.next() else { return Ok(Ok(())) };
    thread::scope(|scope| {
        let mut others = Vec::new();
        for acceptor in acceptors {
            // None begins before all can: else those who have begun would have to be ended.
            let (begin, begins) = mpsc::channel();
            let accepting = move || begins.recv().map_or(Ok(()), |()| acceptor.0(engine));
            let thread = thread::Builder::new().name("anthill-accept".to_owned());
            others.push((begin, thread.spawn_scoped(scope, accepting).map_err(no_thread)?));
        }
        has_begun();
        let others: Vec<_> = others
            .into_iter()
            .map(|(begin, thread)| {
                // It waits for this.
                let _ = begin.send(());
                thread
            })
            .collect();
        let first = first.0(engine);
        Ok(others.into_iter().fold(first, |result, thread| {
            let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("an acceptor panicked")));
            result.and(ended)
        }))
    })
}

/// There is no thread to accept on.
#[cold]
pub(crate) fn no_thread(error: io::Error) -> io::Error {
    let reason = format!(
        "there is no thread to accept connections on: {error}; raise the limit on threads (`ulimit -u`) or listen at fewer \
         addresses"
    );
    io::Error::new(error.kind(), reason)
}

fn run<I: Arrivals>(engine: &Engine, arrivals: &mut I, intake: Intake) -> io::Result<()> {
    let mut reception = Reception::new(engine, intake);
    let (mut backoff, mut rhythm) = (Backoff::default(), Rhythm::default());
    while !engine.is_stopping() {
        let remedy = match arrivals.accept() {
            Ok(accepted) => {
                backoff.success();
                if let Some((socket, info)) = accepted {
                    reception.take_in(socket, info);
                }
                if I::MUST_DRAIN || rhythm.accepted() { Remedy::GoOn } else { Remedy::Wait }
            }
            Err(error) => {
                let failure = AcceptFailure::of(&error);
                if failure == AcceptFailure::NoneWaits {
                    rhythm.none_waits();
                }
                let remedy = backoff.failure(failure);
                if remedy == Remedy::End {
                    log::error!("accepting connections failed: {error}");
                    return Err(error);
                }
                reception.relieve(remedy, failure, &error)
            }
        };
        match remedy {
            Remedy::Rest(limit) => rest(arrivals, limit),
            Remedy::Wait => {
                if let Err(error) = arrivals.wait() {
                    if let Remedy::Rest(limit) = backoff.failure(AcceptFailure::Passing) {
                        reception.say_failing(&error);
                        rest(arrivals, limit);
                    }
                }
            }
            Remedy::GoOn | Remedy::End => {}
        }
    }
    Ok(())
}

fn rest(arrivals: &mut impl Arrivals, limit: Duration) {
    if arrivals.rest(limit).is_err() {
        // Nothing wakes this thread now, but trying again without a pause would be worse.
        thread::sleep(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::ServerBuilder;
    use crate::ctx::ConnInfo;
    use crate::engine::socket::Socket;
    use crate::serve::service::Service;
    use rustix::io::Errno;
    use std::collections::VecDeque;
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::Ordering;

    /// What accepting and waiting bring, one after the other; after the last the server stops.
    struct Scripted<'a> {
        engine: &'a Engine,
        script: VecDeque<io::Result<Option<Socket>>>,
        waits: VecDeque<io::Result<()>>,
        rests: Vec<Duration>,
    }

    impl Arrivals for Scripted<'_> {
        type Socket = Socket;

        const MUST_DRAIN: bool = false;

        fn accept(&mut self) -> io::Result<Option<(Socket, ConnInfo)>> {
            let next = self.script.pop_front().unwrap_or_else(|| {
                self.engine.stop();
                Err(io::ErrorKind::WouldBlock.into())
            });
            Ok(next?.map(|socket| (socket, ConnInfo::default())))
        }

        fn wait(&mut self) -> io::Result<()> {
            self.waits.pop_front().unwrap_or(Ok(()))
        }

        fn rest(&mut self, limit: Duration) -> io::Result<()> {
            self.rests.push(limit);
            Ok(())
        }
    }

    fn connection() -> (io::Result<Option<Socket>>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
        let socket = listener.accept().expect("the client is there").0;
        socket.set_nonblocking(true).expect("an option of every socket");
        (Ok(Some(Socket::tcp(mio::net::TcpStream::from_std(socket)))), client)
    }

    /// What accepting by that script ends with, how many connections it has taken in, and its rests.
    fn outcome(
        script: Vec<io::Result<Option<Socket>>>,
        waits: Vec<io::Result<()>>,
    ) -> (io::Result<()>, u64, Vec<Duration>) {
        let settings = ServerBuilder::default().shards(1).resolve().expect("options that go together");
        let service = Arc::new(Service::new(settings, Box::new(|_: &mut crate::RequestCtx| {})));
        let engine = Engine::start(service).expect("threads and pollers");
        let (script, waits) = (script.into(), waits.into());
        let mut scripted = Scripted { engine: &engine, script, waits, rests: Vec::new() };
        let result = run(&engine, &mut scripted, Intake::default());
        let rests = scripted.rests;
        engine.stop();
        assert!(engine.wait_ended(None));
        (result, engine.service.counters.accepted.load(Ordering::Relaxed), rests)
    }

    fn system(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn engine_f5_errors_that_pass_are_survived() {
        let passing = [
            Errno::PERM,
            Errno::PROTO,
            Errno::NETDOWN,
            Errno::HOSTUNREACH,
            Errno::OPNOTSUPP,
            Errno::TIMEDOUT,
            Errno::MFILE,
            Errno::NOMEM,
        ];
        for errno in passing {
            let (before, _first) = connection();
            let (after, _second) = connection();
            let script = vec![before, Err(system(errno)), Err(system(errno)), after];
            let (result, accepted, rests) = outcome(script, Vec::new());
            result.unwrap_or_else(|error| panic!("{errno:?} ended accepting: {error}"));
            assert_eq!(accepted, 2, "{errno:?}");
            // When something has run out, what is idle is closed first, and then there is another try; unless the
            // driver has just got to know of it.
            let is_exhaustion = matches!(errno, Errno::MFILE | Errno::NOMEM);
            let least = if is_exhaustion { 1 } else { 2 };
            assert!((least..=2).contains(&rests.len()), "{errno:?}");
        }
    }

    #[test]
    fn engine_f5_a_connection_that_fails_costs_nobody_else_anything() {
        let (served, _client) = connection();
        let script = vec![Err(system(Errno::CONNABORTED)), Ok(None), Err(system(Errno::INTR)), served];
        let (result, accepted, rests) = outcome(script, Vec::new());
        result.expect("nothing is wrong with the listener");
        assert_eq!((accepted, rests), (1, Vec::new()));
    }

    #[test]
    fn engine_f5_a_wait_that_fails_is_survived() {
        let ((first, _kept), (second, _also)) = (connection(), connection());
        let waits = vec![Err(system(Errno::NOMEM)), Err(system(Errno::INVAL))];
        let (result, accepted, rests) = outcome(vec![first, second], waits);
        result.expect("nothing is wrong with the listener");
        assert_eq!((accepted, rests.len()), (2, 2));
    }

    #[test]
    fn engine_f5_a_dead_listener_ends_accepting() {
        for errno in [Errno::BADF, Errno::INVAL, Errno::NOTSOCK] {
            let (never, _client) = connection();
            let mut script: Vec<_> = (0..10).map(|_| Err(system(errno))).collect();
            script.push(never);
            let (result, accepted, _) = outcome(script, Vec::new());
            assert_eq!(result.expect_err("it does not listen").raw_os_error(), Some(errno.raw_os_error()));
            assert_eq!(accepted, 0);
        }
    }

    /// The real listener and its waits.
    #[test]
    fn the_end_interrupts_a_wait_and_a_rest() {
        let listener = ListeningSocket::tcp(TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let (mut listening, waker) = Listening::new(listener.expect("a listener")).expect("a poller");
        waker.wake().expect("a waker");
        // Neither would return before the test is given up.
        listening.wait().expect("a poller");
        listening.rest(Duration::from_secs(3600)).expect("a poller");
    }

    #[cfg(unix)]
    #[test]
    fn engine_f5_a_listener_that_is_shut_down_is_found_dead() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let other = socket2::Socket::from(listener.try_clone().expect("a descriptor"));
        let settings = ServerBuilder::default().shards(1).resolve().expect("options that go together");
        let service = Arc::new(Service::new(settings, Box::new(|_: &mut crate::RequestCtx| {})));
        let engine = Engine::start(service).expect("threads and pollers");
        let accepting = engine.clone();
        let thread = std::thread::spawn(move || {
            let listener = ListeningSocket::tcp(listener).expect("a listener");
            let acceptor = Acceptor::new(Entrance::Socket(listener), Intake::default());
            accept_all(&accepting, vec![acceptor.expect("a poller")], || {}).expect("threads")
        });
        other.shutdown(std::net::Shutdown::Both).expect("a listener can be shut down");
        thread.join().expect("no panic").expect_err("nothing listens any more");
        engine.stop();
        assert!(engine.wait_ended(None));
    }
}
