//! Streams of events as clients see them.

use std::io::Read;

use crate::client::Client;

/// The head of a response that is a stream of events.
pub const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\
                    Cache-Control: no-cache\r\n\r\n";

/// The chunk that an event comes in when it comes alone.
pub fn chunk(event: &str) -> String {
    format!("{:x}\r\n{event}\r\n", event.len())
}

/// Adds the next chunk to `text`. False: it was the last.
pub fn next_chunk(client: &Client, text: &mut String) -> bool {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        client.stream().read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim_end(), 16).unwrap();
    let mut chunk = vec![0; size + 2];
    client.stream().read_exact(&mut chunk).unwrap();
    text.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
    size > 0
}
