//! A connection that asks one thing at a time and waits for it, on the caller's thread.

use super::Exchange;
use super::connection::answer_length;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Room for an answer; longer ones are not asked for.
const ROOM: usize = 1024;

#[derive(Debug)]
pub(super) struct Lone(TcpStream);

impl Lone {
    /// Connects; an answer that takes longer than `patience` is none.
    pub(super) fn connect(address: SocketAddr, patience: Duration) -> Result<Self, String> {
        let failed = |error| format!("cannot connect: {error}");
        let stream = TcpStream::connect(address).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(patience)).map_err(failed)?;
        Ok(Self(stream))
    }

    pub(super) fn send(&mut self, request: &[u8]) -> Result<(), String> {
        self.0.write_all(request).map_err(|error| format!("cannot send: {error}"))
    }

    /// Reads the answer, which must be that of the exchange and nothing more.
    pub(super) fn receive(&mut self, exchange: &Exchange) -> Result<(), String> {
        let mut received = [0; ROOM];
        let mut filled = 0;
        loop {
            match self.0.read(&mut received[filled..]) {
                Ok(0) => return Err("closed by the server, or an answer is too long".to_owned()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("a request was not answered: {error}")),
            }
            match answer_length(&received[..filled], exchange.body.as_bytes())? {
                None => {}
                Some(length) if length == filled => return Ok(()),
                Some(_) => return Err("an answer came that nobody asked for".to_owned()),
            }
        }
    }
}
