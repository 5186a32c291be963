//! A few requests a second beside the load: how long the fast route takes while the others block.
//!
//! Each connection has a thread of its own that sleeps until its next request is due. A request that is sent late
//! because the answer before it was, counts from when it was due: a server that stands still for a second must not be
//! asked once and be forgiven for the rest. A thread that merely woke up late counts from sending.

use super::lone::Lone;
use super::{DRAIN, Exchange, Load, MEASURE, Stage};
use crate::latency::Histogram;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// What is asked at a steady pace beside a load.
#[derive(Debug, Clone)]
pub struct Paced {
    /// What to ask, and the answer that is right.
    pub exchange: Exchange,
    /// Connections, each asking in turn.
    pub connections: usize,
    /// Requests per second, all connections together.
    pub per_second: u32,
}

/// How long the paced requests took.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// Those answered in the time measured.
    pub measured: Histogram,
    /// Those answered before, while the load began.
    pub before: Histogram,
}

impl Pace {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.measured.merge(&other.measured);
        self.before.merge(&other.before);
    }
}

/// One connection of it.
pub(super) struct Pacer<'l> {
    connection: Lone,
    request: Vec<u8>,
    exchange: &'l Exchange,
    interval: Duration,
    due: Instant,
    pace: Pace,
}

impl<'l> Pacer<'l> {
    pub(super) fn connect(
        paced: &'l Paced,
        load: &Load,
        address: SocketAddr,
        index: usize,
    ) -> Result<Self, String> {
        let connection = Lone::connect(address, load.encryption.as_ref(), load.patience)?;
        let every = Duration::from_secs(1) / paced.per_second;
        Ok(Self {
            connection,
            request: paced.exchange.request(address),
            exchange: &paced.exchange,
            interval: every * u32::try_from(paced.connections).unwrap_or(u32::MAX),
            due: Instant::now() + every * u32::try_from(index).unwrap_or(0),
            pace: Pace::default(),
        })
    }

    pub(super) fn run(mut self, stage: &Stage) -> Result<Pace, String> {
        let mut answered = self.due;
        while stage.phase() != DRAIN {
            thread::sleep(self.due.saturating_duration_since(Instant::now()));
            let was_late = answered > self.due;
            let from = if was_late { self.due } else { Instant::now() };
            self.connection
                .send(&self.request)
                .and_then(|()| self.connection.receive(self.exchange))
                .map_err(|reason| format!("a paced connection: {reason}"))?;
            answered = Instant::now();
            match stage.phase() {
                MEASURE => self.pace.measured.record(answered - from),
                DRAIN => {}
                _ => self.pace.before.record(answered - from),
            }
            self.due += self.interval;
        }
        Ok(self.pace)
    }
}
