//! A WebSocket on a connection that is served by a call of its own: the simplest driver of a session.
//!
//! The idea: what others send is looked for between two waits for the client, which are short, whatever it is waited
//! for: also of a client that takes nothing it is seen that it is to be closed, or cut off. Of a stream that is no
//! socket a read or a write may wait for as long as it likes, and what others send waits with it.

use crate::serve::error::Error;
use crate::serve::exchange::Exchange;
use crate::serve::runner::Runner;
use crate::serve::service::Service;
use crate::serve::stream::BlockingSocket;
use crate::serve::workspace::Workspace;
use crate::sockets::{BeforeParking, LoopStart, SocketSession, SocketStep};
use crate::wire::transport::{Direction, Transport};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// How long what others send may lie.
const SLICE: Duration = Duration::from_millis(20);
const READ_ROOM: usize = 4096;

/// Serves the session to its end.
///
/// # Errors
/// When what was to be sent last cannot be.
pub(crate) fn serve(
    transport: &Arc<dyn Transport>,
    socket: Option<&Arc<dyn BlockingSocket>>,
    exchange: &mut Exchange,
    work: &mut Workspace,
    service: &Service,
    by: &mut impl Runner,
) -> Result<(), Error> {
    let served = serve_session(transport, socket, exchange, work, service, by);
    // The user's code hears of the end in any case.
    exchange.forget_response(by);
    served
}

fn serve_session(
    transport: &Arc<dyn Transport>,
    socket: Option<&Arc<dyn BlockingSocket>>,
    exchange: &mut Exchange,
    work: &mut Workspace,
    service: &Service,
    by: &mut impl Runner,
) -> Result<(), Error> {
    let transport = match socket {
        Some(socket) => socket.clone().polled()?,
        None => transport.clone(),
    };
    if let Some(start) = exchange.socket().and_then(|socket| socket.take_start()) {
        start_loop(start);
    }
    let limit = exchange.patience(service).write.limit();
    let mut alone = Alone { service, transport, limit, stalled: None, has_moved: false };
    loop {
        let step = exchange.next_of_socket(work, by);
        match step {
            SocketStep::Run => exchange.run_socket(work, by),
            SocketStep::GoOn => work.time_has_passed(),
            SocketStep::Over { is_cut: true, .. } => {
                work.output.clear();
                return Ok(());
            }
            SocketStep::Over { .. } => {
                while !alone.send_in_time(exchange, work)? {}
                return Ok(());
            }
            SocketStep::Send | SocketStep::Read | SocketStep::Wait => {
                let moved = alone.move_bytes(step, exchange, work);
                work.time_has_passed();
                if let (Err(error), Some(socket)) = (moved, exchange.socket()) {
                    log::debug!("a WebSocket is given up: {error}");
                    socket.cut_off();
                }
            }
        }
    }
}

fn start_loop(start: Box<LoopStart>) {
    let started = thread::Builder::new().name("anthill-websocket".to_owned()).spawn(move || start.run());
    if let Err(error) = started {
        log::error!("a WebSocket is closed: no thread can be had for what owns it: {error}");
    }
}

struct Alone<'a> {
    service: &'a Service,
    transport: Arc<dyn Transport>,
    /// How long the client may take nothing.
    limit: Option<Duration>,
    /// Since when it has taken nothing of what is to be sent.
    stalled: Option<Instant>,
    /// It has taken something since the session was told of that.
    has_moved: bool,
}

impl Alone<'_> {
    fn move_bytes(
        &mut self,
        step: SocketStep,
        exchange: &mut Exchange,
        work: &mut Workspace,
    ) -> io::Result<()> {
        if !self.send_in_time(exchange, work)? || step == SocketStep::Send {
            return Ok(());
        }
        let Some(socket) = exchange.socket() else { return Ok(()) };
        let now = work.moment.millis;
        let input = work.ctx.request.input_mut();
        if step == SocketStep::Read {
            match self.transport.read(input.space(READ_ROOM)) {
                Ok(read) if read.count == 0 => {
                    socket.cut_off();
                    return Ok(());
                }
                Ok(read) => {
                    input.filled(read.count);
                    socket.heard(now);
                    return Ok(());
                }
                Err(error) if is_nothing(&error) => socket.heard_nothing(now),
                Err(error) => return Err(error),
            }
        }
        socket.count();
        // Whatever there is was looked for just now.
        if socket.look() || socket.before_parking(&mut work.output, now) != BeforeParking::Nothing {
            return Ok(());
        }
        if step == SocketStep::Wait || self.transport.blocks() {
            thread::sleep(SLICE);
        } else {
            self.transport.wait(self.transport.awaits(Direction::Read), Some(SLICE))?;
        }
        Ok(())
    }

    /// Sends everything, unless the client takes nothing for a while: false. At the end it has a time for all of it.
    fn send_in_time(&mut self, exchange: &mut Exchange, work: &mut Workspace) -> io::Result<bool> {
        let mut sent = self.send(work);
        work.time_has_passed();
        let now = work.moment.millis;
        // What is not told now is told when it stalls next.
        let has_moved = matches!(sent, Ok(false)) && std::mem::take(&mut self.has_moved);
        let is_late = |socket: &mut SocketSession| socket.is_late_to_take(now, has_moved);
        if matches!(sent, Ok(false)) && exchange.socket().is_some_and(is_late) {
            sent = Err(ErrorKind::TimedOut.into());
        }
        if sent.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut) {
            self.service.counters.slow.readers.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// Sends everything, unless that takes a while: false. However little the client takes at a time, what others do
    /// is seen to in between.
    fn send(&mut self, work: &mut Workspace) -> io::Result<bool> {
        let mut until = None;
        while !work.output.is_empty() {
            match self.transport.write(work.output.slices()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    work.output.advance(count);
                    (self.stalled, self.has_moved) = (None, true);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let now = Instant::now();
                    let slice = until.get_or_insert(now + SLICE).saturating_duration_since(now);
                    if slice.is_zero() {
                        return Ok(false);
                    }
                    let stalled = now.saturating_duration_since(*self.stalled.get_or_insert(now));
                    let left = self.limit.map_or(slice, |limit| limit.saturating_sub(stalled).min(slice));
                    if left.is_zero() {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    let awaited = self.transport.awaits(Direction::Write);
                    if !self.transport.wait(awaited, Some(left))? {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.transport.flush()?;
        Ok(true)
    }
}

/// Whether nothing has come, so that one can read again.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::TimedOut)
}
