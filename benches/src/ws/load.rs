//! The load generator of broadcasts: one client that sends, and many on one thread that must all get it.
//!
//! A message is sent, or a batch of them at once; when the last receiver has the last byte of it, the next one goes.
//! What a receiver gets is compared with what it must get, byte by byte; the first that differs, or that does not come,
//! fails the run.

use super::{READY, RECEIVE, SEND};
use crate::cpu::CpuTime;
use crate::http::ServerProcess;
use crate::latency::Histogram;
use crate::machine;
use crate::report::micros;
use mio::{Events, Interest, Poll, Token};
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes of a message.
const MESSAGE_BYTES: usize = 64;

/// The key that all clients send, and its answer.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// How long a batch may take before the run has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to send, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Broadcasts {
    /// Who gets it.
    pub receivers: usize,
    /// Messages that are sent at once.
    pub batch: usize,
    /// Time under load before measuring starts.
    pub warm_up: Duration,
    /// Time measured.
    pub measure: Duration,
}

/// What one run has shown.
#[derive(Debug)]
pub struct Delivered {
    /// The time measured.
    pub elapsed: Duration,
    /// Messages that came to a receiver.
    pub deliveries: u64,
    /// From sending to the last receiver's last byte, for each batch.
    pub latency: Histogram,
    /// CPU time that the server used in that time.
    pub server: CpuTime,
    /// CPU time that the load generator used in that time.
    pub client: CpuTime,
    /// Threads of the server at its end.
    pub threads: usize,
    /// CPU time that everything else on the machine used in that time; none where the kernel does not tell.
    pub others: Option<Duration>,
}

impl Delivered {
    /// Deliveries per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.deliveries as f64 / self.elapsed.as_secs_f64()
    }

    /// CPU time of the server per delivery, in microseconds.
    #[must_use]
    pub fn server_cpu(&self) -> f64 {
        micros(self.server.total()) / self.deliveries as f64
    }

    /// CPU time of the load generator per delivery, in microseconds.
    #[must_use]
    pub fn client_cpu(&self) -> f64 {
        micros(self.client.total()) / self.deliveries as f64
    }

    /// How many cores everything else on the machine kept busy; not a number where the kernel does not tell.
    #[must_use]
    pub fn other_cores(&self) -> f64 {
        self.others.map_or(f64::NAN, |others| others.as_secs_f64() / self.elapsed.as_secs_f64())
    }
}

/// Has a server broadcast.
///
/// # Errors
/// When anything that came was wrong, late or missing, or a connection failed.
pub fn run(load: &Broadcasts, server: &mut ServerProcess) -> Result<Delivered, String> {
    let lost = |error| format!("the server's figures are unknown: {error}");
    let mut audience = Audience::gather(server.address(), load.receivers)?;
    audience.send_for(load.warm_up, load.batch, |_| {})?;
    let server_before = server.cpu_time().map_err(lost)?;
    let client_before = CpuTime::of_this_process();
    let busy_before = machine::busy_time();
    let started = Instant::now();
    let mut latency = Histogram::new();
    audience.send_for(load.measure, load.batch, |took| latency.record(took))?;
    let elapsed = started.elapsed();
    let client = CpuTime::of_this_process() - client_before;
    let used = server.cpu_time().map_err(lost)? - server_before;
    let busy = machine::busy_time().zip(busy_before).map(|(after, before)| after.saturating_sub(before));
    Ok(Delivered {
        elapsed,
        deliveries: latency.count() * (load.batch * load.receivers) as u64,
        latency,
        server: used,
        client,
        threads: server.threads().map_err(lost)?,
        others: busy.map(|busy| busy.saturating_sub(used.total() + client.total())),
    })
}

/// The receivers, and who sends.
struct Audience {
    poll: Poll,
    receivers: Vec<Receiver>,
    speaker: TcpStream,
    /// The next message's number.
    next: u64,
}

struct Receiver {
    stream: mio::net::TcpStream,
    /// How many bytes of the batch have come.
    received: usize,
}

impl Audience {
    fn gather(address: SocketAddr, count: usize) -> Result<Self, String> {
        let poll = Poll::new().map_err(|error| format!("cannot wait for events: {error}"))?;
        let mut receivers = Vec::with_capacity(count);
        for number in 0..count {
            let mut stream = open(address, RECEIVE)?;
            expect(&mut stream, &frame(READY.as_bytes(), None))?;
            stream.set_nonblocking(true).map_err(failed)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE).map_err(failed)?;
            receivers.push(Receiver { stream, received: 0 });
        }
        Ok(Self { poll, receivers, speaker: open(address, SEND)?, next: 0 })
    }

    /// Sends one batch after the other until the time is up, and tells how long each took.
    fn send_for(
        &mut self,
        time: Duration,
        batch: usize,
        mut took: impl FnMut(Duration),
    ) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < time {
            took(self.send(batch)?);
        }
        Ok(())
    }

    fn send(&mut self, batch: usize) -> Result<Duration, String> {
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..batch {
            let mut text = String::with_capacity(MESSAGE_BYTES);
            // A string takes everything.
            let _ = write!(text, "{:064}", self.next);
            self.next += 1;
            sent.extend(frame(text.as_bytes(), Some([1, 2, 3, 4])));
            expected.extend(frame(text.as_bytes(), None));
        }
        let started = Instant::now();
        self.speaker.write_all(&sent).map_err(failed)?;
        self.receive(&expected, started)?;
        Ok(started.elapsed())
    }

    /// Waits until all have what they are to have.
    fn receive(&mut self, expected: &[u8], started: Instant) -> Result<(), String> {
        let mut events = Events::with_capacity(1024);
        let mut missing = self.receivers.len();
        while missing > 0 {
            if started.elapsed() > PATIENCE {
                return Err(format!("{missing} receivers did not get a message within {PATIENCE:?}"));
            }
            match self.poll.poll(&mut events, Some(Duration::from_millis(50))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result.map_err(failed)?,
            }
            for event in &events {
                let receiver = &mut self.receivers[event.token().0];
                let was_complete = receiver.received == expected.len();
                receiver
                    .read(expected)
                    .map_err(|reason| format!("receiver {}: {reason}", event.token().0))?;
                missing -= usize::from(!was_complete && receiver.received == expected.len());
            }
        }
        for receiver in &mut self.receivers {
            receiver.received = 0;
        }
        Ok(())
    }
}

impl Receiver {
    /// Reads until the socket is drained, and compares.
    fn read(&mut self, expected: &[u8]) -> Result<(), String> {
        let mut room = [0; 8 * 1024];
        loop {
            let read = match self.stream.read(&mut room) {
                Ok(0) => return Err("closed by the server".to_owned()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            if !expected[self.received..].starts_with(&room[..read]) {
                return Err(format!("{:?} came", String::from_utf8_lossy(&room[..read.min(200)])));
            }
            self.received += read;
            // Less than there was room for: the socket is drained, and edge-triggered readiness tells of more.
            if read < room.len() {
                return Ok(());
            }
        }
    }
}

/// A WebSocket on which nothing was sent yet.
fn open(address: SocketAddr, path: &str) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(failed)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    if head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT) {
        Ok(stream)
    } else {
        Err(format!("no WebSocket was opened: {head:?}"))
    }
}

fn expect(stream: &mut TcpStream, expected: &[u8]) -> Result<(), String> {
    let mut found = vec![0; expected.len()];
    stream.read_exact(&mut found).map_err(failed)?;
    if found == expected { Ok(()) } else { Err(format!("{found:?} came instead of {expected:?}")) }
}

/// A text of at most 125 bytes.
fn frame(text: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = vec![0x81, text.len() as u8];
    match key {
        None => bytes.extend(text),
        Some(key) => {
            bytes[1] |= 0x80;
            bytes.extend(key);
            bytes.extend(text.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
    }
    bytes
}

fn failed(error: std::io::Error) -> String {
    format!("a connection failed: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Two receivers and a speaker of a server that sends each receiver what `answer` makes of a message; it closes
    /// where that is nothing.
    fn against(answer: impl Fn(Vec<u8>) -> Vec<u8> + Send + 'static) -> Result<Duration, String> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = thread::spawn(move || {
            let mut receivers = Vec::new();
            let mut speaker = None;
            for number in 0..3 {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut head = [0; 1024];
                let _ = stream.read(&mut head);
                let _ = write!(stream, "HTTP/1.1 101 S\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n");
                if number < 2 {
                    let _ = stream.write_all(&frame(READY.as_bytes(), None));
                    receivers.push(stream);
                } else {
                    speaker = Some(stream);
                }
            }
            let mut message = [0; 6 + MESSAGE_BYTES];
            if speaker.expect("the third").read_exact(&mut message).is_ok() {
                let text: Vec<u8> = message[6..]
                    .iter()
                    .zip(message[2..6].iter().cycle())
                    .map(|(byte, key)| byte ^ key)
                    .collect();
                let bytes = answer(frame(&text, None));
                for receiver in &mut receivers {
                    let _ = receiver.write_all(&bytes);
                }
                if bytes.is_empty() {
                    receivers.clear();
                }
            }
            receivers
        });
        let outcome = Audience::gather(address, 2)?.send(1);
        drop(server.join());
        outcome
    }

    #[test]
    fn right_messages_are_counted() {
        assert!(against(|bytes| bytes).is_ok());
    }

    #[test]
    fn wrong_messages_fail_the_run() {
        let changed = |mut bytes: Vec<u8>| {
            bytes[10] ^= 1;
            bytes
        };
        assert!(against(changed).expect_err("a byte is wrong").contains("came"));
        assert!(against(|bytes| bytes.repeat(2)).expect_err("twice").contains("came"));
        assert!(against(|_| Vec::new()).expect_err("closed").contains("closed"));
    }
}
