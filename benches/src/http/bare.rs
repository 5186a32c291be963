//! The limit: what the kernel costs when the server does nothing. It counts blank lines and sends a canned answer for
//! each, one read and one write per batch; it does not parse, cannot be wrong about a request, and must never be used
//! for anything else.

use super::{LANES, routes, spread};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

const WAKE: Token = Token(usize::MAX);

pub(super) fn serve(listener: &TcpListener) -> Result<(), Box<dyn Error>> {
    let mut lanes = Vec::new();
    for _ in 0..LANES {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (give, given) = channel();
        thread::spawn(move || drive(poll, &given));
        lanes.push(move |stream| {
            let handed = give.send(TcpStream::from_std(stream)).is_ok() && waker.wake().is_ok();
            assert!(handed, "a lane of the bare server has ended");
        });
    }
    match spread::accept_in_turn(listener, &lanes)? {}
}

fn drive(mut poll: Poll, given: &Receiver<TcpStream>) {
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = Events::with_capacity(256);
    let mut buffer = vec![0; 16 * 1024];
    let answer = canned_answer();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result.expect("waiting for events works"),
        }
        for event in &events {
            if event.token() == WAKE {
                for mut stream in given.try_iter() {
                    let token = Token(connections.len());
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, token, interest).expect("registering works");
                    connections.push(Some(Connection { stream, line_is_blank: false, unsent: Vec::new() }));
                }
                continue;
            }
            let slot = &mut connections[event.token().0];
            let alive =
                slot.as_mut().is_some_and(|connection| connection.answer(&mut buffer, &answer).is_ok());
            if !alive {
                *slot = None;
            }
        }
    }
}

fn canned_answer() -> Vec<u8> {
    let (kind, body) = (routes::CONTENT_TYPE, routes::HELLO);
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n\r\n{body}").into_bytes()
}

struct Connection {
    stream: TcpStream,
    /// Nothing but a carriage return was seen since the last line feed.
    line_is_blank: bool,
    unsent: Vec<u8>,
}

impl Connection {
    /// Reads what is there and answers it; an error ends the connection.
    fn answer(&mut self, buffer: &mut [u8], answer: &[u8]) -> io::Result<()> {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.send(),
                Err(error) => return Err(error),
            };
            for _ in 0..self.blank_lines(&buffer[..read]) {
                self.unsent.extend_from_slice(answer);
            }
            self.send()?;
            // Less than there was room for: the socket is drained, and edge-triggered readiness tells of more.
            if read < buffer.len() {
                return Ok(());
            }
        }
    }

    fn blank_lines(&mut self, bytes: &[u8]) -> usize {
        let mut count = 0;
        for byte in bytes {
            match byte {
                b'\n' => {
                    count += usize::from(self.line_is_blank);
                    self.line_is_blank = true;
                }
                b'\r' => {}
                _ => self.line_is_blank = false,
            }
        }
        count
    }

    fn send(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
