//! Many things, each of which is asked for once: what nobody has asked for before.

use super::exchange::Exchange;
use super::lone::Lone;
use super::{DRAIN, Load, MEASURE, Measured, Stage, answered, joined, pace, paces};
use crate::cpu::CpuTime;
use crate::http::ServerProcess;
use crate::latency::Histogram;
use crate::machine;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// Asks for each of the load's exchanges once, on as many connections as the load has, each with a thread of its own
/// that takes what nobody has taken; `prepare` is called when all of them are there. What is asked beside it at a
/// steady pace begins before it and ends after it. Latencies are those of all exchanges together.
///
/// # Errors
/// When any answer was wrong, late or missing, or a connection failed.
pub fn sweep(
    load: &Load,
    server: &mut ServerProcess,
    prepare: impl FnOnce() -> Result<(), String>,
) -> Result<Measured, String> {
    let lost = |error| format!("the server's figures are unknown: {error}");
    let (address, stage, next) = (server.address(), &Stage::new(), &AtomicUsize::new(0));
    let connections = (0..load.connections)
        .map(|_| Lone::connect(address, load.encryption.as_ref(), load.patience))
        .collect::<Result<Vec<_>, _>>()?;
    thread::scope(|scope| {
        let pacers = pace(scope, load, address, stage);
        thread::sleep(load.warm_up);
        let window = prepare().and_then(|()| {
            let server_before = server.cpu_time().map_err(lost)?;
            let client_before = CpuTime::of_this_process();
            let busy_before = machine::busy_time();
            let started = Instant::now();
            stage.enter(MEASURE);
            let askers: Vec<_> = connections
                .into_iter()
                .map(|connection| scope.spawn(move || ask(connection, &load.exchanges, next, address)))
                .collect();
            let mut all = Histogram::new();
            for asker in askers {
                all.merge(&joined(asker)?);
            }
            let elapsed = started.elapsed();
            let client = CpuTime::of_this_process() - client_before;
            let server_threads = server.threads().map_err(lost)?;
            let used = server.cpu_time().map_err(lost)? - server_before;
            let busy = machine::busy_time().zip(busy_before);
            let busy = busy.map(|(after, before)| after.saturating_sub(before));
            Ok(Measured {
                elapsed,
                latency: vec![all],
                server: used,
                client,
                server_threads,
                others: busy.map(|busy| busy.saturating_sub(used.total() + client.total())),
                pace: Default::default(),
            })
        });
        // Also when that failed: what is paced must come to an end either way.
        stage.enter(DRAIN);
        let pace = paces(pacers)?;
        answered(Measured { pace, ..window? })
    })
}

fn ask(
    mut connection: Lone,
    exchanges: &[Exchange],
    next: &AtomicUsize,
    address: SocketAddr,
) -> Result<Histogram, String> {
    let mut took = Histogram::new();
    while let Some(exchange) = exchanges.get(next.fetch_add(1, Ordering::Relaxed)) {
        let request = exchange.request(address);
        let begun = Instant::now();
        connection.send(&request)?;
        connection.receive(exchange)?;
        took.record(begun.elapsed());
    }
    Ok(took)
}
