//! The client, driven from outside: one JSON object per line of the input says what is to be done, one per line of the
//! output what came of it, in the same order. It ends with code 0 at the end of its input.
//!
//! Every field is a public setting of that meaning. What the library does not have is answered with
//! `{"unsupported": [...]}`, and the line is not carried out; fields that are not known are ignored.

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "tls")]
use anthill_http::TlsError;
#[cfg(feature = "tls")]
use anthill_http::client::ClientTlsConfig;
#[cfg(feature = "cookies")]
use anthill_http::client::CookieJar;
use anthill_http::client::{
    CancelToken, Client, ClientBuilder, ClientError, ClientErrorKind, ClientResponse, HostClient, LbClient,
    LimitedCall, PipelineClient, Proxy, ReuseOrder, SendBody,
};
use anthill_http::header::Fields;
use anthill_http::{Request, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How long a server may take to ask for a body.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);
/// How much of a body is shown.
const PREFIX_BYTES: usize = 64;
const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

fn main() -> io::Result<()> {
    let mut client = AnyClient::General(Client::builder().max_redirects(0).decompress(false).build()?);
    let mut stdout = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = match serde_json::from_str(&line) {
            Ok(order) => carry_out(order, &mut client),
            Err(error) => json!({"error": "other", "message": error.to_string()}),
        };
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}

/// One line of the input.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Order {
    Client(Box<Settings>),
    Request(Box<Asked>),
    Parallel { requests: Vec<Asked> },
    Sleep { ms: Millis },
    CloseIdle,
    Stats,
}

/// Milliseconds; less than none are none.
#[derive(Clone, Copy, Deserialize)]
struct Millis(f64);

impl Millis {
    fn duration(self) -> Duration {
        Duration::try_from_secs_f64(self.0.max(0.0) / 1000.0).unwrap_or(Duration::MAX)
    }
}

/// The settings of a client.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    kind: Option<String>,
    addrs: Vec<String>,
    max_pending: Option<usize>,
    max_conns: Option<usize>,
    conn_wait_ms: Option<Millis>,
    max_idle: Option<usize>,
    idle_ms: Option<Millis>,
    conn_age_ms: Option<Millis>,
    pool: Option<String>,
    connect_timeout_ms: Option<Millis>,
    read_timeout_ms: Option<Millis>,
    write_timeout_ms: Option<Millis>,
    max_header: Option<usize>,
    max_body: Option<u64>,
    redirects: u32,
    proxy: Option<String>,
    no_proxy: Option<String>,
    ca: Option<String>,
    insecure: bool,
    resolve: Option<HashMap<String, Resolved>>,
    decompress: bool,
    user_agent: Option<String>,
    cookies: bool,
}

/// What a name resolves to.
#[derive(Clone, Deserialize)]
struct Resolved {
    addrs: Vec<IpAddr>,
    delay_ms: Option<Millis>,
}

/// A request, and what becomes of it.
#[derive(Deserialize)]
struct Asked {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<Body>,
    timeout_ms: Option<Millis>,
    #[serde(default)]
    expect: bool,
    #[serde(default)]
    close: bool,
    #[serde(default)]
    stream: bool,
    read: Option<u64>,
    cancel_ms: Option<Millis>,
    start_ms: Option<Millis>,
    repeat: Option<usize>,
}

impl Asked {
    /// The fields that mean something which this client does not have.
    fn unsupported(&self, client: &AnyClient) -> Vec<&'static str> {
        let is_streamed = self.body.as_ref().is_some_and(|body| body.stream);
        let fields = [("body", is_streamed), ("expect", self.expect)];
        let asked = fields.into_iter().filter(|(_, is_asked)| *is_asked && !client.streams());
        asked.map(|(name, _)| name).collect()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    text: Option<String>,
    size: u64,
    stream: bool,
    declared: Option<u64>,
    chunked: bool,
}

/// The clients of the library.
enum AnyClient {
    General(Client),
    Host(HostClient),
    Pipeline(PipelineClient),
    /// And the clients that it has.
    Balance(LbClient<HostClient>, Vec<HostClient>),
}

impl AnyClient {
    fn close_idle(&self) {
        match self {
            Self::General(client) => client.close_idle_conns(),
            Self::Host(client) => client.close_idle_conns(),
            Self::Pipeline(client) => client.close_idle_conns(),
            Self::Balance(_, hosts) => hosts.iter().for_each(HostClient::close_idle_conns),
        }
    }

    /// Connections, and those of them that are idle.
    fn stats(&self) -> (usize, usize) {
        let of_host = |client: &HostClient| (client.stats().open, client.stats().idle);
        match self {
            Self::General(client) => (client.stats().open, client.stats().idle),
            Self::Host(client) => of_host(client),
            Self::Pipeline(client) => (client.stats().open, client.stats().idle),
            Self::Balance(_, hosts) => {
                hosts.iter().map(of_host).fold((0, 0), |sum, host| (sum.0 + host.0, sum.1 + host.1))
            }
        }
    }

    /// Whether it takes bodies of readers, and lets them wait for the server.
    fn streams(&self) -> bool {
        matches!(self, Self::General(_) | Self::Host(_))
    }
}

fn carry_out(order: Order, client: &mut AnyClient) -> Value {
    match order {
        Order::Client(settings) => {
            let unsupported = settings.unsupported();
            if !unsupported.is_empty() {
                return json!({ "unsupported": unsupported });
            }
            match settings.build() {
                Ok(built) => *client = built,
                Err(failure) => return json!(failure),
            }
            json!({"ok": true})
        }
        Order::Request(asked) => runs(&asked, client),
        Order::Parallel { requests } => json!({ "results": all_at_once(&requests, client) }),
        Order::Sleep { ms } => {
            thread::sleep(ms.duration());
            json!({"ok": true})
        }
        Order::CloseIdle => {
            client.close_idle();
            json!({"ok": true})
        }
        Order::Stats => {
            let (open, idle) = client.stats();
            json!({"open": open, "idle": idle})
        }
    }
}

/// Each on a thread of its own, all started together.
fn all_at_once(requests: &[Asked], client: &AnyClient) -> Vec<Value> {
    let start = Barrier::new(requests.len());
    let run = |asked| {
        start.wait();
        runs(asked, client)
    };
    let run = &run;
    thread::scope(|scope| {
        let threads: Vec<_> = requests.iter().map(|asked| scope.spawn(move || run(asked))).collect();
        let panicked = |_| json!({"error": "other", "message": "it panicked"});
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    })
}

impl Settings {
    /// The fields that mean something which this library does not have.
    fn unsupported(&self) -> Vec<&'static str> {
        let kind = self.kind.as_deref();
        let fields = [
            ("kind", !matches!(kind, None | Some("host" | "pipeline" | "balance"))),
            ("max_pending", self.max_pending.is_some() && kind != Some("pipeline")),
            ("redirects", kind.is_some() && self.redirects > 0),
            ("ca", self.ca.is_some() && !cfg!(feature = "tls")),
            ("insecure", self.insecure && !cfg!(feature = "tls")),
            ("cookies", self.cookies && (kind.is_some() || !cfg!(feature = "cookies"))),
        ];
        fields.into_iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| name).collect()
    }

    fn build(mut self) -> Result<AnyClient, Failure> {
        Ok(match self.kind.as_deref() {
            None => {
                let builder = Client::builder().max_redirects(self.redirects);
                #[cfg(feature = "cookies")]
                let builder = if self.cookies { builder.cookie_jar(CookieJar::new()) } else { builder };
                AnyClient::General(self.apply(builder)?.build()?)
            }
            Some("pipeline") => {
                let addr = self.addrs.first().cloned().unwrap_or_default();
                let mut builder = self.apply(PipelineClient::builder(addr))?;
                if let Some(calls) = self.max_pending {
                    builder = builder.max_pending_requests(calls);
                }
                AnyClient::Pipeline(builder.build()?)
            }
            Some("balance") => {
                let addrs = std::mem::take(&mut self.addrs);
                let host = |addr| Ok(self.apply(HostClient::builder(addr))?.build()?);
                let hosts = addrs.into_iter().map(host).collect::<Result<Vec<_>, Failure>>()?;
                AnyClient::Balance(LbClient::new(hosts.clone())?, hosts)
            }
            Some(_) => AnyClient::Host(self.apply(HostClient::builder(self.addrs.join(",")))?.build()?),
        })
    }

    /// Whom they trust.
    #[cfg(feature = "tls")]
    fn trust<K>(&self, builder: ClientBuilder<K>) -> Result<ClientBuilder<K>, Failure> {
        if self.ca.is_none() && !self.insecure {
            return Ok(builder);
        }
        let config = ClientTlsConfig::builder().danger_accept_invalid_certs(self.insecure);
        let config = match &self.ca {
            Some(file) => config.ca(file),
            None => config,
        };
        let failure = |error: TlsError| Failure { error: "tls", message: error.to_string() };
        Ok(builder.tls(config.build().map_err(failure)?))
    }

    /// What all kinds of clients are told.
    fn apply<K>(&self, builder: ClientBuilder<K>) -> Result<ClientBuilder<K>, Failure> {
        #[cfg(feature = "tls")]
        let builder = self.trust(builder)?;
        let mut builder = builder.decompress(self.decompress);
        if let Some(conns) = self.max_conns {
            builder = builder.max_conns(conns);
        }
        if let Some(wait) = self.conn_wait_ms {
            builder = builder.conn_wait_timeout(wait.duration());
        }
        if let Some(conns) = self.max_idle {
            builder = builder.max_idle_conns(conns);
        }
        if let Some(age) = self.idle_ms {
            builder = builder.max_idle_conn_duration(age.duration());
        }
        if let Some(age) = self.conn_age_ms {
            builder = builder.max_conn_duration(age.duration());
        }
        match self.pool.as_deref() {
            Some("lifo") => builder = builder.reuse_order(ReuseOrder::Lifo),
            Some("fifo") => builder = builder.reuse_order(ReuseOrder::Fifo),
            _ => {}
        }
        if let Some(limit) = self.connect_timeout_ms {
            builder = builder.connect_timeout(limit.duration());
        }
        if let Some(limit) = self.read_timeout_ms {
            builder = builder.read_timeout(limit.duration());
        }
        if let Some(limit) = self.write_timeout_ms {
            builder = builder.write_timeout(limit.duration());
        }
        if let Some(bytes) = self.max_header {
            builder = builder.max_response_header_size(bytes);
        }
        if let Some(bytes) = self.max_body {
            builder = builder.max_response_body_size(bytes);
        }
        if let Some(agent) = self.user_agent.clone() {
            builder = builder.user_agent(agent);
        }
        if let Some(names) = self.resolve.clone() {
            builder = builder.resolver(move |name: &str| resolve(&names, name));
        }
        self.reach(builder)
    }

    /// How hosts are reached.
    fn reach<K>(&self, mut builder: ClientBuilder<K>) -> Result<ClientBuilder<K>, Failure> {
        match (self.proxy.as_deref(), &self.no_proxy) {
            (None, _) => {}
            (Some("env"), None) => builder = builder.proxy(Proxy::from_env()?),
            (Some("env"), Some(direct)) => builder = builder.proxy(Proxy::from_env()?.no_proxy(direct)),
            (Some(url), direct) => {
                let direct = direct.as_deref().unwrap_or_default();
                builder = builder.proxy(Proxy::new(url)?.no_proxy(direct));
            }
        }
        Ok(builder)
    }
}

/// A resolver that knows some names, and asks the system for the others.
fn resolve(names: &HashMap<String, Resolved>, name: &str) -> io::Result<Vec<IpAddr>> {
    match names.get(name) {
        Some(known) => {
            thread::sleep(known.delay_ms.map(Millis::duration).unwrap_or_default());
            Ok(known.addrs.clone())
        }
        None => Ok((name, 0).to_socket_addrs()?.map(|addr| addr.ip()).collect()),
    }
}

/// Carries a request out as often as it is asked for.
fn runs(asked: &Asked, client: &AnyClient) -> Value {
    let unsupported = asked.unsupported(client);
    if !unsupported.is_empty() {
        return json!({ "unsupported": unsupported });
    }
    let run = || serde_json::to_value(run(asked, client)).unwrap_or_default();
    match asked.repeat {
        Some(times) if times > 1 => json!({"runs": (0..times).map(|_| run()).collect::<Vec<_>>()}),
        _ => run(),
    }
}

/// What came of a request.
#[derive(Default, Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<[String; 2]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trailers: Option<Vec<[String; 2]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(flatten)]
    body: Option<Received>,
    #[serde(flatten)]
    conn: Option<Conn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_ms: Option<f64>,
    total_ms: f64,
    #[serde(flatten)]
    failure: Option<Failure>,
}

/// The connection it went over.
#[derive(Serialize)]
struct Conn {
    remote: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<String>,
    conn_requests: u64,
}

#[derive(Serialize)]
struct Failure {
    error: &'static str,
    message: String,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self { error: name(error.kind()), message: error.to_string() }
    }
}

/// What reading a body has failed with.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind =
            error.get_ref().and_then(|inner| inner.downcast_ref::<ClientError>()).map(ClientError::kind);
        Self { error: kind.map_or("other", name), message: error.to_string() }
    }
}

fn name(kind: ClientErrorKind) -> &'static str {
    match kind {
        ClientErrorKind::InvalidRequest | ClientErrorKind::RequestBody => "invalid_request",
        ClientErrorKind::Resolve => "dns",
        ClientErrorKind::Connect => "connect",
        ClientErrorKind::Proxy => "proxy",
        ClientErrorKind::Tls => "tls",
        ClientErrorKind::NoFreeConns => "no_free_conns",
        ClientErrorKind::PipelineOverflow => "overflow",
        ClientErrorKind::Timeout(_) => "timeout",
        ClientErrorKind::Cancelled => "cancelled",
        ClientErrorKind::ConnectionClosed => "closed",
        ClientErrorKind::Protocol(_) => "protocol",
        ClientErrorKind::TooLarge => "too_large",
        ClientErrorKind::Decode => "decode",
        ClientErrorKind::Redirect(_) => "redirect",
        _ => "other",
    }
}

fn run(asked: &Asked, client: &AnyClient) -> Answer {
    if let Some(pause) = asked.start_ms {
        thread::sleep(pause.duration());
    }
    let start = Instant::now();
    let millis = || start.elapsed().as_secs_f64() * 1000.0;
    let token = asked.cancel_ms.map(cancel_after);
    let mut answer = Answer::default();
    let sent = match client {
        AnyClient::General(client) => send(asked, client, token.as_ref()),
        AnyClient::Host(client) => send_to_host(asked, client, token.as_ref()),
        AnyClient::Pipeline(client) => {
            send_whole(asked, |request| Ok(limited(client.call(request), asked, token.as_ref()).send()?))
        }
        AnyClient::Balance(client, _) => {
            send_whole(asked, |request| Ok(limited(client.call(request), asked, token.as_ref()).send()?))
        }
    };
    match sent {
        Ok(response) => {
            answer.head_ms = Some(millis());
            answer.receive(response, asked);
        }
        Err(failure) => answer.failure = Some(failure),
    }
    answer.total_ms = millis();
    answer
}

/// A token that somebody else cancels after that time.
fn cancel_after(pause: Millis) -> CancelToken {
    let token = CancelToken::new();
    let cancelled = token.clone();
    thread::spawn(move || {
        thread::sleep(pause.duration());
        cancelled.cancel();
    });
    token
}

fn send(asked: &Asked, client: &Client, token: Option<&CancelToken>) -> Result<ClientResponse, Failure> {
    let mut request = client.request(&asked.method, &asked.url);
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    if asked.close {
        request = request.header("Connection", "close");
    }
    match asked.body.as_ref().map(Body::to_send) {
        Some(ToSend::Bytes(bytes)) => request = request.body(bytes),
        Some(ToSend::Reader(reader)) => request = request.send_body(reader),
        None => {}
    }
    if let Some(limit) = asked.timeout_ms {
        request = request.timeout(limit.duration());
    }
    if asked.expect {
        request = request.expect_continue(CONTINUE_WAIT);
    }
    if let Some(token) = token {
        request = request.cancel_with(token);
    }
    Ok(request.send()?)
}

fn send_to_host(
    asked: &Asked,
    client: &HostClient,
    token: Option<&CancelToken>,
) -> Result<ClientResponse, Failure> {
    let (request, reader) = request_of(asked)?;
    let mut call = client.call(&request);
    if let Some(body) = reader {
        call = call.body(body);
    }
    if let Some(limit) = asked.timeout_ms {
        call = call.timeout(limit.duration());
    }
    if asked.expect {
        call = call.expect_continue(CONTINUE_WAIT);
    }
    if let Some(token) = token {
        call = call.cancel_with(token);
    }
    Ok(call.send()?)
}

/// Sends a request that has its body in memory.
fn send_whole(
    asked: &Asked,
    send: impl FnOnce(&Request) -> Result<ClientResponse, Failure>,
) -> Result<ClientResponse, Failure> {
    send(&request_of(asked)?.0)
}

fn limited<'a>(mut call: LimitedCall<'a>, asked: &Asked, token: Option<&CancelToken>) -> LimitedCall<'a> {
    if let Some(limit) = asked.timeout_ms {
        call = call.timeout(limit.duration());
    }
    match token {
        Some(token) => call.cancel_with(token),
        None => call,
    }
}

/// The request, and its body if that is a reader.
fn request_of(asked: &Asked) -> Result<(Request, Option<SendBody<'static>>), Failure> {
    let invalid =
        |error: &dyn std::error::Error| Failure { error: "invalid_request", message: error.to_string() };
    let mut request = Request::new(&asked.method, &asked.url).map_err(|error| invalid(&error))?;
    for (name, value) in &asked.headers {
        request.append_header(name, value);
    }
    if asked.close {
        request.append_header("Connection", "close");
    }
    match asked.body.as_ref().map(Body::to_send) {
        Some(ToSend::Bytes(bytes)) => request.set_body_vec(bytes),
        Some(ToSend::Reader(body)) => return Ok((request, Some(body))),
        None => {}
    }
    Ok((request, None))
}

/// A body as it is handed over.
enum ToSend {
    Bytes(Vec<u8>),
    Reader(SendBody<'static>),
}

impl Body {
    fn to_send(&self) -> ToSend {
        if let Some(text) = &self.text {
            return ToSend::Bytes(text.clone().into_bytes());
        }
        let generated = Generated { at: 0, end: self.size };
        if !self.stream {
            return ToSend::Bytes(ALPHABET.iter().copied().cycle().take(to_usize(self.size)).collect());
        }
        ToSend::Reader(match self.chunked {
            true => SendBody::new(generated),
            false => SendBody::sized(generated, self.declared.unwrap_or(self.size)),
        })
    }
}

/// The alphabet over and over.
struct Generated {
    at: u64,
    end: u64,
}

impl Read for Generated {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = into.len().min(to_usize(self.end - self.at));
        let letters = ALPHABET.iter().cycle().skip(to_usize(self.at % ALPHABET.len() as u64));
        into[..count].iter_mut().zip(letters).for_each(|(byte, letter)| *byte = *letter);
        self.at += count as u64;
        Ok(count)
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// What has come of a body.
#[derive(Serialize)]
struct Received {
    body_len: u64,
    body_sha256: String,
    body_prefix: String,
}

impl Answer {
    /// Says what the head of the response says, and reads its body.
    fn receive(&mut self, mut response: ClientResponse, asked: &Asked) {
        self.status = Some(response.status_code());
        self.reason = Some(as_code_points(response.reason()));
        self.headers = Some(pairs(response.headers()));
        self.url = response.uri().map(Uri::to_string);
        self.conn = Some(Conn {
            remote: response.remote_addr().to_string(),
            local: response.local_addr().map(|addr| addr.to_string()),
            conn_requests: response.conn_requests(),
        });
        if response.status_code() == 101 {
            return;
        }
        let mut received = Tally::default();
        let outcome = match asked.read {
            Some(most) => received.read(&mut response.by_ref().take(most)),
            None if asked.stream => received.read(&mut response),
            None => response.read_body().map(|body| received.add(&body)).map_err(Failure::from),
        };
        self.failure = outcome.err();
        self.trailers = Some(pairs(response.trailers()));
        self.body = Some(received.into());
    }
}

/// Counts and digests what it is given.
#[derive(Default)]
struct Tally {
    count: u64,
    digest: Sha256,
    prefix: Vec<u8>,
}

impl Tally {
    fn read(&mut self, body: &mut impl Read) -> Result<(), Failure> {
        let mut room = vec![0; 64 * 1024];
        loop {
            match body.read(&mut room) {
                Ok(0) => return Ok(()),
                Ok(count) => self.add(&room[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        self.digest.update(bytes);
        let missing = PREFIX_BYTES - self.prefix.len();
        self.prefix.extend(bytes.iter().take(missing));
    }
}

impl From<Tally> for Received {
    fn from(tally: Tally) -> Self {
        Self {
            body_len: tally.count,
            body_sha256: tally.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            body_prefix: as_code_points(&tally.prefix),
        }
    }
}

fn pairs(fields: Fields<'_>) -> Vec<[String; 2]> {
    fields.iter().map(|(name, value)| [name.to_owned(), as_code_points(value)]).collect()
}

/// Each byte as the character of that number.
fn as_code_points(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
