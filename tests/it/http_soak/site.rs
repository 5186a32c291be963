//! The server, and one client's visit to it.

use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anthill_http::{RequestCtx, ServerBuilder};
use anthill_tests::client::{Client, Reply};
use anthill_tests::server::Running;
use anthill_tests::uploads::{read_by, streaming};
use anthill_tests::{Gate, eventually};

use super::ledger::{Ledger, Stamp};

/// Few, so that a flood holds them all.
pub(super) const WORKERS: usize = 48;

const SHARDS: usize = 2;

/// How long a worker without work stays; short, as its leaving is waited for.
pub(super) const WORKER_STAYS: Duration = Duration::from_millis(500);

/// What the server and the clients share.
#[derive(Debug)]
struct Shared {
    ledger: Ledger,
    gate: Mutex<Gate>,
    held: AtomicUsize,
    connections: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Site {
    running: Running,
    shared: Arc<Shared>,
}

/// What clients need to know of it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// The server's options. Limits on waiting and on slow clients are at their defaults: no client here may meet them,
/// apart from those of a flood.
fn options() -> ServerBuilder {
    streaming().shards(SHARDS).max_workers(WORKERS).max_idle_worker_duration(WORKER_STAYS)
}

impl Site {
    pub(super) fn open() -> Self {
        let shared = Arc::new(Shared {
            ledger: Ledger::default(),
            gate: Mutex::default(),
            held: AtomicUsize::new(0),
            connections: AtomicU64::new(0),
        });
        let known = shared.clone();
        Site { running: Running::with(options(), move |ctx| answer(&known, ctx)), shared }
    }

    pub(super) fn place(&self) -> Place {
        Place { address: self.running.address(), shared: self.shared.clone() }
    }

    /// Makes the handlers of `/held` wait, until it is opened.
    pub(super) fn close_gate(&self) -> Gate {
        let gate = Gate::new();
        *self.shared.gate.lock().unwrap_or_else(PoisonError::into_inner) = gate.clone();
        gate
    }

    /// How many handlers wait at the gate when no more can.
    pub(super) fn holds_all_workers(&self) {
        let can_be_held = WORKERS - SHARDS;
        eventually("all workers are held", || self.shared.held.load(Ordering::SeqCst) >= can_be_held);
    }

    /// Waits until no connection is left, and asserts that all went well until then.
    pub(super) fn is_at_rest(&self) {
        self.running.reaches("all connections are gone", |stats| stats.open_connections == 0);
        self.shared.ledger.is_clean();
        assert_eq!(self.running.server().stats().panics, 0);
    }
}

fn answer(shared: &Shared, ctx: &mut RequestCtx) {
    let Some((stamp, size)) = Stamp::read(ctx.request.query()) else {
        return ctx.error("no stamp", 400);
    };
    shared.ledger.note(stamp);
    let chance = stamp.connection.wrapping_mul(31).wrapping_add(stamp.place);
    match ctx.path() {
        "/slow" => thread::sleep(Duration::from_micros(100 << (chance % 8))),
        "/compute" => {
            let end = Instant::now() + Duration::from_micros(50 << (chance % 6));
            while Instant::now() < end {
                std::hint::spin_loop();
            }
        }
        "/held" => {
            shared.held.fetch_add(1, Ordering::SeqCst);
            let gate = shared.gate.lock().unwrap_or_else(PoisonError::into_inner).clone();
            gate.pass();
            shared.held.fetch_sub(1, Ordering::SeqCst);
        }
        "/upload" => match read_by(ctx, 4096) {
            Ok(body) if body == stamp.bytes(size) => {}
            Ok(body) => return ctx.error(format!("{} bytes of body are not {stamp}'s", body.len()), 400),
            // Its client has gone.
            Err(error) => return ctx.error(error.to_string(), 400),
        },
        _ => {}
    }
    ctx.response.set_header("Number", stamp.to_string());
    if ctx.path() == "/stream" {
        ctx.response.set_body_writer(move |out| write(out, &stamp.bytes(size)));
    } else {
        ctx.set_body(stamp.bytes(size));
    }
}

/// In pieces, some of which are sent at once.
fn write(out: &mut impl Write, body: &[u8]) -> io::Result<()> {
    for (number, piece) in body.chunks(5000).enumerate() {
        out.write_all(piece)?;
        if number % 3 == 0 {
            out.flush()?;
        }
    }
    Ok(())
}

impl Place {
    pub(super) fn visit(&self) -> Visit {
        let connection = self.shared.connections.fetch_add(1, Ordering::SeqCst);
        self.shared.ledger.open(connection);
        Visit {
            client: Client::connect(self.address),
            last: Stamp { connection, place: 0 },
            place: self.clone(),
        }
    }
}

/// One connection, and what was asked on it.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) client: Client,
    last: Stamp,
    place: Place,
}

/// A request that was made: what has to come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    stamp: Stamp,
    size: usize,
}

impl Asked {
    /// The body that its upload has.
    pub(super) fn body(self) -> Vec<u8> {
        self.stamp.bytes(self.size)
    }
}

impl Visit {
    /// The next request's target, asking for so many bytes, and what has to come back.
    pub(super) fn next(&mut self, path: &str, size: usize) -> (String, Asked) {
        self.last.place += 1;
        (format!("{path}?{}.{size}", self.last), Asked { stamp: self.last, size })
    }

    /// Reads the next answer, which has to be that one's.
    #[track_caller]
    pub(super) fn hear(&mut self, asked: Asked) {
        let reply = self.client.response();
        check(&reply, asked);
    }

    /// Ends the connection. Everything was answered, so everything was handled, once.
    #[track_caller]
    pub(super) fn leave(self) {
        let Stamp { connection, place } = self.last;
        let handled = self.place.shared.ledger.handled(connection);
        assert_eq!(handled, Some(place), "of connection {connection}");
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.place.shared.ledger.close(self.last.connection);
    }
}

#[track_caller]
pub(super) fn check(reply: &Reply, Asked { stamp, size }: Asked) {
    assert_eq!(reply.status, 200, "to {stamp}: {reply:.200?}");
    assert_eq!(reply.field("Number"), Some(stamp.to_string().as_str()));
    assert!(reply.body == stamp.bytes(size), "the body of {stamp} is wrong, {} bytes", reply.body.len());
}
