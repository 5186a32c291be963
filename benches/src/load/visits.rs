//! Clients who come, ask once and go: what they ask for costs less than to get there.

use super::exchange::Exchange;
use super::lone::Lone;
use super::wire::Encryption;
use super::{DRAIN, Load, MEASURE, Measured, Stage, answered, joined, observe, pace, paces};
use crate::http::ServerProcess;
use crate::latency::Histogram;
use rustls::HandshakeKind;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

/// How visitors come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coming {
    /// As strangers, with a whole handshake each time.
    Anew,
    /// Back to the session of the time before, except for the first time.
    Back,
}

/// Puts a server under the load of as many visitors as the load has connections, each on a thread of its own, who come
/// again and again for the first exchange. What is counted is visits, from connecting to the right answer.
///
/// # Errors
/// When any answer was wrong, late or missing, a connection failed, somebody was not known any more, or nothing was
/// answered in the time measured.
pub fn visit(load: &Load, coming: Coming, server: &mut ServerProcess) -> Result<Measured, String> {
    let (address, stage) = (server.address(), &Stage::new());
    let exchange = load.exchanges.first().ok_or("nothing is asked for")?;
    thread::scope(|scope| {
        let visitors: Vec<_> = (0..load.connections)
            .map(|_| scope.spawn(move || come_and_go(load, exchange, coming, address, stage)))
            .collect();
        let pacers = pace(scope, load, address, stage);
        let window = observe(load, server, stage);
        // Also when observing failed: the visitors must come to an end either way.
        stage.enter(DRAIN);
        let mut all = Histogram::new();
        for visitor in visitors {
            all.merge(&joined(visitor)?);
        }
        let pace = paces(pacers)?;
        answered(Measured { latency: vec![all], pace, ..window? })
    })
}

fn come_and_go(
    load: &Load,
    exchange: &Exchange,
    coming: Coming,
    address: SocketAddr,
    stage: &Stage,
) -> Result<Histogram, String> {
    let (mut took, mut is_first) = (Histogram::new(), true);
    let request = exchange.request(address);
    // Sessions of one visitor: those of several would be used up by whoever comes first.
    let encryption = Encryption::new(coming == Coming::Back);
    loop {
        let phase = stage.phase();
        if phase == DRAIN {
            return Ok(took);
        }
        let begun = Instant::now();
        let mut visitor = Lone::connect(address, Some(&encryption), load.patience)?;
        visitor.send(&request)?;
        visitor.receive(exchange)?;
        if phase == MEASURE {
            took.record(begun.elapsed());
        }
        let expected = match coming {
            Coming::Back if !is_first => HandshakeKind::Resumed,
            _ => HandshakeKind::Full,
        };
        let kind = visitor.session().and_then(|session| session.handshake_kind());
        if kind != Some(expected) {
            return Err(format!("the handshake was {kind:?} and not {expected:?}"));
        }
        visitor.end();
        if std::mem::take(&mut is_first) {
            stage.answered.fetch_add(1, Ordering::AcqRel);
        }
    }
}
