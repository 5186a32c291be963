//! Parking, and what is looked at on that occasion: whether a connection is better off on another shard.
//!
//! Connections are placed when they come in, and it is only later that some of them turn out to work all the time. So a
//! connection that is parked between two requests, for the first time in a period, compares its shard with another one,
//! a different one in each period, and moves there if that shard has clearly fewer busy connections. Whoever moves is
//! counted there at once, so connections that compare after it see what it has changed. Moving costs three calls, and
//! nothing on the way of a request but this look, once in a period.

use std::sync::Arc;

use crate::engine::Engine;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::Millis;
use crate::engine::shard::load::{Period, is_clearly_lighter};
use crate::engine::shard::{Moved, Shard};

/// Parks a connection after a turn that ended at `now`, on its shard or on another one. `Err`: something was reported
/// meanwhile, serve it again.
pub(crate) fn park(
    engine: &Engine,
    shard: &Shard,
    mut conn: Box<Conn>,
    now: Millis,
) -> Result<(), Box<Conn>> {
    let service = &*engine.service;
    if shard.note_busy(&mut conn, now) {
        if let Some(other) = better_shard(engine, shard, now) {
            match shard.move_to(other, conn, now, service) {
                Moved::ToOther => return Ok(()),
                Moved::Not(stays) => conn = stays,
                Moved::Broken(conn) => {
                    engine.close(shard, conn);
                    return Ok(());
                }
            }
        }
    }
    shard.park(conn, now, service)
}

/// The shard that this one's connections compare it with in this period, if it is to be preferred.
fn better_shard<'a>(engine: &'a Engine, shard: &Shard, now: Millis) -> Option<&'a Arc<Shard>> {
    let shards = &engine.shards;
    let turn = Period::at(now).number();
    let other = (turn..turn + 2)
        .map(|turn| &shards[turn % shards.len()])
        .find(|other| !std::ptr::eq(&***other, shard))?;
    is_clearly_lighter(other.load(now), shard.load(now)).then_some(other)
}

#[cfg(test)]
mod tests {
    use crate::config::options::ServerBuilder;
    use crate::ctx::{ConnInfo, RequestCtx};
    use crate::engine::Engine;
    use crate::engine::shard::clock::ConnClock;
    use crate::engine::shard::deadlines::NEVER;
    use crate::engine::socket::Socket;
    use crate::serve::service::Service;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

    fn ask(client: &mut TcpStream) {
        client.write_all(REQUEST).expect("the server reads");
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\nserved") {
            let mut room = [0; 512];
            let count = client.read(&mut room).expect("the server answers");
            assert!(count > 0, "the connection was closed");
            response.extend_from_slice(&room[..count]);
        }
    }

    /// Two connections that work are on one shard, and one that is silent on the other: one of the two moves, and is
    /// served as before.
    #[test]
    fn two_busy_connections_do_not_stay_on_one_shard() {
        let settings = ServerBuilder::default().shards(2).resolve().expect("options that go together");
        let handler = |ctx: &mut RequestCtx| ctx.set_body("served");
        let engine = Engine::start(Arc::new(Service::new(settings, Box::new(handler))));
        let engine = engine.expect("threads and pollers");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut clients: Vec<_> = [1, 0, 0]
            .map(|shard: usize| {
                let client =
                    TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
                client.set_read_timeout(Some(Duration::from_secs(30))).expect("an option of every socket");
                let socket = listener.accept().expect("the client is there").0;
                socket.set_nonblocking(true).expect("an option of every socket");
                let socket = Arc::new(Socket::tcp(mio::net::TcpStream::from_std(socket)));
                engine.admission.admit(None).expect("there are few");
                let clock = ConnClock::new(engine.clock.millis(), NEVER);
                engine.shards[shard].add(socket, ConnInfo::default(), clock).expect("it is taken in");
                client
            })
            .into();
        let connections =
            || [0, 1].map(|shard: usize| engine.shards[shard].load(engine.clock.millis()).connections);
        assert_eq!(connections(), [2, 1]);

        let mut silent = clients.remove(0);
        let begun = Instant::now();
        while connections() != [1, 2] {
            assert!(begun.elapsed() < Duration::from_secs(30), "none has moved: {:?}", connections());
            clients.iter_mut().for_each(ask);
        }
        for _ in 0..100 {
            clients.iter_mut().for_each(ask);
        }
        assert_eq!(connections(), [1, 2], "one is enough");
        ask(&mut silent);
        // Each is counted, whichever shard it was on.
        drop((clients, silent));
        let begun = Instant::now();
        while engine.open_connections() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "a connection is lost");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(connections(), [0, 0]);
        engine.stop();
        assert!(engine.wait_ended(None));
    }
}
