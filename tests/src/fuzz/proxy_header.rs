//! The header of the PROXY protocol: who is named by it is who the handler sees, and bytes that are no header are never
//! taken for a request, however they come.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex};

use anthill_http::{ConnOptions, RequestCtx, Server};

use super::plan::{Plan, shown};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// Where the connection itself comes from, and goes to.
const OWN: [&str; 2] = ["192.0.2.1:1", "192.0.2.2:2"];

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::new(tell).expect("the defaults"));

fn tell(ctx: &mut RequestCtx) {
    let conn = ctx.conn();
    ctx.set_body(show(conn.remote_addr(), conn.local_addr(), conn.is_tls()));
}

fn show(client: Option<SocketAddr>, server: Option<SocketAddr>, is_tls: bool) -> String {
    format!("{client:?} {server:?} {is_tls}")
}

pub(super) fn check(data: &[u8]) {
    let (mut plan, header) = Plan::split(data);
    let bytes = [header, REQUEST].concat();
    let sizes = [bytes.len(), 1, usize::from(plan.byte()).max(1)];
    let expected = judge(&bytes);
    for size in sizes {
        let sent = serve(&bytes, size);
        match &expected {
            None => assert!(sent.is_empty(), "something is answered to what is no header: {}", shown(&bytes)),
            Some((length, told)) if *length == header.len() => {
                let end = format!("\r\n\r\n{told}");
                assert!(
                    sent.starts_with("HTTP/1.1 200 OK\r\n") && sent.ends_with(&end),
                    "{sent:?}, not {told:?}"
                );
            }
            // What follows is a request or not.
            Some(_) => assert!(sent.is_empty() || sent.starts_with("HTTP/1.1 "), "{sent:?}"),
        }
    }
}

/// What is sent when `bytes` come in pieces of this size.
fn serve(bytes: &[u8], size: usize) -> String {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let stream = Pieces { rest: bytes.to_vec(), size, sent: sent.clone() };
    let [client, server] = OWN.map(|address| address.parse().expect("an address"));
    let options = ConnOptions::new().remote_addr(client).local_addr(server).proxy_protocol(true);
    let _ = SERVER.serve_conn_with(stream, options);
    let sent = sent.lock().expect("nobody panics");
    String::from_utf8_lossy(&sent).into_owned()
}

struct Pieces {
    rest: Vec<u8>,
    size: usize,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Read for Pieces {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.rest.len().min(self.size).min(room.len());
        room[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.lock().expect("nobody panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The length of the header, and what the handler has to see. `None`: there is none.
fn judge(bytes: &[u8]) -> Option<(usize, String)> {
    let [client, server] = OWN.map(|address| address.parse().ok());
    let (length, named) = if bytes.starts_with(b"PROXY ") { text(bytes)? } else { binary(bytes)? };
    let (client, server, is_tls) = named.unwrap_or((client, server, false));
    Some((length, show(client, server, is_tls)))
}

type Named = (Option<SocketAddr>, Option<SocketAddr>, bool);

fn text(bytes: &[u8]) -> Option<(usize, Option<Named>)> {
    let end = bytes.iter().take(107).position(|byte| *byte == b'\n')?;
    let line = bytes[..end].strip_suffix(b"\r")?;
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split(' ').collect();
    let port = |word: &str| {
        let number: u32 = word.parse().ok()?;
        (number.to_string() == word).then_some(u16::try_from(number).ok()?)
    };
    let named = match words[..] {
        [_, "UNKNOWN", ..] => None,
        [_, "TCP4", client, server, from, to] => {
            let client: Ipv4Addr = client.parse().ok()?;
            let server: Ipv4Addr = server.parse().ok()?;
            Some((Some((client, port(from)?).into()), Some((server, port(to)?).into()), false))
        }
        [_, "TCP6", client, server, from, to] => {
            let client: Ipv6Addr = client.parse().ok()?;
            let server: Ipv6Addr = server.parse().ok()?;
            Some((Some((client, port(from)?).into()), Some((server, port(to)?).into()), false))
        }
        _ => return None,
    };
    Some((end + 1, named))
}

fn binary(bytes: &[u8]) -> Option<(usize, Option<Named>)> {
    let rest = bytes.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n")?;
    let [command, family, high, low, ..] = *rest else { return None };
    let length = 16 + usize::from(high) * 256 + usize::from(low);
    if length > 16 * 1024 || length > bytes.len() {
        return None;
    }
    let header = &bytes[..length];
    let (sizes, is_named) = match (command, family) {
        (0x20, _) | (0x21, 0x00) => (0, false),
        (0x21, 0x11 | 0x12) => (4, true),
        (0x21, 0x21 | 0x22) => (16, true),
        (0x21, 0x31 | 0x32) => (108, true),
        _ => return None,
    };
    if !is_named {
        return Some((length, None));
    }
    let from = header.get(16..16 + sizes)?;
    let to = header.get(16 + sizes..16 + 2 * sizes)?;
    let mut at = 16 + 2 * sizes;
    let (mut client, mut server) = (None, None);
    if sizes < 108 {
        let ports = header.get(at..at + 4)?;
        at += 4;
        client = Some(address(from, &ports[..2]));
        server = Some(address(to, &ports[2..]));
    }
    let is_tls = extensions(header, at)?;
    Some((length, Some((client, server, is_tls))))
}

fn address(ip: &[u8], port: &[u8]) -> SocketAddr {
    let port = u16::from(port[0]) << 8 | u16::from(port[1]);
    match ip.len() {
        4 => (<[u8; 4]>::try_from(ip).expect("four"), port).into(),
        _ => (<[u8; 16]>::try_from(ip).expect("sixteen"), port).into(),
    }
}

/// Whether one of the extensions says that the client came by TLS. `None`: something is wrong with them.
fn extensions(header: &[u8], mut at: usize) -> Option<bool> {
    let (mut is_tls, mut sums) = (false, 0);
    while at < header.len() {
        let length = usize::from(*header.get(at + 1)?) * 256 + usize::from(*header.get(at + 2)?);
        let value = header.get(at + 3..at + 3 + length)?;
        match header[at] {
            3 => {
                let mut zeroed = header.to_vec();
                zeroed.get_mut(at + 3..at + 7)?.fill(0);
                sums += 1;
                if length != 4 || sums > 1 || value != crc32c(&zeroed).to_be_bytes() {
                    return None;
                }
            }
            0x20 if length < 5 => return None,
            0x20 => is_tls |= value[0] % 2 == 1,
            _ => {}
        }
        at += 3 + length;
    }
    Some(is_tls)
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum % 2 == 1 { (sum / 2) ^ 0x82f6_3b78 } else { sum / 2 };
        }
    }
    !sum
}
