//! A connection that asks one thing at a time and waits for it, on the caller's thread.

use super::exchange::Exchange;
use super::wire::Encryption;
use rustls::{ClientConnection, Stream};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Room for an answer, in the beginning.
const ROOM: usize = 1024;

#[derive(Debug)]
pub(super) struct Lone {
    stream: TcpStream,
    session: Option<Box<ClientConnection>>,
    received: Vec<u8>,
}

impl Lone {
    /// Connects; an answer that takes longer than `patience` is none.
    pub(super) fn connect(
        address: SocketAddr,
        encryption: Option<&Encryption>,
        patience: Duration,
    ) -> Result<Self, String> {
        let failed = |error| format!("cannot connect: {error}");
        let mut stream = TcpStream::connect(address).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(patience)).map_err(failed)?;
        let session = encryption.map(|encryption| encryption.agree(&mut stream).map(Box::new));
        Ok(Self { stream, session: session.transpose().map_err(failed)?, received: Vec::new() })
    }

    /// What both ends have agreed upon, if that was asked for.
    pub(super) fn session(&self) -> Option<&ClientConnection> {
        self.session.as_deref()
    }

    pub(super) fn send(&mut self, request: &[u8]) -> Result<(), String> {
        let sent = match &mut self.session {
            None => self.stream.write_all(request),
            Some(session) => Stream::new(&mut **session, &mut self.stream).write_all(request),
        };
        sent.map_err(|error| format!("cannot send: {error}"))
    }

    /// Reads the answer, which must be that of the exchange and nothing more.
    pub(super) fn receive(&mut self, exchange: &Exchange) -> Result<(), String> {
        self.received.resize(ROOM + exchange.content().len(), 0);
        let mut filled = 0;
        loop {
            match self.read(filled) {
                Ok(0) => return Err("closed by the server, or an answer is too long".to_owned()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("a request was not answered: {error}")),
            }
            match exchange.answer_length(&self.received[..filled])? {
                None => {}
                Some(length) if length == filled => return Ok(()),
                Some(_) => return Err("an answer came that nobody asked for".to_owned()),
            }
        }
    }

    fn read(&mut self, filled: usize) -> io::Result<usize> {
        let room = &mut self.received[filled..];
        match &mut self.session {
            None => self.stream.read(room),
            Some(session) => Stream::new(&mut **session, &mut self.stream).read(room),
        }
    }

    /// Says that this was all, as far as that is said at all.
    pub(super) fn end(mut self) {
        if let Some(session) = &mut self.session {
            session.send_close_notify();
            // The server may have gone before.
            let _ = Stream::new(&mut **session, &mut self.stream).flush();
        }
    }

    /// Keeps nothing but the socket: nothing is asked any more.
    pub(super) fn fall_silent(&mut self) {
        self.session = None;
        self.received = Vec::new();
    }
}
