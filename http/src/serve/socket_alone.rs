//! A WebSocket on a connection that is served by a call of its own: the simplest driver of a session.
//!
//! The idea: what others send is looked for between two waits for the client, which are short. Of a stream that is no
//! socket a read may wait for as long as it likes, and what others send waits with it.

use crate::serve::error::Error;
use crate::serve::exchange::Exchange;
use crate::serve::runner::Runner;
use crate::serve::service::Service;
use crate::serve::stream::BlockingSocket;
use crate::serve::workspace::Workspace;
use crate::sockets::{LoopStart, SocketStep};
use crate::wire::transport::{Direction, Transport};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

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
    let mut alone = Alone { transport, limit: exchange.patience(service).write.limit() };
    loop {
        let step = exchange.next_of_socket(work, by);
        match step {
            SocketStep::Run => exchange.run_socket(work, by),
            SocketStep::Over { is_cut: true, .. } => {
                work.output.clear();
                return Ok(());
            }
            SocketStep::Over { .. } => return Ok(alone.send(work)?),
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

struct Alone {
    transport: Arc<dyn Transport>,
    /// How long the client may take nothing.
    limit: Option<Duration>,
}

impl Alone {
    fn move_bytes(
        &mut self,
        step: SocketStep,
        exchange: &mut Exchange,
        work: &mut Workspace,
    ) -> io::Result<()> {
        self.send(work)?;
        if step == SocketStep::Send {
            return Ok(());
        }
        let Some(socket) = exchange.socket() else { return Ok(()) };
        let now = work.moment.millis;
        let input = work.ctx.request.input_mut();
        if step == SocketStep::Read {
            match self.transport.read(input.space(READ_ROOM)) {
                Ok(read) if read.count == 0 => {
                    socket.input_ended();
                    return Ok(());
                }
                Ok(read) => {
                    input.filled(read.count);
                    socket.heard(now);
                    return Ok(());
                }
                Err(error) if is_nothing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if socket.look() || socket.is_due(&mut work.output, now) {
            return Ok(());
        }
        if step == SocketStep::Wait || self.transport.blocks() {
            thread::sleep(SLICE);
        } else {
            self.transport.wait(self.transport.awaits(Direction::Read), Some(SLICE))?;
        }
        Ok(())
    }

    /// Sends everything.
    fn send(&mut self, work: &mut Workspace) -> io::Result<()> {
        while !work.output.is_empty() {
            match self.transport.write(work.output.slices()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => work.output.advance(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let awaited = self.transport.awaits(Direction::Write);
                    if !self.transport.wait(awaited, self.limit)? {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.transport.flush()
    }
}

/// Whether nothing has come, so that one can read again.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::TimedOut)
}
