//! The limit of a thread per connection: what the kernel costs when the server does nothing but sleep. One read, the
//! number behind `us=`, the sleep, one write; it does not parse, knows nothing of requests that arrive in pieces or
//! together, and must never be used for anything else.

use super::routes::{self, Chore};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// What the load generator sends for the fast route.
const FAST: &[u8] = b"GET / ";

pub(super) fn serve(listener: &TcpListener) -> Result<(), Box<dyn Error>> {
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        // An error is the end of that connection; the load generator notices one that was not its own doing.
        thread::Builder::new().stack_size(128 * 1024).spawn(move || drop(converse(stream)))?;
    }
}

fn converse(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        let body = match &buffer[..read] {
            request if request.starts_with(FAST) => routes::HELLO.to_owned(),
            request => chore(request).ok_or_else(|| io::Error::other("not from the load generator"))?.run(),
        };
        let (kind, length) = (routes::CONTENT_TYPE, body.len());
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes())?;
    }
}

fn chore(request: &[u8]) -> Option<Chore> {
    let line = request.strip_prefix(b"GET ")?;
    let target = std::str::from_utf8(&line[..line.iter().position(|&byte| byte == b' ')?]).ok()?;
    let (path, query) = target.split_once('?')?;
    Chore::of(path, query)
}
