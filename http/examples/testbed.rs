//! The application that outside suites and load generators drive: plain handlers, blocking where it says so.
//!
//! `testbed --addr 127.0.0.1:PORT [options]` prints one line when it is ready, and ends with code 0 on SIGTERM or
//! SIGINT, after the requests in flight; with code 1 and a message when it cannot listen. With `--tls-cert` and
//! `--tls-key` it speaks HTTPS, for which it is made with the feature `tls`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::process::ExitCode;
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

#[cfg(feature = "fs")]
use anthill_http::Handler;
#[cfg(feature = "tls")]
use anthill_http::TlsConfig;
use anthill_http::events::{Event, EventOptions, EventSender, event_channel_with};
#[cfg(feature = "fs")]
use anthill_http::files::{Files, FilesError};
use anthill_http::{
    Cookie, Error, HijackedConn, Listener, MinRate, Request, RequestConfig, RequestCtx, Server,
    ServerBuilder, form, multipart,
};

/// How long a client may fall behind the rate that is asked for.
const GRACE: Duration = Duration::from_secs(60);
/// More than this is not made up by `/bytes`.
const BYTES_MAX: usize = 1 << 30;
/// Files pass through `/form`, however long; its values are kept until they are answered, so they are not to be more.
const VALUE_BYTES_MAX: usize = 32 << 20;

/// For `/stats` and `/metrics`, which ask the server it runs in.
static SERVER: OnceLock<Server> = OnceLock::new();

/// For `/files`, `/browse` and `/pre`.
#[cfg(feature = "fs")]
static FOLDERS: OnceLock<Folders> = OnceLock::new();

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testbed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error what becomes of certificates that are read again.
#[cfg(feature = "tls")]
struct OfCertificates;

#[cfg(feature = "tls")]
impl log::Log for OfCertificates {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("anthill_http::tls") && metadata.level() <= log::Level::Info
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("testbed: {}", record.args());
        }
    }

    fn flush(&self) {}
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(feature = "tls")]
    if log::set_logger(&OfCertificates).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
    let arguments = Arguments::parse()?;
    // Before anything listens.
    #[cfg(feature = "tls")]
    let tls = arguments.tls.build()?;
    let server = arguments.server.build(answer)?;
    #[cfg(feature = "fs")]
    if let Some(folders) = arguments.folders.build()? {
        FOLDERS.set(folders).map_err(|_| "started twice")?;
    }
    SERVER.set(server.clone()).map_err(|_| "started twice")?;

    let listeners: Vec<Listener> = match &arguments.unix {
        Some(path) => vec![Server::listen_unix(path, 0o666)?.into()],
        None => server.listen_all(&*arguments.address)?.into_iter().map(Listener::from).collect(),
    };
    let of_proxies = arguments.speaks_proxy_protocol;
    let listeners = listeners.into_iter().map(|listener| listener.proxy_protocol(of_proxies));
    #[cfg(feature = "tls")]
    let listeners = listeners.map(|listener| match &tls {
        Some(config) => listener.tls(config),
        None => listener,
    });
    let running = server.start_all(listeners)?;
    match &arguments.unix {
        Some(path) => println!("listening on {path}"),
        None => println!("listening on {}", running.local_addr()),
    }
    running.run()?;
    Ok(())
}

struct Arguments {
    address: String,
    unix: Option<String>,
    server: ServerBuilder,
    streams_all: bool,
    speaks_proxy_protocol: bool,
    #[cfg(feature = "tls")]
    tls: Certificates,
    #[cfg(feature = "fs")]
    folders: FolderOptions,
}

/// One folder, served in three ways.
#[cfg(feature = "fs")]
struct Folders {
    files: Files,
    browse: Files,
    pre: Files,
}

/// Which folder that is, and for how long its files are kept open.
#[cfg(feature = "fs")]
#[derive(Default)]
struct FolderOptions {
    root: Option<String>,
    kept: Option<Duration>,
}

#[cfg(feature = "fs")]
impl FolderOptions {
    fn build(self) -> Result<Option<Folders>, FilesError> {
        let Some(root) = self.root else { return Ok(None) };
        let builder = |prefix: &str| {
            let builder = Files::builder(&root).strip_prefix(prefix);
            match self.kept {
                Some(kept) => builder.cache_duration(kept),
                None => builder,
            }
        };
        Ok(Some(Folders {
            files: builder("/files").build()?,
            browse: builder("/browse").listing(true).build()?,
            pre: builder("/pre").compressed_copies().build()?,
        }))
    }
}

/// Answers what is asked of the folder. False: it is something else.
#[cfg(feature = "fs")]
fn serve_folder(ctx: &mut RequestCtx) -> bool {
    let Some(folders) = FOLDERS.get() else { return false };
    let handler = match ctx.path().split('/').nth(1) {
        Some("files") => &folders.files,
        Some("browse") => &folders.browse,
        Some("pre") => &folders.pre,
        _ => return false,
    };
    handler.handle(ctx);
    true
}

/// Files of certificates, each of which has its key at the same place.
#[cfg(feature = "tls")]
#[derive(Default)]
struct Certificates {
    certificates: Vec<String>,
    keys: Vec<String>,
    client_ca: Option<String>,
}

#[cfg(feature = "tls")]
impl Certificates {
    /// Takes an option, if it is about these.
    fn take(&mut self, option: &str, value: &str) -> bool {
        match option {
            "--tls-cert" => self.certificates.push(value.to_owned()),
            "--tls-key" => self.keys.push(value.to_owned()),
            "--tls-client-ca" => self.client_ca = Some(value.to_owned()),
            _ => return false,
        }
        true
    }

    fn build(self) -> Result<Option<TlsConfig>, Box<dyn std::error::Error>> {
        let Self { certificates, keys, client_ca } = self;
        if certificates.len() != keys.len() {
            return Err("each --tls-cert needs a --tls-key, and the other way round".into());
        }
        if certificates.is_empty() {
            return if client_ca.is_some() {
                Err("--tls-client-ca needs a --tls-cert".into())
            } else {
                Ok(None)
            };
        }
        let pairs = certificates.iter().zip(&keys);
        let builder = TlsConfig::builder().next_proto("echo/1", |conn| drop(repeat(conn)));
        let builder =
            pairs.fold(builder, |builder, (certificate, key)| builder.certificate(certificate, key));
        let builder = match client_ca {
            Some(list) => builder.client_ca(list),
            None => builder,
        };
        Ok(Some(builder.build()?))
    }
}

impl Arguments {
    fn parse() -> Result<Self, Box<dyn std::error::Error>> {
        let mut arguments = Arguments {
            address: "127.0.0.1:8080".to_owned(),
            unix: None,
            server: Server::builder(),
            streams_all: false,
            speaks_proxy_protocol: false,
            #[cfg(feature = "tls")]
            tls: Certificates::default(),
            #[cfg(feature = "fs")]
            folders: FolderOptions::default(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(option) = words.next() {
            let server = std::mem::take(&mut arguments.server);
            arguments.server = match &*option {
                "--no-keepalive" => server.keep_alive(false),
                "--get-only" => server.get_only(true),
                "--reuse-port" => server.reuse_port(true),
                // Buffers are given back between requests in any case.
                "--reduce-memory-usage" => server,
                "--proxy-protocol" => {
                    arguments.speaks_proxy_protocol = true;
                    server
                }
                "--stream-request-body" => {
                    arguments.streams_all = true;
                    server
                }
                _ => {
                    let value =
                        words.next().ok_or_else(|| format!("{option} is unknown or needs a value"))?;
                    match &*option {
                        "--addr" => arguments.address = value.clone(),
                        "--unix" => arguments.unix = Some(value.clone()),
                        _ => {}
                    }
                    #[cfg(feature = "tls")]
                    if arguments.tls.take(&option, &value) {
                        arguments.server = server;
                        continue;
                    }
                    let number = || {
                        value.parse::<u64>().map_err(|_| format!("{option} needs a number, not {value:?}"))
                    };
                    let count = || number().map(|number| usize::try_from(number).unwrap_or(usize::MAX));
                    let millis = || number().map(Duration::from_millis);
                    match &*option {
                        "--addr" | "--unix" => server,
                        #[cfg(feature = "ws")]
                        "--ws-max-message" => {
                            sockets::limit(count()?)?;
                            server
                        }
                        #[cfg(feature = "fs")]
                        "--root" => {
                            arguments.folders.root = Some(value.clone());
                            server
                        }
                        #[cfg(feature = "fs")]
                        "--file-cache-ms" => {
                            arguments.folders.kept = Some(millis()?);
                            server
                        }
                        "--name" => server.name(&*value),
                        "--trusted-proxies" => server.trusted_proxies(value.split(',')),
                        "--shards" => server.shards(count()?),
                        "--read-timeout-ms" => server.read_timeout(millis()?),
                        "--read-header-timeout-ms" => server.read_header_timeout(millis()?),
                        "--idle-timeout-ms" => server.idle_timeout(millis()?),
                        "--write-timeout-ms" => server.write_timeout(millis()?),
                        "--handler-timeout-ms" => server.handler_timeout(millis()?),
                        "--min-body-rate" => server.min_body_rate(MinRate::new(number()?, GRACE)),
                        "--max-body" => server.max_request_body_size(number()?),
                        "--read-buffer" => server.read_buffer_size(count()?),
                        "--concurrency" => server.concurrency(count()?),
                        "--max-conns-per-ip" => server.max_conns_per_ip(count()?),
                        "--max-requests-per-conn" => server.max_requests_per_conn(number()?),
                        "--max-workers" => server.max_workers(count()?),
                        "--max-waiting" => server.max_waiting_requests(count()?),
                        "--max-wait-ms" => server.max_wait(millis()?),
                        "--shutdown-delay-ms" => server.shutdown_delay(millis()?),
                        _ => return Err(format!("{option} is not an option of this library yet").into()),
                    }
                }
            };
        }
        arguments.server = match arguments.streams_all {
            true => arguments.server.stream_request_body(true),
            false => arguments.server.header_received(streaming),
        };
        Ok(arguments)
    }
}

/// Bodies are streamed where they are read so.
fn streaming(request: &Request) -> RequestConfig {
    RequestConfig::new().stream_request_body(matches!(request.path(), "/sink" | "/echo-stream"))
}

fn answer(ctx: &mut RequestCtx) {
    #[cfg(feature = "fs")]
    if serve_folder(ctx) {
        return;
    }
    // A HEAD is answered as a GET, and what is sent of that is its head.
    let method = if ctx.request.is_head() { "GET" } else { ctx.method() };
    match (method, ctx.path()) {
        ("GET", "/") => ctx.success("text/plain", "Hello, World!"),
        ("POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS", "/echo") => echo(ctx),
        ("POST", "/echo-stream") => echo_stream(ctx),
        ("POST", "/sink") => sink(ctx),
        ("POST", "/form") => list_form(ctx),
        ("GET", "/headers") => {
            let mut list = Vec::new();
            for (name, value) in ctx.request.headers().iter() {
                list.extend_from_slice(name.as_bytes());
                list.extend_from_slice(b": ");
                list.extend_from_slice(value);
                list.push(b'\n');
            }
            ctx.set_body(list);
        }
        ("GET", "/info") => info(ctx),
        ("GET", "/args") => {
            let mut list = Vec::new();
            for (name, value) in ctx.request.query_args() {
                list.extend_from_slice(&name);
                list.push(b'=');
                list.extend_from_slice(&value.unwrap_or_default());
                list.push(b'\n');
            }
            ctx.set_body(list);
        }
        ("GET", "/sleep") => {
            let ms = argument(ctx, "ms").unwrap_or(0);
            std::thread::sleep(Duration::from_millis(ms));
            ctx.set_body(ms.to_string());
        }
        ("GET", "/spin") => {
            let us = argument(ctx, "us").unwrap_or(0);
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_micros(us) {
                std::hint::spin_loop();
            }
            ctx.set_body(us.to_string());
        }
        ("GET", "/bytes") => match argument(ctx, "n").and_then(|n| usize::try_from(n).ok()) {
            Some(size) if size <= BYTES_MAX => {
                ctx.set_content_type("application/octet-stream");
                ctx.response.body_mut().resize(size, b'x');
            }
            _ => ctx.error("n must be a number up to 1073741824", 400),
        },
        ("GET", "/stream") => stream(ctx),
        #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
        ("GET", "/gzip") => compressed::answer(ctx),
        ("GET", "/hijack") => hijack(ctx),
        ("GET", "/early-hints") => early_hints(ctx),
        ("GET", "/events") => events(ctx),
        #[cfg(feature = "ws")]
        ("GET", "/ws") => sockets::open(ctx),
        ("GET", "/status") => match argument(ctx, "code").and_then(|code| u16::try_from(code).ok()) {
            Some(code @ 200..=999) => ctx.response.set_status_code(code),
            _ => ctx.error("code must be a number from 200 to 999", 400),
        },
        ("GET", "/redirect") => {
            let to = ctx.query_arg("to").map(std::borrow::Cow::into_owned).unwrap_or_default();
            let code = argument(ctx, "code").and_then(|code| u16::try_from(code).ok()).unwrap_or(302);
            ctx.redirect(to, code);
        }
        ("GET", "/cookie") => cookie(ctx),
        ("GET", "/panic") => panic!("as asked for"),
        ("GET", "/readyz") => ctx.set_status_code(if ctx.is_ready() { 200 } else { 503 }),
        ("GET", "/stats") => stats(ctx),
        ("GET", "/metrics") => match SERVER.get() {
            Some(server) => {
                ctx.success("text/plain; version=0.0.4; charset=utf-8", server.stats().to_prometheus(&[]));
            }
            None => ctx.error("not started", 503),
        },
        _ => ctx.not_found(),
    }
}

fn argument(ctx: &RequestCtx, name: &str) -> Option<u64> {
    std::str::from_utf8(&ctx.query_arg(name)?).ok()?.parse().ok()
}

fn echo(ctx: &mut RequestCtx) {
    if let Err(error) = ctx.read_body() {
        return refuse_body(ctx, error);
    }
    for (name, value) in ctx.request.trailers().iter() {
        ctx.response.append_header(format!("Echo-Trailer-{name}"), value);
    }
    if let Some(content_type) = ctx.request.header("content-type") {
        ctx.response.set_content_type(content_type);
    }
    ctx.response.set_body(ctx.request.body());
}

/// Each piece is sent back before the next is read.
fn echo_stream(ctx: &mut RequestCtx) {
    ctx.response.set_body_writer(|out| {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let count = out.body_reader().read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            out.write_all(&piece[..count])?;
            out.flush()?;
        }
    });
}

fn sink(ctx: &mut RequestCtx) {
    match io::copy(&mut ctx.body_reader(), &mut io::sink()) {
        Ok(size) => ctx.set_body(size.to_string()),
        Err(error) => refuse_body(ctx, error),
    }
}

/// What a body that cannot be read is answered by.
fn refuse_body(ctx: &mut RequestCtx, error: io::Error) {
    let text = error.to_string();
    let status = Error::from(error).status().unwrap_or(400);
    ctx.error(text, status);
}

fn stream(ctx: &mut RequestCtx) {
    let (count, size, ms) = (argument(ctx, "n"), argument(ctx, "size"), argument(ctx, "ms"));
    let Some(size) = usize::try_from(size.unwrap_or(1)).ok().filter(|size| *size <= BYTES_MAX) else {
        return ctx.error("size must be a number up to 1073741824", 400);
    };
    ctx.response.set_body_writer(move |out| {
        let piece = vec![b'x'; size];
        for number in 0..count.unwrap_or(1) {
            if number > 0 {
                std::thread::sleep(Duration::from_millis(ms.unwrap_or(0)));
            }
            out.write_all(&piece)?;
            out.flush()?;
        }
        Ok(())
    });
}

/// What is compressed for clients that take it.
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
mod compressed {
    use std::io::Write;
    use std::sync::LazyLock;
    use std::time::Duration;

    use anthill_http::{CompressPolicy, Handler, RequestCtx, compress};

    use super::{BYTES_MAX, argument};

    static COMPRESSED: LazyLock<Box<dyn Handler>> =
        LazyLock::new(|| Box::new(compress(text, CompressPolicy::new())));

    const LINE: &[u8] = b"The quick brown fox jumps over the lazy dog. 0123456789\n";

    pub(super) fn answer(ctx: &mut RequestCtx) {
        COMPRESSED.handle(ctx);
    }

    /// Lines of text with the fields that the request says.
    fn text(ctx: &mut RequestCtx) {
        let size = argument(ctx, "n").unwrap_or(10_000);
        let Some(size) = usize::try_from(size).ok().filter(|size| *size <= BYTES_MAX) else {
            return ctx.error("n must be a number up to 1073741824", 400);
        };
        ctx.set_content_type("text/plain");
        for (argument, name) in [
            ("type", "Content-Type"),
            ("etag", "ETag"),
            ("ce", "Content-Encoding"),
            ("vary", "Vary"),
            ("cc", "Cache-Control"),
            ("cr", "Content-Range"),
        ] {
            if let Some(value) = ctx.query_arg(argument).map(std::borrow::Cow::into_owned) {
                ctx.response.set_header(name, value);
            }
        }
        if let Some(status) = argument(ctx, "status").and_then(|status| u16::try_from(status).ok()) {
            ctx.set_status_code(status);
        }
        let piece: Vec<u8> = LINE.iter().copied().cycle().take(size).collect();
        let Some(pieces) = argument(ctx, "stream") else { return ctx.response.set_body_vec(piece) };
        let pause = Duration::from_millis(argument(ctx, "ms").unwrap_or(0));
        ctx.response.set_body_writer(move |out| {
            for number in 0..pieces {
                if number > 0 {
                    std::thread::sleep(pause);
                }
                out.write_all(&piece)?;
                out.flush()?;
            }
            Ok(())
        });
    }
}

/// Says what the page will need before it is made.
fn early_hints(ctx: &mut RequestCtx) {
    ctx.response.append_header("Link", "</style.css>; rel=preload; as=style");
    if argument(ctx, "none") != Some(1) {
        // Whether the client still listens shows when it is answered.
        let _ = ctx.early_hints();
    }
    std::thread::sleep(Duration::from_millis(200));
    ctx.success("text/plain", "hints");
}

/// Another protocol: whatever the client says is said back, until it or the server ends.
fn hijack(ctx: &mut RequestCtx) {
    if ctx.query_arg("response").as_deref() == Some(b"none") {
        return ctx.hijack_without_response(|mut conn| {
            let _ = conn.write_all(b"raw\n").and_then(|()| repeat(conn));
        });
    }
    ctx.response.set_status_code(101);
    ctx.response.set_header("Upgrade", "echo");
    ctx.response.set_header("Connection", "Upgrade");
    // That the client has gone is the usual end.
    ctx.hijack(|conn| drop(repeat(conn)));
}

fn repeat(conn: HijackedConn) -> io::Result<()> {
    let ending = conn.try_clone()?;
    let _hook = conn.stop_signal().on_stop(move || ending.close());
    io::copy(&mut &conn, &mut &conn).map(drop)
}

/// Events that are sent by one thread for all streams: `n` of them, or for ever, `ms` apart.
fn events(ctx: &mut RequestCtx) {
    static CLOCK: OnceLock<Option<mpsc::Sender<Tick>>> = OnceLock::new();
    let left = argument(ctx, "n");
    let apart = Duration::from_millis(argument(ctx, "ms").unwrap_or(1000).max(u64::from(left.is_none())));
    // Those that come at once all wait for the client.
    let room = if apart.is_zero() { left.map_or(1, |left| left.clamp(1, 1 << 20)) } else { 128 };
    let options = EventOptions::new().queue(usize::try_from(room).unwrap_or(128));
    let clock = CLOCK.get_or_init(|| {
        let (clock, ticks) = mpsc::channel();
        std::thread::Builder::new().name("events".to_owned()).spawn(move || tick(&ticks)).ok()?;
        Some(clock)
    });
    let (Some(clock), Ok((sender, stream))) = (clock, event_channel_with(options)) else {
        return ctx.error("there is no clock", 500);
    };
    ctx.set_event_stream(stream);
    // Without the clock the sender is dropped, and the stream is at its end.
    let _ = clock.send(Tick { at: Instant::now(), number: 1, left, apart, sender });
}

/// The next event of one stream.
struct Tick {
    at: Instant,
    number: u64,
    left: Option<u64>,
    apart: Duration,
    sender: EventSender,
}

/// Sends events when they are due.
fn tick(ticks: &mpsc::Receiver<Tick>) {
    let mut due: BTreeMap<(Instant, usize), Tick> = BTreeMap::new();
    let mut streams = 0;
    loop {
        let wait = due.keys().next().map_or(Duration::MAX, |(at, _)| at.duration_since(Instant::now()));
        match ticks.recv_timeout(wait) {
            Ok(tick) => {
                streams += 1;
                due.insert((tick.at, streams), tick);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        while let Some(first) = due.first_entry().filter(|first| first.key().0 <= Instant::now()) {
            let ((_, stream), mut tick) = first.remove_entry();
            if tick.left == Some(0) {
                continue;
            }
            let number = tick.number.to_string();
            if tick.sender.send(Event::data(&number).id(&number)).is_ok() {
                tick.number += 1;
                tick.left = tick.left.map(|left| left - 1);
                // The end comes with the last one.
                if tick.left != Some(0) {
                    tick.at += tick.apart;
                    due.insert((tick.at, stream), tick);
                }
            }
        }
    }
}

fn info(ctx: &mut RequestCtx) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let list = format!(
        "method={}\npath={}\nquery={}\nhost={}\nremote={}\nscheme={}\nconn_requests={}\nworker={}\n",
        ctx.method(),
        ctx.path(),
        text(ctx.request.query()),
        text(ctx.host()),
        ctx.remote_addr(),
        ctx.scheme(),
        ctx.conn_request_num(),
        std::thread::current().name().unwrap_or("?"),
    );
    ctx.set_body(list);
}

fn cookie(ctx: &mut RequestCtx) {
    if let Some(value) = ctx.query_arg("set") {
        let cookie = Cookie::new("c", &value);
        ctx.response.set_cookie(&cookie);
    }
    let value = ctx.request.cookie("c").map(<[u8]>::to_vec).unwrap_or_default();
    ctx.set_body(value);
}

/// One line for each field in order, whether it is a value or a file.
fn list_form(ctx: &mut RequestCtx) {
    let is_multipart = ctx.request.multipart_boundary().is_ok();
    let listed = if is_multipart { list_parts(ctx) } else { list_args(ctx) };
    match listed {
        Ok(list) => ctx.set_body(list),
        Err(error) => ctx.error(error.to_string(), error.status()),
    }
}

fn list_args(ctx: &mut RequestCtx) -> Result<Vec<u8>, form::Error> {
    let mut list = Vec::new();
    for (name, value) in ctx.post_args()?.iter() {
        list.extend_from_slice(name);
        list.push(b'=');
        list.extend_from_slice(value.unwrap_or_default());
        list.push(b'\n');
    }
    Ok(list)
}

fn list_parts(ctx: &mut RequestCtx) -> Result<Vec<u8>, form::Error> {
    let limits = multipart::Limits::new().max_body_bytes(BYTES_MAX as u64).max_part_bytes(None);
    let mut parts = ctx.multipart(limits)?;
    let mut list = Vec::new();
    while let Some(mut part) = parts.next_part()? {
        list.extend_from_slice(part.name().unwrap_or_default().as_bytes());
        list.push(b'=');
        if part.is_file() {
            let file_name = part.file_name().unwrap_or_default().to_owned();
            let size = io::copy(&mut part, &mut io::sink()).map_err(multipart::Error::from)?;
            list.extend_from_slice(format!("{file_name}:{size}").as_bytes());
        } else {
            list.extend(part.read_to_vec(VALUE_BYTES_MAX.saturating_sub(list.len()))?);
        }
        list.push(b'\n');
    }
    Ok(list)
}

fn stats(ctx: &mut RequestCtx) {
    let Some(server) = SERVER.get() else { return ctx.error("not started", 503) };
    let stats = server.stats();
    let rejections = stats.rejections;
    let mut json = String::new();
    let _ = write!(
        json,
        "{{\"open_connections\":{},\"accepted_connections\":{},\"requests\":{},\"rejected\":{{\"concurrency\":{},\
         \"per_ip\":{},\"head_too_large\":{},\"body_too_large\":{},\"timed_out\":{},\"malformed\":{},\"turned_away\":{},\"abandoned\":{},\"proxy_header\":{},\"tls_handshake\":{}}},",
        stats.open_connections,
        stats.accepted_connections,
        stats.requests,
        rejections.concurrency,
        rejections.per_ip,
        rejections.head_too_large,
        rejections.body_too_large,
        rejections.timed_out,
        rejections.malformed,
        rejections.turned_away,
        rejections.abandoned,
        rejections.proxy_header,
        rejections.tls_handshake,
    );
    if let Some(workers) = stats.workers {
        let _ = write!(
            json,
            "\"workers\":{{\"running\":{},\"idle\":{},\"spawned\":{},\"retired\":{}}},",
            workers.workers, workers.idle, workers.spawned, workers.expired,
        );
    }
    let _ = write!(
        json,
        "\"revoked_leases\":{},\"dispatched_requests\":{},\"panics\":{},\"idle_connections_shed\":{}}}",
        stats.revoked_leases, stats.dispatched_requests, stats.panics, stats.idle_connections_shed,
    );
    ctx.success("application/json", json);
}

/// WebSocket.
#[cfg(feature = "ws")]
mod sockets {
    use super::argument;
    use anthill_http::RequestCtx;
    use anthill_http::websocket::{
        DeflateOptions, Message, OriginPolicy, WebSocketError, WebSocketHandler, WebSocketOptions,
        WebSocketOptionsBuilder, WebSocketResult, WebSocketSender,
    };
    use std::sync::OnceLock;

    static OPTIONS: OnceLock<WebSocketOptions> = OnceLock::new();

    fn options() -> WebSocketOptionsBuilder {
        let compression = DeflateOptions::default();
        // Whatever page drives this, it does nothing in a user's name.
        let origins = OriginPolicy::Any;
        WebSocketOptions::builder()
            .subprotocols(["chat", "superchat"])
            .origins(origins)
            .compression(compression)
    }

    /// The longest message that is taken.
    pub(super) fn limit(bytes: usize) -> Result<(), WebSocketError> {
        let frame = u64::try_from(bytes).unwrap_or(u64::MAX);
        let options = options().max_message_size(bytes).max_frame_size(frame).build()?;
        let _ = OPTIONS.set(options);
        Ok(())
    }

    /// Says back what it is told, and closes with that code behind the first message, if there is one.
    struct Echo {
        close: Option<u16>,
    }

    impl WebSocketHandler for Echo {
        fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
            socket.send(message)?;
            if let Some(code) = self.close {
                socket.close(code, "");
            }
            Ok(())
        }
    }

    pub(super) fn open(ctx: &mut RequestCtx) {
        let close = argument(ctx, "close").and_then(|code| u16::try_from(code).ok());
        let options = OPTIONS.get_or_init(|| options().build().unwrap_or_default());
        ctx.upgrade_websocket_handler(options, Echo { close });
    }
}
