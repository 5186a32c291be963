//! The blocking driver: serves one connection on the calling thread, over anything that reads and writes.
//!
//! The idea: the simplest driver of an [`Exchange`]. It writes only when no complete pipelined request is left, so that
//! a batch of requests is answered by one write, and always before it waits for input.

use crate::ctx::ConnInfo;
use crate::observe::ConnState;
use crate::proto::ProtoError;
use crate::serve::error::Error;
use crate::serve::exchange::{BATCH_BYTES, ConnStage, Exchange, Expects, Piece, Step};
use crate::serve::hijacking::{self, GivenAway};
use crate::serve::moment::Moment;
use crate::serve::parker::Parker;
use crate::serve::patience::Patience;
use crate::serve::proxied;
use crate::serve::runner::{Runner, UserCode};
use crate::serve::service::Service;
#[cfg(feature = "ws")]
use crate::serve::socket_alone;
use crate::serve::standalone::Attended;
use crate::serve::stream::{BlockingSocket, UserStream};
use crate::serve::user_code;
use crate::serve::workspace::{Pending, Workspace};
#[cfg(feature = "ws")]
use crate::sockets::LoopPlace;
use crate::wire::lent::LentTransport;
use crate::wire::pace::Pace;
use crate::wire::transport::Transport;
use crate::wire::wake::Waker;
use std::cell::OnceCell;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Weak};

/// The smallest read that is worth a system call.
const READ_BYTES_MIN: usize = 512;

/// Serves the connection `info` over `stream` until one of the two sides ends it.
///
/// # Errors
/// Why the connection ended, unless it ended well: the peer closed it between two requests, it stayed silent
/// there for longer than the transport's own timeout, or a response announced its end. A peer that sent
/// something else than a request has been told so, as far as it still listens.
pub(crate) fn serve(
    stream: UserStream,
    info: &ConnInfo,
    work: &mut Workspace,
    service: &Arc<Service>,
    attended: &Attended<'_>,
) -> Result<(), Error> {
    let UserStream { transport, socket, .. } = stream;
    work.moment = Moment::at(info.time());
    work.attendant.is_here();
    work.open(info.facts(), &mut Pending::default());
    let named = name_client(&*transport, info, work, service, attended)?;
    let info = named.as_ref().unwrap_or(info);
    user_code::tell_state(&service.settings.hooks.observers, info, ConnState::New);
    let exchange = Exchange::new(info.id());
    let mut driver = BlockingDriver {
        lent: LentTransport::new(transport.clone()),
        transport: &transport,
        awaited: Expects::FirstRequest,
        usual_patience: service.patience.without_limits(),
        exchange,
        work,
        service,
        by: Caller { attended },
        parker: OnceCell::new(),
        socket: socket.as_ref(),
    };
    let served = driver.serve();
    driver.work.count_bytes();
    let BlockingDriver { lent, mut exchange, work, mut by, .. } = driver;
    // Who else has the transport is asked below.
    drop(lent);
    if served.is_ok() && exchange.gives_away() {
        let received = work.ctx.request.input().unread().to_vec();
        work.wipe();
        // Of a socket both directions can be used at once.
        let polled = socket.map_or(Ok(transport), |socket| socket.polled());
        let last = if polled.is_ok() { ConnState::Hijacked } else { ConnState::Closed };
        let (kept, news) = (exchange.take_kept(), exchange.last_news(info, service, last));
        let transport = polled?;
        drop(hijacking::give_away(GivenAway { transport, received, kept, news }, info, service));
        return Ok(());
    }
    exchange.cut_off(work, service);
    exchange.tell(work, service, &mut by);
    let news = exchange.last_news(info, service, ConnState::Closed);
    let may_be_sending = exchange.may_be_sending(work.ctx.request.input());
    work.wipe();
    if Arc::strong_count(&transport) > 1 {
        // A handler has kept its context, and with it the stream.
        transport.shut_down();
    } else if let Some(socket) = socket.filter(|_| exchange.stage() != ConnStage::Serving) {
        socket.linger(may_be_sending);
    }
    drop(transport);
    drop(news);
    served
}

/// Receives what a proxy says of the connection, if one has to. `None`: everything is known of it.
fn name_client(
    transport: &dyn Transport,
    info: &ConnInfo,
    work: &mut Workspace,
    service: &Service,
    attended: &Attended<'_>,
) -> Result<Option<ConnInfo>, Error> {
    if !info.awaits_proxy_header() {
        return Ok(None);
    }
    let input = work.ctx.request.input_mut();
    let named = proxied::receive_header(transport, input, info, service, attended);
    match &named {
        Ok(named) => work.ctx.set_conn(named.facts()),
        Err(_) => work.wipe(),
    }
    work.time_has_passed();
    named.map(Some)
}

/// The calling thread, which runs the user's code as it comes.
struct Caller<'a> {
    attended: &'a Attended<'a>,
}

impl Runner for Caller<'_> {
    fn run_user_code(&mut self, _: UserCode, code: impl FnOnce()) {
        code();
    }

    fn may_wait_for_client(&mut self) -> bool {
        true
    }

    #[cfg(feature = "ws")]
    fn promises_loop(&mut self) -> Option<LoopPlace> {
        Some(LoopPlace::of_its_own())
    }

    fn is_stopping(&self) -> bool {
        self.attended.is_stopping()
    }
}

struct BlockingDriver<'a> {
    transport: &'a Arc<dyn Transport>,
    lent: LentTransport,
    /// What was waited for last.
    awaited: Expects,
    /// How slow the peer may be in a request for which nothing else was said.
    usual_patience: Patience,
    exchange: Exchange,
    work: &'a mut Workspace,
    service: &'a Service,
    by: Caller<'a>,
    /// Where the thread waits for the source of a response, if it ever does.
    parker: OnceCell<Arc<Parker>>,
    /// The socket that the transport is, if it is one.
    #[cfg_attr(not(feature = "ws"), allow(dead_code, reason = "only a WebSocket needs it"))]
    socket: Option<&'a Arc<dyn BlockingSocket>>,
}

impl BlockingDriver<'_> {
    fn serve(&mut self) -> Result<(), Error> {
        loop {
            let mut step = self.exchange.next(self.work, self.service);
            if let Step::Head { awaits_continue } = step {
                step = self.exchange.decide(awaits_continue, self.work, self.service, &mut self.by);
            }
            match step {
                // Decided on, it needs its body or is refused.
                Step::Head { .. } => {}
                Step::Tell => self.exchange.tell(self.work, self.service, &mut self.by),
                Step::NeedInput => {
                    self.flush()?;
                    if !self.receive()? {
                        return Ok(());
                    }
                }
                Step::Request => {
                    let own;
                    let patience = if self.exchange.has_own_config() {
                        own = self.own_patience();
                        &own
                    } else {
                        &self.usual_patience
                    };
                    self.lent.wait_for_output(patience.write);
                    let answered =
                        self.exchange.answer(self.work, self.service, self.transport, patience, &mut self.by);
                    if let Err(error) = answered {
                        // What was collected before is the client's.
                        let _ = self.flush();
                        return Err(error);
                    }
                    if self.work.output.len() >= BATCH_BYTES {
                        self.flush()?;
                    }
                }
                Step::Streams => self.send_piece()?,
                Step::Refusing(error) | Step::Refused(error) => return self.refused(error),
                Step::GiveAway | Step::Ends => return Ok(self.flush()?),
                #[cfg(feature = "ws")]
                Step::Socket => return self.serve_socket(),
            }
        }
    }

    /// Serves a WebSocket to its end.
    #[cfg(feature = "ws")]
    fn serve_socket(&mut self) -> Result<(), Error> {
        self.flush()?;
        let Self { transport, socket, exchange, work, service, by, .. } = self;
        socket_alone::serve(transport, *socket, exchange, work, service, by)
    }

    /// Sends what there is of a streamed response, and brings the next piece.
    fn send_piece(&mut self) -> Result<(), Error> {
        if self.exchange.sends_first() {
            self.flush()?;
        }
        let parker = &self.parker;
        let waker = || {
            let parker: Weak<Parker> = Arc::downgrade(parker.get_or_init(Arc::default));
            Waker::new(parker, 0)
        };
        let brought =
            self.exchange.next_piece(self.work, self.service, &**self.transport, &waker, &mut self.by);
        if brought.is_err() {
            // What was collected before is the client's.
            let _ = self.flush();
        }
        match brought? {
            // A transport that blocks by itself has said that its own time was up.
            Piece::Blocked => Err(io::Error::from(ErrorKind::TimedOut).into()),
            Piece::Waiting => {
                self.wait_for_source();
                Ok(())
            }
            Piece::InOutput | Piece::Sent(_) | Piece::None => Ok(()),
        }
    }

    /// The source of the response has nothing for now, and everything was sent.
    fn wait_for_source(&mut self) {
        self.work.count_bytes();
        let parker = self.parker.get_or_init(Arc::default);
        let Some(live) = self.exchange.live() else { return };
        // When the server is stopping the source is ended.
        if let Some(_waiting) = self.by.attended.begin_to_park(parker) {
            if !parker.wait(live.heartbeat()) {
                live.beat();
            }
            self.work.time_has_passed();
        }
    }

    /// Reads once. False: the peer has ended the connection, or stayed silent too long, between two requests.
    fn receive(&mut self) -> Result<bool, Error> {
        if self.exchange.must_tell_before_waiting(self.service) {
            return Ok(true);
        }
        if self.exchange.ends_instead_of_waiting(&self.by) {
            return Ok(true);
        }
        self.work.count_bytes();
        let may_end_here = self.exchange.may_end_here();
        let waiting = if may_end_here { self.by.attended.begin_to_wait() } else { None };
        if may_end_here && waiting.is_none() {
            return Ok(true);
        }
        self.keep_time();
        let read = self.lent.read(self.work.ctx.request.input_mut().space(READ_BYTES_MIN));
        drop(waiting);
        self.work.time_has_passed();
        if !matches!(read, Ok(1..)) && self.exchange.ends_instead_of_waiting(&self.by) {
            // It was the shutdown that ended the wait.
            return Ok(true);
        }
        match read {
            Ok(0) => match self.exchange.input_ended(self.work, self.service) {
                Ok(()) => Ok(false),
                Err(error) => self.refused(error).map(|()| false),
            },
            Ok(count) => {
                self.work.ctx.request.input_mut().filled(count);
                Ok(true)
            }
            Err(error) if error.kind() != ErrorKind::TimedOut => Err(error.into()),
            Err(_) if self.exchange.ends_in_silence(self.service) => Ok(false),
            Err(_) => {
                self.exchange.refuse(ProtoError::Timeout, self.work, self.service);
                self.refused(ProtoError::Timeout).map(|()| false)
            }
        }
    }

    /// How slow the peer may be. The transport's own timeouts apply; a peer that is too slow is noticed when a call of
    /// the transport has returned.
    #[inline(never)]
    fn own_patience(&self) -> Patience {
        self.exchange.patience(self.service).without_limits()
    }

    /// Begins the peer's time when it is something else that is waited for.
    fn keep_time(&mut self) {
        let expects = self.exchange.expects();
        if self.awaited != expects {
            self.awaited = expects;
            let pace = if expects.is_body() { self.own_patience().read } else { Pace::default() };
            self.lent.wait_for_input(pace);
        }
    }

    /// Writes everything that has been collected.
    fn flush(&mut self) -> io::Result<()> {
        if self.work.output.is_empty() {
            return Ok(());
        }
        self.lent.send(&mut self.work.output)
    }

    /// The peer was refused for `error`, perhaps with the user's answer still missing.
    fn refused(&mut self, error: ProtoError) -> Result<(), Error> {
        if self.exchange.stage() == ConnStage::Refusing(error) {
            self.exchange.refuse_by_handler(error, self.work, self.service, &mut self.by);
        }
        // The connection ends anyway, so that this cannot be told is no further error.
        if let Err(error) = self.flush() {
            log::debug!("a refusal could not be delivered: {error}");
        }
        Err(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::ServerBuilder;
    use crate::ctx::RequestCtx;
    use crate::serve::standalone::Standalone;
    use parking_lot::Mutex;
    use std::collections::VecDeque;
    use std::io::{Read, Write};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A peer whose bytes arrive in the given pieces; an empty piece is a timeout. Remembers each write.
    #[derive(Clone)]
    struct Peer {
        pieces: VecDeque<Vec<u8>>,
        writes: Arc<Mutex<Vec<String>>>,
        write_bytes_max: usize,
    }

    impl Peer {
        fn new(pieces: &[&str]) -> Self {
            let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
            Self { pieces, writes: Arc::default(), write_bytes_max: usize::MAX }
        }

        fn writes(&self) -> Vec<String> {
            self.writes.lock().clone()
        }

        fn sent(&self) -> String {
            self.writes().concat()
        }
    }

    impl Read for Peer {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            let Some(mut piece) = self.pieces.pop_front() else { return Ok(0) };
            if piece.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            let count = piece.len().min(space.len());
            space[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            if !piece.is_empty() {
                self.pieces.push_front(piece);
            }
            Ok(count)
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.write_bytes_max);
            self.writes.lock().push(String::from_utf8_lossy(&bytes[..count]).into_owned());
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    fn options() -> ServerBuilder {
        ServerBuilder::default()
            .name(None)
            .default_date(false)
            .default_content_type(false)
            .read_buffer_size(1024)
            .max_request_body_size(100)
    }

    /// A server without a server, and the workspace that its connections share.
    struct Served {
        service: Arc<Service>,
        handled: Arc<AtomicU64>,
        work: Workspace,
    }

    impl Served {
        fn with(options: ServerBuilder) -> Self {
            let handled = Arc::new(AtomicU64::new(0));
            let counted = handled.clone();
            let handler = move |ctx: &mut RequestCtx| {
                counted.fetch_add(1, Ordering::Relaxed);
                if ctx.path() == "/panic" {
                    std::panic::resume_unwind(Box::new("without the noise of the panic hook"));
                }
            };
            let service =
                Arc::new(Service::new(options.resolve().expect("valid options"), Box::new(handler)));
            let work = Workspace::new(&service);
            Self { service, handled, work }
        }

        fn serve(&mut self, peer: &Peer) -> Result<(), Error> {
            let standalone = Standalone::default();
            let attended = standalone.attend(1, None).expect("it does not stop");
            serve(
                UserStream::new(peer.clone()),
                &ConnInfo::opened_now(None, None, false),
                &mut self.work,
                &self.service,
                &attended,
            )
        }

        fn handled(&self) -> u64 {
            self.handled.load(Ordering::Relaxed)
        }
    }

    fn serve_one(peer: &Peer) -> (Result<(), Error>, u64) {
        let mut served = Served::with(options());
        (served.serve(peer), served.handled())
    }

    #[test]
    fn two_requests_then_the_end() {
        let peer = Peer::new(&[GET, GET]);
        let (served, handled) = serve_one(&peer);
        assert!(served.is_ok());
        assert_eq!((handled, peer.writes().as_slice()), (2, &[OK.to_owned(), OK.to_owned()][..]));
    }

    #[test]
    fn a_batch_is_answered_by_one_write_before_waiting() {
        let peer = Peer::new(&[&format!("{}GET /", GET.repeat(5)), &GET[5..]]);
        let (served, handled) = serve_one(&peer);
        assert!(served.is_ok());
        assert_eq!((handled, peer.writes().as_slice()), (6, &[OK.repeat(5), OK.to_owned()][..]));
    }

    #[test]
    fn short_writes_are_continued() {
        let mut peer = Peer::new(&[GET]);
        peer.write_bytes_max = 3;
        assert!(serve_one(&peer).0.is_ok());
        assert_eq!(peer.sent(), OK);
    }

    #[test]
    fn a_panic_costs_one_request() {
        let peer = Peer::new(&["GET /panic HTTP/1.1\r\nHost: h\r\n\r\n", GET]);
        let (served, handled) = serve_one(&peer);
        assert!(served.is_ok());
        assert_eq!(handled, 2);
        assert!(peer.sent().starts_with("HTTP/1.1 500 "), "{}", peer.sent());
        assert!(peer.sent().ends_with(OK), "{}", peer.sent());
    }

    #[test]
    fn a_quota_ends_the_connection() {
        let close = OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        for (options, expected) in [
            (options().max_requests_per_conn(2), format!("{OK}{close}")),
            (options().keep_alive(false), close.clone()),
        ] {
            let peer = Peer::new(&[&GET.repeat(3)]);
            assert!(Served::with(options).serve(&peer).is_ok());
            assert_eq!(peer.sent(), expected);
        }
    }

    #[test]
    fn what_is_no_request_is_refused_and_reported() {
        for (message, status, handled) in [
            ("x\r\n\r\n", 400, 0),
            (&format!("{GET}x\r\n\r\n"), 400, 1),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n", 413, 0),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n123", 400, 0),
        ] {
            let peer = Peer::new(&[message]);
            let (served, seen) = serve_one(&peer);
            assert_eq!(served.expect_err(message).status(), Some(status), "{message:?}");
            assert_eq!(seen, handled, "{message:?}");
            assert!(peer.sent().contains(&format!("HTTP/1.1 {status} ")), "{message:?}");
        }
    }

    #[test]
    fn silence_is_fine_between_requests_and_a_timeout_within() {
        let peer = Peer::new(&[GET, ""]);
        assert!(serve_one(&peer).0.is_ok());
        assert_eq!(peer.sent(), OK);

        let peer = Peer::new(&["\r\n", ""]);
        assert!(serve_one(&peer).0.is_ok());
        assert_eq!(peer.sent(), "");
        let mut answering = Served::with(options().answer_silent_conns(true));
        let error = answering.serve(&peer).expect_err("a timeout");
        assert!(error.is_timeout() && peer.sent().starts_with("HTTP/1.1 408 "), "{}", peer.sent());

        let peer = Peer::new(&["GET", ""]);
        let error = serve_one(&peer).0.expect_err("a timeout");
        assert!(error.is_timeout());
        assert!(peer.sent().starts_with("HTTP/1.1 408 "), "{}", peer.sent());
    }

    #[test]
    fn dates_and_names_are_added() {
        let peer = Peer::new(&[GET]);
        assert!(Served::with(ServerBuilder::default()).serve(&peer).is_ok());
        assert!(peer.sent().starts_with("HTTP/1.1 200 OK\r\nServer: anthill\r\nDate: "), "{}", peer.sent());
        assert!(peer.sent().contains(" GMT\r\n"), "{}", peer.sent());
    }

    #[test]
    fn a_workspace_can_be_used_for_the_next_connection() {
        let mut served = Served::with(options());
        assert!(served.serve(&Peer::new(&["GET / HTTP/1.1\r\nHo"])).is_err());
        let fine = Peer::new(&[GET]);
        assert!(served.serve(&fine).is_ok());
        assert_eq!(fine.sent(), OK);
    }

    #[test]
    fn what_happens_is_counted() {
        let mut served = Served::with(options());
        assert!(served.serve(&Peer::new(&[GET, "GET /panic HTTP/1.1\r\nHost: h\r\n\r\n"])).is_ok());
        assert!(served.serve(&Peer::new(&[GET, "x\r\n\r\n"])).is_err());
        assert!(served.serve(&Peer::new(&["GET", ""])).is_err());
        let counters = &served.service.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!((served.service.tallies.sum().responses().total(), count(&counters.panics)), (3, 1));
        let rejections = counters.rejections();
        assert_eq!((rejections.malformed, rejections.timed_out), (1, 1));
    }
}
