//! tiny_http as its documentation has it for several threads: all of them take requests from one server. As many as
//! wait at once in the load's worst case, so that none waits for another.

use super::routes::{self, Chore};
use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use tiny_http::{Header, Request, Response, Server};

/// Those who take requests; as many as the load has connections at the most.
const TAKERS: usize = 256;

pub(super) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let server = Arc::new(Server::from_listener(listener, None).map_err(|error| error.to_string())?);
    let take = |server: Arc<Server>| move || server.incoming_requests().try_for_each(answer);
    let takers: io::Result<Vec<_>> = (0..TAKERS)
        .map(|_| thread::Builder::new().stack_size(128 * 1024).spawn(take(server.clone())))
        .collect();
    for taker in takers? {
        taker.join().map_err(|_| "a thread has panicked")??;
    }
    Ok(())
}

fn answer(request: Request) -> io::Result<()> {
    let body = match request.url().split_once('?') {
        Some((path, query)) => Chore::of(path, query).ok_or_else(|| io::Error::other("no such route"))?.run(),
        None => routes::HELLO.to_owned(),
    };
    let kind = Header::from_bytes("Content-Type", routes::CONTENT_TYPE).expect("it is one");
    // A client that has gone is no reason to end.
    let _ = request.respond(Response::from_string(body).with_header(kind));
    Ok(())
}
