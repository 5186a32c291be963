//! One keep-alive connection of the load generator: what was asked on it and not answered yet, in order, and the check
//! of every answer against its question.

use super::coded;
use super::exchange::{Exchange, wrong_body};
use super::wire::{Encryption, Wire};
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const BUFFER: usize = 32 * 1024;

pub(super) struct Connection {
    number: usize,
    wire: Wire,
    waiting: VecDeque<(usize, Instant)>,
    unsent: Vec<u8>,
    received: Box<[u8]>,
    filled: usize,
    /// What is to come of the answer under way, once its head was there.
    missing: Option<&'static [u8]>,
    /// What was right in a coding the last time.
    packed: Vec<u8>,
    greeted: bool,
}

impl Connection {
    pub(super) fn open(
        address: SocketAddr,
        encryption: Option<&Encryption>,
        number: usize,
    ) -> io::Result<Self> {
        Ok(Self {
            number,
            wire: Wire::open(address, encryption)?,
            waiting: VecDeque::new(),
            unsent: Vec::new(),
            received: vec![0; BUFFER].into_boxed_slice(),
            filled: 0,
            missing: None,
            packed: Vec::new(),
            greeted: false,
        })
    }

    pub(super) fn source(&mut self) -> &mut TcpStream {
        self.wire.source()
    }

    /// Nothing was asked that is not answered.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True once: when asked after the first batch was answered.
    pub(super) fn is_first_batch(&mut self) -> bool {
        !std::mem::replace(&mut self.greeted, true)
    }

    /// When the oldest unanswered request was sent.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.waiting.front().map(|&(_, sent)| sent)
    }

    /// Adds a request to the next batch.
    pub(super) fn queue(&mut self, kind: usize, request: &[u8], now: Instant) {
        self.unsent.extend_from_slice(request);
        self.waiting.push_back((kind, now));
    }

    /// Sends the batch, as far as the socket takes it; the rest goes when it is writable again.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        while !self.unsent.is_empty() {
            match self.wire.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&format!("cannot send: {error}"))),
            }
        }
        Ok(())
    }

    /// Reads until the socket is drained and checks the answers; `answered` is told each one's kind and how long it
    /// took. Returns the time it took for now.
    pub(super) fn receive(
        &mut self,
        exchanges: &[Exchange],
        mut answered: impl FnMut(usize, Duration),
    ) -> Result<Instant, String> {
        self.flush()?;
        loop {
            let room = self.received.len() - self.filled;
            let read = match self.wire.read(&mut self.received[self.filled..]) {
                Ok(0) => return Err(self.failed("closed by the server")),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Instant::now()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failed(&format!("cannot receive: {error}"))),
            };
            self.filled += read;
            let now = Instant::now();
            self.check(exchanges, |kind, sent| answered(kind, now - sent))?;
            // Less than there was room for: the socket is drained, and edge-triggered readiness tells of more.
            if read < room && self.wire.is_drained_by_less() {
                return Ok(now);
            }
        }
    }

    /// Takes what was received out of the buffer, as far as it says what it must.
    fn check(
        &mut self,
        exchanges: &[Exchange],
        mut answered: impl FnMut(usize, Instant),
    ) -> Result<(), String> {
        let mut taken = 0;
        while taken < self.filled || self.missing.is_some_and(<[u8]>::is_empty) {
            let bytes = &self.received[taken..self.filled];
            let Some(&(kind, sent)) = self.waiting.front() else {
                return Err(self.failed("an answer came that nobody asked for"));
            };
            if exchanges[kind].is_coded() {
                match coded::answer(&exchanges[kind], bytes, &mut self.packed) {
                    Ok(Some(answer)) => {
                        taken += answer.length;
                        self.waiting.pop_front();
                        answered(kind, sent);
                    }
                    Ok(None) if bytes.len() == self.received.len() => {
                        return Err(self.failed("an answer in a coding does not fit into the buffer"));
                    }
                    Ok(None) => break,
                    Err(reason) => return Err(self.failed(&reason)),
                }
                continue;
            }
            let Some(missing) = self.missing else {
                match exchanges[kind].head_length(bytes) {
                    Ok(Some(length)) => {
                        taken += length;
                        self.missing = Some(exchanges[kind].content());
                    }
                    Ok(None) if bytes.len() == self.received.len() => {
                        return Err(self.failed("an answer's head does not fit into the buffer"));
                    }
                    Ok(None) => break,
                    Err(reason) => return Err(self.failed(&reason)),
                }
                continue;
            };
            let here = missing.len().min(bytes.len());
            if bytes[..here] != missing[..here] {
                return Err(self.failed(&wrong_body(bytes)));
            }
            taken += here;
            self.missing = Some(&missing[here..]).filter(|missing| !missing.is_empty());
            if self.missing.is_none() {
                self.waiting.pop_front();
                answered(kind, sent);
            }
        }
        self.received.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        Ok(())
    }

    fn failed(&self, reason: &str) -> String {
        format!("connection {}: {reason}", self.number)
    }
}
