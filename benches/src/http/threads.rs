//! A thread per connection with blocking reads: no event loop, no pool, and httparse so that it is a server at all.

use super::routes::{self, Chore};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Enough for the requests of the load generator, also pipelined; a head that does not fit ends the connection.
const BUFFER: usize = 16 * 1024;

pub(super) fn serve(listener: &TcpListener) -> Result<(), Box<dyn Error>> {
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        // An error is the end of that connection; the load generator notices one that was not its own doing.
        thread::Builder::new().stack_size(128 * 1024).spawn(move || drop(converse(stream)))?;
    }
}

fn converse(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    let mut answers = Vec::new();
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let mut taken = 0;
        while let Some((head, body)) = answer(&buffer[taken..filled])? {
            taken += head;
            let (kind, length) = (routes::CONTENT_TYPE, body.len());
            write!(
                answers,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n\r\n{body}"
            )?;
        }
        stream.write_all(&answers)?;
        answers.clear();
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
    }
}

/// The length of the first request and the body of its answer; none while it is incomplete.
fn answer(bytes: &[u8]) -> io::Result<Option<(usize, String)>> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(bytes).map_err(io::Error::other)?;
    let (httparse::Status::Complete(length), Some(target)) = (parsed, request.path) else {
        return Ok(None);
    };
    let body = match target.split_once('?') {
        Some((path, query)) => {
            let chore = Chore::of(path, query).ok_or_else(|| io::Error::other("no such route"))?;
            chore.run()
        }
        None => routes::HELLO.to_owned(),
    };
    Ok(Some((length, body)))
}
