//! A soak: many callers at once, of all kinds of clients, and a server that closes, stalls, resets and lies at random.
//!
//! The idea: each request has a number, which the right response to it says in its head and all over its body. So a
//! response that comes to another request, and a part that is taken for a whole, are found, whatever else happened at
//! the time. What fails is counted and told apart by nobody: that is what the server is for.
//!
//! The rule: nothing has to come by a certain time, but everything ends. Behind the crowd nothing is left: no
//! connection on either side, and, in the process that does nothing else, no thread and no descriptor.

use std::env;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anthill_http::client::{
    CancelToken, Client, ClientError, ClientResponse, HostClient, PipelineClient, SendBody, proxy,
};
use anthill_http::{Request, RunningServer, Server};

/// Set in the process that soaks.
const CHILD: &str = "ANTHILL_CLIENT_SOAK_CHILD";

/// How many callers there are of each kind.
const CALLERS: u64 = 4;

/// Numbers that are as good as chance.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed + 1))
    }

    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }
}

/// The body that belongs to a number: its digits, as often as the number says.
fn body_of(number: u64) -> String {
    let times = match number % 7 {
        0 => 0,
        1 => 20_000,
        rest => rest * 40,
    };
    format!("{number};").repeat(usize::try_from(times).expect("a small number"))
}

/// The server.
struct Liar {
    addr: SocketAddr,
    is_over: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
    accepting: std::thread::JoinHandle<()>,
}

impl Liar {
    /// One that says nothing that was not asked for, if it `counts`: whoever pipelines has to trust it so far.
    fn new(counts: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it listens");
        let (is_over, open) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ends, live) = (is_over.clone(), open.clone());
        let accepting = std::thread::spawn(move || {
            for seed in 0.. {
                let (stream, _) = listener.accept().expect("a client");
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                live.fetch_add(1, Ordering::SeqCst);
                let live = live.clone();
                std::thread::spawn(move || {
                    // What the client does to the connection is its affair.
                    let _ = lie(stream, &mut Dice::new(seed), counts);
                    live.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { addr, is_over, open, accepting }
    }

    /// Ends it, once all its connections have.
    fn end(self) {
        wait_long("the end of the server's connections", || self.open.load(Ordering::SeqCst) == 0);
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.addr).expect("it listens still"));
        self.accepting.join().expect("no panic");
    }
}

/// Reads the next request; its number. `None`: there is none.
fn read_request(stream: &mut TcpStream, kept: &mut Vec<u8>) -> std::io::Result<Option<u64>> {
    let mut room = [0; 16 * 1024];
    let end = loop {
        if let Some(at) = kept.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut room)? {
            0 => return Ok(None),
            count => kept.extend_from_slice(&room[..count]),
        }
    };
    let head = String::from_utf8_lossy(&kept[..end]).into_owned();
    kept.drain(..end);
    let number = head.split(['/', ' ', '?']).find_map(|part| part.parse().ok());
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut left: usize = length.map_or(0, |length| length.parse().expect("a length"));
    let is_chunked = head.contains("Transfer-Encoding: chunked");
    loop {
        if is_chunked {
            if let Some(at) = kept.windows(5).position(|window| window == b"0\r\n\r\n") {
                kept.drain(..at + 5);
                return Ok(number);
            }
        } else {
            let count = left.min(kept.len());
            kept.drain(..count);
            left -= count;
            if left == 0 {
                return Ok(number);
            }
        }
        match stream.read(&mut room)? {
            0 => return Ok(None),
            count => kept.extend_from_slice(&room[..count]),
        }
    }
}

/// Serves one connection, mostly.
fn lie(mut stream: TcpStream, dice: &mut Dice, counts: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut kept = Vec::new();
    while let Some(number) = read_request(&mut stream, &mut kept)? {
        let body = body_of(number);
        let sized =
            format!("HTTP/1.1 200 OK\r\nX-Number: {number}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        match dice.below(24) {
            0 => return Ok(()),
            1 => return reset(&stream),
            2 => say_and_stall(&mut stream, &sized.as_bytes()[..sized.len() / 2])?,
            3 => say_and_stall(&mut stream, b"HTTP/1.1 200 O")?,
            4 => return stream.write_all(&sized.as_bytes()[..sized.len() / 2]),
            5 => {
                stream.write_all(&sized.as_bytes()[..sized.len() / 2])?;
                return reset(&stream);
            }
            6 => return stream.write_all(b"HTTP/1.1 2x0 What\r\nContent-Length: 3\r\n\r\nlie"),
            7 => {
                return stream
                    .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nlie\r\nlie\r\n");
            }
            8 => {
                return stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nlies");
            }
            9 => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
                while stream.write_all(b"X: lie\r\n").is_ok() {}
            }
            10 => stream
                .write_all(format!("HTTP/1.1 103 Early Hints\r\nX-Number: 0\r\n\r\n{sized}").as_bytes())?,
            11 => return stream.write_all(sized.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()),
            12 => {
                let all = sized.replacen(&format!("Content-Length: {}\r\n", body.len()), "", 1);
                stream.write_all(all.as_bytes())?;
                return stream.shutdown(Shutdown::Write);
            }
            13 => say_in_chunks(&mut stream, number, &body, dice)?,
            14 if !counts => stream
                .write_all(format!("{sized}HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nlie").as_bytes())?,
            15 if !counts => {
                // Later, when nobody asks.
                stream.write_all(sized.as_bytes())?;
                std::thread::sleep(Duration::from_millis(dice.below(20)));
                stream.write_all(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 3\r\n\r\nlie")?;
                return Ok(());
            }
            16 => {
                return stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nlie");
            }
            17 => {
                std::thread::sleep(Duration::from_millis(dice.below(60)));
                stream.write_all(sized.as_bytes())?;
            }
            _ => stream.write_all(sized.as_bytes())?,
        }
    }
    Ok(())
}

fn reset(stream: &TcpStream) -> std::io::Result<()> {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// Says that, and then nothing, until the client ends.
fn say_and_stall(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    let mut room = [0; 4096];
    while stream.read(&mut room)? > 0 {}
    Ok(())
}

fn say_in_chunks(stream: &mut TcpStream, number: u64, body: &str, dice: &mut Dice) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Last\r\n";
    stream.write_all(format!("{head}X-Number: {number}\r\n\r\n").as_bytes())?;
    let mut rest = body.as_bytes();
    while !rest.is_empty() {
        let most = usize::try_from(1 + dice.below(50_000)).expect("a small number");
        let (piece, behind) = rest.split_at(most.min(rest.len()));
        stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
        stream.write_all(piece)?;
        stream.write_all(b"\r\n")?;
        rest = behind;
    }
    stream.write_all(format!("0\r\nX-Last: {number}\r\n\r\n").as_bytes())
}

/// What became of the calls.
#[derive(Debug, Default)]
struct Tally {
    whole: AtomicU64,
    left: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    /// Takes what came of a call, and requires that it is what belongs to the number.
    fn take(&self, number: u64, sent: Result<ClientResponse, ClientError>, dice: &mut Dice) {
        let Ok(mut response) = sent else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        // What lies in its body has no such field, and what is no response of the liar's is one of the front's.
        if let Some(said) = response.header_str("X-Number") {
            assert_eq!(
                (response.status_code(), said.parse()),
                (200, Ok(number)),
                "a response of somebody else"
            );
        }
        let is_right = response.header("X-Number").is_some();
        if dice.below(8) == 0 {
            let mut some = vec![0; usize::try_from(dice.below(5000)).expect("a small number")];
            let count = response.read(&mut some).unwrap_or_default();
            assert!(!is_right || body_of(number).as_bytes().starts_with(&some[..count]), "of {number}");
            self.left.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match response.text() {
            Ok(text) if is_right => {
                assert!(text == body_of(number), "another body than that of {number}: {} bytes", text.len());
                self.whole.fetch_add(1, Ordering::Relaxed);
            }
            // What the front says, and what is in a coding that it is not.
            Ok(text) => {
                let is_coded = response.header("Content-Encoding").is_some();
                assert!(response.status_code() >= 400 || is_coded, "{} {text:?}", response.status_code());
            }
            Err(_) => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// The request of a number: with a body or without.
fn request_of(url: &str, number: u64) -> Request {
    let method = if number.is_multiple_of(3) { "PUT" } else { "GET" };
    let mut request = Request::new(method, format!("{url}/{number}")).expect("a request");
    if method == "PUT" {
        request.set_body_vec(vec![b'x'; usize::try_from(number % 1000 * 100).expect("a small number")]);
    }
    request
}

/// All kinds of clients of the two servers.
struct Crowd {
    any: Client,
    fronted: Client,
    host: HostClient,
    pipeline: PipelineClient,
    front: RunningServer,
    liar: Liar,
    counting: Liar,
    tally: Tally,
    numbers: AtomicU64,
}

impl Crowd {
    fn new() -> Self {
        let (liar, counting) = (Liar::new(false), Liar::new(true));
        let short = Duration::from_millis(100);
        let any = Client::builder().max_conns(6).conn_wait_timeout(short).read_timeout(short);
        let any = any.build().expect("settings with a meaning");
        let upstream = Client::builder().read_timeout(short).write_timeout(short).decompress(false);
        let upstream = upstream.build().expect("settings with a meaning");
        let proxy = proxy(upstream, &format!("http://{}", liar.addr)).expect("an upstream");
        let front = Server::builder().stream_request_body(true).build_handler(proxy).expect("a server");
        let front = front.start("127.0.0.1:0").expect("a free port");
        let host = HostClient::builder(liar.addr.to_string()).timeout(2 * short).max_idle_conns(2);
        let host = host.build().expect("an address");
        let pipeline = PipelineClient::builder(counting.addr.to_string()).max_conns(2).timeout(2 * short);
        let pipeline = pipeline.build().expect("an address");
        let (tally, numbers) = (Tally::default(), AtomicU64::new(1));
        let fronted = Client::new();
        Self { any, fronted, host, pipeline, front, liar, counting, tally, numbers }
    }

    /// Calls until `end`.
    fn call_until(&self, end: Instant, kind: u64, dice: &mut Dice) {
        while Instant::now() < end {
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            let sent = match kind {
                0 => {
                    let url = format!("http://{}", self.liar.addr);
                    self.call_any(&request_of(&url, number), dice)
                }
                1 => self.host.send(&request_of("", number)),
                2 => self.pipeline.send(&request_of("", number)),
                _ => {
                    let url = format!("http://{}/{number}", self.front.local_addr());
                    // Of a length that nobody knows.
                    let body = SendBody::new(std::io::repeat(b'y').take(number % 100_000));
                    let limit = Duration::from_millis(500);
                    match number % 2 {
                        0 => self.fronted.put(url).send_body(body).timeout(limit).send(),
                        _ => self.fronted.get(url).timeout(limit).send(),
                    }
                }
            };
            self.tally.take(number, sent, dice);
        }
    }

    /// Some are called off.
    fn call_any(&self, request: &Request, dice: &mut Dice) -> Result<ClientResponse, ClientError> {
        let token = CancelToken::new();
        let call = self.any.call(request).cancel_with(&token).timeout(Duration::from_millis(300));
        if dice.below(6) > 0 {
            return call.send();
        }
        let pause = Duration::from_micros(dice.below(3000));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(pause);
                token.cancel();
            });
            call.send()
        })
    }

    /// Ends it, and requires that nothing is left.
    #[allow(clippy::print_stdout)]
    fn end(self) {
        let Self { any, fronted, host, pipeline, front, liar, counting, tally, .. } = self;
        let open = || any.stats().open + fronted.stats().open + host.stats().open + pipeline.stats().open;
        let waiting = any.stats().waiting + host.stats().waiting + pipeline.pending_requests();
        wait_long("the end of all connections", || {
            any.close_idle_conns();
            fronted.close_idle_conns();
            host.close_idle_conns();
            pipeline.close_idle_conns();
            open() == 0
        });
        assert_eq!(waiting, 0, "nobody waits");
        front.shutdown(Duration::from_secs(60)).expect("nothing is under way");
        drop((any, fronted, host, pipeline));
        liar.end();
        counting.end();
        println!("{tally:?}");
        let whole = tally.whole.load(Ordering::Relaxed);
        assert!(whole > 20 && tally.failed.load(Ordering::Relaxed) > 20, "{tally:?}");
    }
}

/// Waits for what has to come to pass at some time.
fn wait_long(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(150), "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn soak(time: Duration) {
    let crowd = Crowd::new();
    let end = Instant::now() + time;
    std::thread::scope(|scope| {
        for caller in 0..4 * CALLERS {
            let crowd = &crowd;
            scope.spawn(move || crowd.call_until(end, caller % 4, &mut Dice::new(caller)));
        }
    });
    crowd.end();
}

#[test]
fn every_response_belongs_to_its_request_whatever_the_server_does() {
    soak(Duration::from_secs(2));
}

/// How many threads and descriptors this process has.
#[cfg(target_os = "linux")]
fn held() -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(folder).expect("the kernel lists them").count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes ten minutes, or ANTHILL_SOAK_SECONDS"]
#[allow(clippy::print_stdout)]
fn soak_of_the_client_leaves_nothing_behind() {
    if env::var_os(CHILD).is_none() {
        let status = Command::new(env::current_exe().expect("a program"))
            .args(["--ignored", "--exact", "--nocapture", "soak::soak_of_the_client_leaves_nothing_behind"])
            .env(CHILD, "1")
            .status()
            .expect("a process");
        return assert!(status.success(), "{status}; see above");
    }
    let seconds = env::var("ANTHILL_SOAK_SECONDS").ok().map(|value| value.parse().expect("seconds"));
    let before = held();
    soak(Duration::from_secs(seconds.unwrap_or(600)));
    // Threads that watch stay for a minute.
    wait_long("the end of threads and descriptors", || held().0 <= before.0 && held().1 <= before.1);
    println!("threads and descriptors before: {before:?}, behind: {:?}", held());
}
