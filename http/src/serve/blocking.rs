//! The blocking driver: serves one connection on the calling thread, over anything that reads and writes.
//!
//! The idea: the simplest loop around the protocol core. Read, advance, call the handler, respond; write only
//! when no complete pipelined request is left, so that a batch of requests is answered by one write
//! (`CON-06`), and always before waiting for input (`CON-07`).
//!
//! The rule: once a response has announced that the connection ends, nothing more is read or served
//! (`CON-09`).

use crate::config::hooks::{Handler, HeadHooks};
use crate::config::request_config::RequestConfig;
use crate::ctx::{ConnInfo, CtxOptions, RequestCtx};
use crate::message::response::Stream;
use crate::proto::{DefaultLines, Limits, Progress, ProtoError, Session};
use crate::serve::body_out;
use crate::serve::error::Error;
use crate::serve::user_code;
use crate::util::date;
use crate::wire::input::Input;
use crate::wire::output::{KEPT_BYTES_MAX, Output};
use crate::wire::transport::{Line, Wire};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::time::SystemTime;

/// What a blocking connection has to know of the server's options.
#[derive(Clone, Copy)]
pub(crate) struct BlockingOptions<'a> {
    pub(crate) limits: Limits,
    /// Whether everything but GET and HEAD is refused.
    pub(crate) get_only: bool,
    /// Whether a connection may serve more than one request.
    pub(crate) keep_alive: bool,
    /// How many requests a connection may serve; `None`: any number.
    pub(crate) requests_max: Option<u64>,
    /// The smallest read worth a system call, in bytes; also the size of the first buffer.
    pub(crate) read_bytes: usize,
    /// What is called when a head has arrived.
    pub(crate) hooks: HeadHooks<'a>,
    /// What contexts have to know.
    pub(crate) ctx: &'a CtxOptions,
}

/// A place to serve connections at, one after the other. Kept, so that a connection makes nothing of its own.
#[derive(Debug)]
pub(crate) struct Place {
    ctx: RequestCtx,
    out: Output,
    lines: DefaultLines,
}

impl Place {
    pub(crate) fn new(lines: DefaultLines) -> Self {
        Self { ctx: RequestCtx::new(), out: Output::default(), lines }
    }

    /// Ready for the next connection, without more memory than most need.
    fn tidy_up(&mut self) {
        self.ctx.reset();
        self.out.clear();
        let input = self.ctx.request.input_mut();
        input.clear();
        if input.capacity() > KEPT_BYTES_MAX {
            *input = Input::default();
        }
    }
}

/// Serves `stream`, which is the connection `info`, until one of the two sides ends it.
///
/// # Errors
/// Why the connection ended, unless it ended well: the peer closed it between two requests, it stayed silent
/// there for longer than the stream's own timeout, or a response announced its end. A peer that sent
/// something else than a request has been told so, as far as it still listens.
pub(crate) fn serve_blocking<S: Read + Write + Send + 'static>(
    stream: S,
    info: &ConnInfo,
    place: &mut Place,
    options: &BlockingOptions<'_>,
    handler: &Handler<'_>,
) -> Result<(), Error> {
    let Place { ctx, out, lines } = place;
    ctx.set_conn(info);
    let session = Session::new();
    let mut connection = Connection {
        line: Line { wire: Some(Box::new(Blocking(stream))), owner: session.id(), ..Line::default() },
        options,
        session,
        out,
        lines,
        config: RequestConfig::new(),
        now: info.time(),
        unix_seconds: date::whole_seconds(info.time()),
    };
    let served = connection.serve(ctx, handler);
    if let Err(error) = &served {
        if let Some(error) = error.proto() {
            connection.refuse(ctx, error);
        }
    }
    place.tidy_up();
    served
}

/// Responses collected before they are written although more requests are waiting, in bytes.
const BATCH_BYTES_MAX: usize = 64 * 1024;

struct Connection<'a> {
    /// Lent to the context while a request is handled.
    line: Line,
    options: &'a BlockingOptions<'a>,
    session: Session,
    out: &'a mut Output,
    lines: &'a mut DefaultLines,
    /// What is different for the request under way.
    config: RequestConfig,
    /// When bytes last came: the time of requests, and of `Date`.
    now: SystemTime,
    unix_seconds: u64,
}

impl Connection<'_> {
    fn serve(&mut self, ctx: &mut RequestCtx, handler: &Handler<'_>) -> Result<(), Error> {
        loop {
            let limits = self.config.apply(&self.options.limits);
            let mut progress = self.session.advance(&mut ctx.request, self.out, &limits)?;
            if let Progress::Head { expects } = progress {
                if !self.judge(ctx, expects)? {
                    return Ok(self.flush()?);
                }
                let limits = self.config.apply(&self.options.limits);
                progress = self.session.welcome(&mut ctx.request, self.out, &limits)?;
            }
            match progress {
                Progress::Ready => {
                    if !self.answer(ctx, handler)? {
                        return Ok(self.flush()?);
                    }
                    if self.out.len() >= BATCH_BYTES_MAX {
                        self.flush()?;
                    }
                }
                Progress::NeedInput | Progress::Head { .. } => {
                    self.flush()?;
                    if !self.receive(ctx)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Decides on a request of which only the head is there. False: the response says no, and the connection ends with
    /// it.
    fn judge(&mut self, ctx: &mut RequestCtx, expects: bool) -> Result<bool, ProtoError> {
        ctx.begin(self.session.requests(), self.now);
        let options = self.options;
        if user_code::judge(options.hooks, expects, &self.session, ctx, &options.limits, &mut self.config)? {
            return Ok(true);
        }
        let defaults = self.lines.at(self.unix_seconds);
        self.session.respond(&ctx.request, &mut ctx.response, self.out, &defaults, true);
        self.session.finish(&mut ctx.request);
        ctx.end();
        Ok(false)
    }

    /// Runs the handler and appends its response. False: the connection ends with it.
    fn answer(&mut self, ctx: &mut RequestCtx, handler: &Handler<'_>) -> Result<bool, Error> {
        ctx.begin(self.session.requests(), self.now);
        self.line.is_answering = false;
        ctx.lend(
            std::mem::take(&mut self.line),
            self.config.apply(&self.options.limits).body_bytes_max,
            self.options.ctx,
        );
        let answered = self.answer_on_wire(ctx, handler);
        self.line = std::mem::take(&mut ctx.line);
        let stays = answered? & self.session.finish(&mut ctx.request);
        ctx.end();
        Ok(stays)
    }

    /// The same, while the context has the transport.
    fn answer_on_wire(&mut self, ctx: &mut RequestCtx, handler: &Handler<'_>) -> Result<bool, Error> {
        if !ctx.request.is_body_complete() {
            // The client may wait for what was answered before it sends on.
            ctx.line.send(self.out)?;
        }
        if self.options.get_only && !(ctx.is_get() || ctx.is_head()) {
            user_code::refuse_method(ctx);
        } else {
            user_code::run(handler, ctx);
            ctx.line.keep_only_of(self.session.id());
        }
        let quota_used = self.options.requests_max.is_some_and(|max| self.session.requests() >= max);
        let force_close = !self.options.keep_alive || quota_used;
        let defaults = self.lines.at(self.unix_seconds);
        let reply = self.session.respond(&ctx.request, &mut ctx.response, self.out, &defaults, force_close);
        match ctx.response.take_stream(reply.ending) {
            None => {}
            Some(Stream::Pieces(mut outgoing)) => {
                if ctx.response.flushes_head() {
                    ctx.line.send(self.out)?;
                }
                while !outgoing.is_done() {
                    let filled = body_out::next_piece(&mut outgoing, self.out);
                    // What was collected before a failure is the client's.
                    let sent = ctx.line.send(self.out);
                    filled?;
                    sent?;
                }
            }
            Some(stream) => body_out::write_body(ctx, self.out, stream)?,
        }
        Ok(reply.stays)
    }

    /// Reads once. False: the peer has ended the connection, or stayed silent too long, between two requests.
    fn receive(&mut self, ctx: &mut RequestCtx) -> Result<bool, Error> {
        let space = ctx.request.input_mut().space(self.options.read_bytes);
        match self.line.read(space) {
            Ok(0) => {
                self.session.input_closed(&ctx.request)?;
                Ok(false)
            }
            Ok(count) => {
                ctx.request.input_mut().filled(count);
                self.now = SystemTime::now();
                self.unix_seconds = date::whole_seconds(self.now);
                Ok(true)
            }
            Err(error) => match (error.kind() == ErrorKind::TimedOut, self.session.is_idle()) {
                (true, true) => Ok(false),
                (true, false) => Err(ProtoError::Timeout.into()),
                (false, _) => Err(error.into()),
            },
        }
    }

    /// Writes everything that has been collected.
    fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.line.send(self.out)
    }

    /// Tells the peer why the connection ends. It ends anyway, so that this cannot be told is no further
    /// error.
    fn refuse(&mut self, ctx: &RequestCtx, error: ProtoError) {
        let defaults = self.lines.at(self.unix_seconds);
        self.session.refuse(error, &ctx.request, self.out, &defaults);
        if let Err(error) = self.flush() {
            log::debug!("a refusal could not be delivered: {error}");
        }
    }
}

/// A stream that blocks by itself. What it says when its own timeout has passed differs between systems.
struct Blocking<S>(S);

impl<S: Read + Write + Send + 'static> Wire for Blocking<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let length = room.len();
        // A reader that claims more than it was given must not become our panic.
        self.0.read(room).map(|count| count.min(length)).map_err(timed_out)
    }

    fn write(&mut self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
        let length = first.len() + second.len();
        let both = [IoSlice::new(first), IoSlice::new(second)];
        self.0.write_vectored(&both).map(|count| count.min(length)).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::cell::Cell;
    use std::collections::VecDeque;
    use std::sync::Arc;

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

        fn wire(&self) -> String {
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

    const OPTIONS: BlockingOptions<'static> = BlockingOptions {
        limits: Limits { head_bytes_max: 1024, fields_max: 16, body_bytes_max: Some(100), ..Limits::DEFAULT },
        get_only: false,
        keep_alive: true,
        requests_max: None,
        read_bytes: 512,
        hooks: HeadHooks { header_received: None, expectation: None },
        ctx: &CtxOptions::DEFAULT,
    };

    const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    fn place() -> Place {
        Place::new(DefaultLines::new(None, false, false))
    }

    fn serve(peer: &mut Peer, options: &BlockingOptions<'_>) -> (Result<(), Error>, usize) {
        let handled = Cell::new(0);
        let handler = |ctx: &mut RequestCtx| {
            handled.set(handled.get() + 1);
            assert_eq!(ctx.conn_request_num(), handled.get() as u64);
            if ctx.path() == "/panic" {
                std::panic::resume_unwind(Box::new("without the noise of the panic hook"));
            }
        };
        let served = serve_blocking(peer.clone(), &ConnInfo::default(), &mut place(), options, &handler);
        (served, handled.get())
    }

    #[test]
    fn two_requests_then_the_end() {
        let mut peer = Peer::new(&[GET, GET]);
        let (served, handled) = serve(&mut peer, &OPTIONS);
        assert!(served.is_ok());
        assert_eq!((handled, peer.writes().as_slice()), (2, &[OK.to_owned(), OK.to_owned()][..]));
    }

    #[test]
    fn a_batch_is_answered_by_one_write_before_waiting() {
        let mut peer = Peer::new(&[&format!("{}GET /", GET.repeat(5)), &GET[5..]]);
        let (served, handled) = serve(&mut peer, &OPTIONS);
        assert!(served.is_ok());
        assert_eq!((handled, peer.writes().as_slice()), (6, &[OK.repeat(5), OK.to_owned()][..]));
    }

    #[test]
    fn short_writes_are_continued() {
        let mut peer = Peer::new(&[GET]);
        peer.write_bytes_max = 3;
        assert!(serve(&mut peer, &OPTIONS).0.is_ok());
        assert_eq!(peer.wire(), OK);
    }

    #[test]
    fn a_panic_costs_one_request() {
        let mut peer = Peer::new(&["GET /panic HTTP/1.1\r\nHost: h\r\n\r\n", GET]);
        let (served, handled) = serve(&mut peer, &OPTIONS);
        assert!(served.is_ok());
        assert_eq!(handled, 2);
        assert!(peer.wire().starts_with("HTTP/1.1 500 "), "{}", peer.wire());
        assert!(peer.wire().ends_with(OK), "{}", peer.wire());
    }

    #[test]
    fn a_quota_ends_the_connection() {
        let close = OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        for (options, expected) in [
            (BlockingOptions { requests_max: Some(2), ..OPTIONS }, format!("{OK}{close}")),
            (BlockingOptions { keep_alive: false, ..OPTIONS }, close.clone()),
        ] {
            let mut peer = Peer::new(&[&GET.repeat(3)]);
            assert!(serve(&mut peer, &options).0.is_ok());
            assert_eq!(peer.wire(), expected);
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
            let mut peer = Peer::new(&[message]);
            let (served, seen) = serve(&mut peer, &OPTIONS);
            assert_eq!(served.expect_err(message).status(), Some(status), "{message:?}");
            assert_eq!(seen, handled, "{message:?}");
            assert!(peer.wire().contains(&format!("HTTP/1.1 {status} ")), "{message:?}");
        }
    }

    #[test]
    fn silence_is_fine_between_requests_and_a_timeout_within() {
        let mut peer = Peer::new(&[GET, ""]);
        assert!(serve(&mut peer, &OPTIONS).0.is_ok());
        assert_eq!(peer.wire(), OK);

        let mut peer = Peer::new(&["GET", ""]);
        let error = serve(&mut peer, &OPTIONS).0.expect_err("a timeout");
        assert!(error.is_timeout());
        assert!(peer.wire().starts_with("HTTP/1.1 408 "), "{}", peer.wire());
    }

    #[test]
    fn dates_and_names_are_added() {
        let mut place = Place::new(DefaultLines::new(Some(b"anthill"), true, false));
        let peer = Peer::new(&[GET]);
        assert!(serve_blocking(peer.clone(), &ConnInfo::default(), &mut place, &OPTIONS, &|_| {}).is_ok());
        assert!(peer.wire().starts_with("HTTP/1.1 200 OK\r\nServer: anthill\r\nDate: "), "{}", peer.wire());
        assert!(peer.wire().contains(" GMT\r\n"), "{}", peer.wire());
    }

    #[test]
    fn a_place_can_be_used_for_the_next_connection() {
        let (mut place, info) = (place(), ConnInfo::default());
        let broken = Peer::new(&["GET / HTTP/1.1\r\nHo"]);
        assert!(serve_blocking(broken, &info, &mut place, &OPTIONS, &|_| {}).is_err());
        let fine = Peer::new(&[GET]);
        assert!(serve_blocking(fine.clone(), &info, &mut place, &OPTIONS, &|_| {}).is_ok());
        assert_eq!(fine.wire(), OK);
    }
}
