//! The client that sends requests before those before them are answered.
//!
//! The idea: a call chooses one of a few connections ([`PipelineConn`]), on which it waits with others. What it sends
//! is copied first, so a caller can leave when his time is up while what was begun is sent to its end. Addresses,
//! connecting, ages and the watch over what is idle are those of a client of one host.

use super::balanced_client::{BalancedClient, LimitedCall};
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::exchange::{append_whole, check};
use super::host::{HostClient, HostClientStats};
use super::options::ClientBuilder;
use super::patience::CallPatience;
use super::pipe::{PipeUse, PipelineConn};
use super::pipe_call::{PendingPlace, PipelinedBytes, PipelinedCall, PipelinedOutcome};
use super::pipe_conn::PipeTerms;
use super::places::{HostPlaces, ReuseOrder};
use super::response::{COLLECTED_BYTES_MAX, ClientResponse};
use super::retry::{FailedAttempt, is_idempotent};
use super::settings::HostSettings;
use crate::message::request::Request;
use crate::proto::Limits;
use anthill_pool::CancelToken;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A client for one host that sends requests without waiting for the responses to those before (RFC 9112 section
/// 9.3.2), over few connections: for many threads with small requests to a server that is quick to answer.
///
/// ```text
/// threads     ──▶ queue ──▶ request 3, request 2, request 1 ──▶ server
///    ▲                                                             │
///    └───────────── response 1, response 2, response 3 ◀───────────┘
/// ```
///
/// Each call blocks its thread until its response is there, whole; the threads that wait do the reading and writing for
/// all, so there is no thread besides, but the one that watches idle connections. A clone is the same client, and may
/// go to any thread.
///
/// # What to know
/// * A response that takes long holds up those behind it on its connection. That is the price; where it matters a
///   [`HostClient`] is the better choice.
/// * A call that ends early ([`send_timeout`](Self::send_timeout), a token) is not sent if the system has taken nothing
///   of it. Otherwise it is sent to its end, its response is thrown away when it comes, and those behind it keep
///   theirs. A connection on which a call got nothing in all its time, and nothing else came, gets no new requests
///   before something comes; and it is closed when nobody waits any more for what was begun on it.
/// * When a connection ends, requests of which nothing was sent go over the next one. Those that were sent are repeated
///   when that is safe, as [`max_attempts`](ClientBuilder::max_attempts) says, or when the server had said with a
///   response that it ends behind it (`Connection: close`, a length, and not a byte more); the others fail with
///   [`ConnectionClosed`](ClientErrorKind::ConnectionClosed). What is repeated goes behind those that wait. Then one
///   request goes first, and the number of those under way doubles with each response.
/// * Requests follow those that are not idempotent, too, where RFC 9112 would rather have them wait. What is lost with
///   a connection is told apart as above; where that is not enough, send such requests by a [`HostClient`].
/// * A response of success that comes before its request was sent waits for the rest of that. Any other ends the
///   sending, and with it the connection.
/// * A server that answers one request twice cannot be told from one that answers the next as well, if that was sent
///   already. Pipeline only to servers that you trust to count.
///
/// # Bounds
/// Each call keeps a copy of its request, and at most
/// [`max_pending_requests`](ClientBuilder::max_pending_requests) per connection wait. Of each connection one response
/// at a time is read, of at most [`max_response_body_size`](ClientBuilder::max_response_body_size), or 10 MiB. Reading
/// and writing go on side by side, so a server that reads nothing before its responses are read holds nothing up.
///
/// ```
/// use anthill_http::{Request, Server};
/// use anthill_http::client::PipelineClient;
///
/// let running = Server::new(|ctx| {
///     let path = ctx.request.path().to_owned();
///     ctx.set_body(path);
/// })?
/// .start("127.0.0.1:0")?;
/// let client = PipelineClient::new(running.local_addr().to_string())?;
/// std::thread::scope(|scope| {
///     for number in 0..8 {
///         let client = &client;
///         scope.spawn(move || {
///             let path = format!("/{number}");
///             let request = Request::new("GET", &path).unwrap();
///             assert_eq!(client.send(&request).unwrap().text().unwrap(), path);
///         });
///     }
/// });
/// assert_eq!((client.stats().open, client.pending_requests()), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PipelineClient {
    shared: Arc<SharedPipeline>,
}

/// What all clones have in common.
struct SharedPipeline {
    host: HostClient,
    own: PipelinedHost,
    terms: PipeTerms,
    /// Those that were needed so far.
    pipes: Mutex<Vec<Arc<PipelineConn>>>,
    /// The right to wait for a response.
    places: Arc<HostPlaces<()>>,
}

/// What a [`ClientBuilder`] knows of a client that pipelines.
#[derive(Clone, Debug)]
pub struct PipelinedHost {
    addrs: String,
    pending_max: usize,
    batch_delay: Duration,
}

/// The builder of a [`PipelineClient`].
pub type PipelineClientBuilder = ClientBuilder<PipelinedHost>;

/// What a client that pipelines is told alone.
impl ClientBuilder<PipelinedHost> {
    /// The most calls that are under way or queued for each connection; at least 1. Default 1024.
    ///
    /// When there are as many for all [`max_conns`](Self::max_conns) connections, a call waits for
    /// [`conn_wait_timeout`](Self::conn_wait_timeout), in the order of arrival, and fails with
    /// [`PipelineOverflow`](ClientErrorKind::PipelineOverflow) then; by default at once.
    pub fn max_pending_requests(mut self, calls: usize) -> Self {
        self.kind.pending_max = calls;
        self
    }

    /// How long a request waits for others, to be sent together with them. Default zero: not at all; what has come
    /// together while something else was written is sent together anyway.
    pub fn max_batch_delay(mut self, delay: Duration) -> Self {
        self.kind.batch_delay = delay;
        self
    }

    /// The client. Nothing is resolved or connected before its first call.
    ///
    /// # Errors
    /// [`InvalidRequest`](ClientErrorKind::InvalidRequest) when there is no address, one of them is no `host:port`, or
    /// a setting has no meaning: a number that is zero, control characters in [`user_agent`](Self::user_agent).
    pub fn build(self) -> Result<PipelineClient, ClientError> {
        self.settings.check()?;
        if self.kind.pending_max == 0 {
            let why = "max_pending_requests is 0; allow one at least";
            return Err(ClientError::because(ClientErrorKind::InvalidRequest, why));
        }
        let mut settings = self.settings.into_host_settings();
        // What is sent is made before it is known over which connection.
        settings.dialling.always_tunnels = true;
        let terms = terms_of(&settings);
        let most = settings.pool.conns_max.saturating_mul(self.kind.pending_max);
        let host = HostClient::with_settings(&self.kind.addrs, settings)?;
        let places = Arc::new(HostPlaces::new(most, 0, ReuseOrder::Lifo));
        let pipes = Mutex::default();
        Ok(PipelineClient { shared: Arc::new(SharedPipeline { host, own: self.kind, terms, pipes, places }) })
    }
}

fn terms_of(settings: &HostSettings) -> PipeTerms {
    let limits = &settings.limits;
    PipeTerms {
        limits: Limits {
            head_bytes_max: limits.head_bytes,
            fields_max: limits.fields,
            body_bytes_max: Some(limits.body_bytes.unwrap_or(COLLECTED_BYTES_MAX)),
            ..Limits::DEFAULT
        },
        body_max: limits.body_bytes,
        read: settings.timeouts.read,
        write: settings.timeouts.write,
        ages: settings.pool.ages,
        ratio_max: limits.ratio,
    }
}

impl PipelineClient {
    /// A client with the default settings for `addrs`: `host:port`, or several of them, separated by commas. Without a
    /// port it is 80, or 443 if connections are to be encrypted.
    ///
    /// # Errors
    /// When one of them is not of that form, or there is none.
    pub fn new(addrs: impl Into<String>) -> Result<Self, ClientError> {
        Self::builder(addrs).build()
    }

    /// Settings for a client for `addrs`, as [`new`](Self::new) takes them. By default it has one connection.
    pub fn builder(addrs: impl Into<String>) -> PipelineClientBuilder {
        let kind = PipelinedHost { addrs: addrs.into(), pending_max: 1024, batch_delay: Duration::ZERO };
        ClientBuilder::of(kind).decompress(false).max_conns(1)
    }

    /// Sends `request` with its body, and waits for the response, whose body is there when this returns.
    ///
    /// An absolute target is sent as path and query; a request without a host names the first address. The request is
    /// not changed, and can be sent again. One that asks for the end of its connection has no others behind it.
    ///
    /// # Errors
    /// See [`ClientErrorKind`]. [`InvalidRequest`](ClientErrorKind::InvalidRequest) also for one that asks for another
    /// protocol, which cannot begin on a connection that others share.
    pub fn send(&self, request: &Request) -> Result<ClientResponse, ClientError> {
        self.call(request).send()
    }

    /// As [`send`](Self::send), with another limit than the client's [`timeout`](ClientBuilder::timeout). Zero fails
    /// at once.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub fn send_timeout(&self, request: &Request, limit: Duration) -> Result<ClientResponse, ClientError> {
        self.call(request).timeout(limit).send()
    }

    /// A call to be told more about before it is sent.
    pub fn call<'a>(&'a self, request: &'a Request) -> LimitedCall<'a> {
        LimitedCall::new(self, request)
    }

    /// Where the server can be reached, as it was said.
    pub fn addrs(&self) -> impl Iterator<Item = &str> {
        self.shared.host.addrs()
    }

    /// How many calls have no response yet: those under way, those in queues, and those that wait for room there. A
    /// call that was given up counts until its response was thrown away, if it was sent.
    pub fn pending_requests(&self) -> usize {
        let (pending, _, waiting) = self.shared.places.counts();
        pending + waiting
    }

    /// How many connections there are now, and how many calls wait for room in the queues.
    pub fn stats(&self) -> HostClientStats {
        let (_, _, waiting) = self.shared.places.counts();
        HostClientStats { waiting, ..self.shared.host.stats() }
    }

    /// Closes the connections that are idle now.
    pub fn close_idle_conns(&self) {
        self.shared.host.close_idle_conns();
    }

    /// Forgets the addresses of names, so that new connections ask anew.
    pub fn flush_dns_cache(&self) {
        self.shared.host.flush_dns_cache();
    }
}

impl BalancedClient for PipelineClient {
    fn send_within(
        &self,
        request: &Request,
        limit: Option<Duration>,
        token: Option<&CancelToken>,
    ) -> Result<ClientResponse, ClientError> {
        let limit = limit.or(self.shared.host.shared().settings.timeouts.whole);
        self.shared.run(request, &CallPatience::new(limit, token))
    }

    fn pending_requests(&self) -> usize {
        Self::pending_requests(self)
    }
}

impl SharedPipeline {
    fn run(&self, request: &Request, patience: &CallPatience) -> Result<ClientResponse, ClientError> {
        let host = self.host.shared();
        check(request, None, host.settings.tls.is_some())?;
        let cancelled = || ClientError::new(ClientErrorKind::Cancelled);
        let (pipe, place) = self.choose(patience).map_err(|error| match patience.is_cancelled() {
            true => cancelled(),
            false => error,
        })?;
        // Those who wait for room have no copies yet.
        let bytes = self.bytes_of(request)?;
        let call = PipelinedCall::new(bytes, place);
        let own = &self.own;
        let how =
            PipeUse { host, terms: &self.terms, batch_delay: own.batch_delay, pending_max: own.pending_max };
        let mut number = 1;
        loop {
            let outcome = pipe.run(&how, &call, patience);
            if patience.is_cancelled() {
                return Err(cancelled());
            }
            let PipelinedOutcome { result, is_safe, was_reused } = outcome;
            let is_answered = result
                .as_ref()
                .is_ok_and(|response| !host.settings.retry.statuses.contains(&response.status_code()));
            let failed = FailedAttempt { request, number, outcome: result.as_ref(), is_safe, was_reused };
            let pause = if is_answered { None } else { host.settings.retry.pause_after(&failed) };
            match pause {
                Some(pause) if patience.until().left().is_none_or(|left| pause < left) => {
                    log::debug!("a pipelined request is sent again after attempt {number}, in {pause:?}");
                    drop(result);
                    patience.pause(pause);
                }
                _ => {
                    // One that is still under way keeps its place until it is not.
                    if !call.is_gone() {
                        call.free_place();
                    }
                    return result;
                }
            }
            number += 1;
        }
    }

    /// What is sent for a request.
    fn bytes_of(&self, request: &Request) -> Result<PipelinedBytes, ClientError> {
        let host = self.host.shared();
        let (defaults, decodes) = host.defaults(request, false);
        let mut bytes = Vec::new();
        let head = append_whole(request, host.host(), defaults, host.may_tunnel(), &mut bytes)?;
        if head.wants_upgrade() {
            let why = "it asks for another protocol, which cannot begin on a connection that others share";
            return Err(ClientError::because(ClientErrorKind::InvalidRequest, why));
        }
        Ok(PipelinedBytes { bytes, head, is_idempotent: is_idempotent(request.method()), decodes })
    }

    /// The connection with the fewest calls, and the right to wait there.
    fn choose(&self, patience: &CallPatience) -> Result<(Arc<PipelineConn>, PendingPlace), ClientError> {
        let settings = &self.host.shared().settings;
        let late = || ClientError::new(ClientErrorKind::Timeout(ClientPhase::FreeConn));
        if patience.is_over() {
            return Err(late());
        }
        let in_line = patience.or_after(Some(settings.timeouts.conn_wait));
        self.places.take(&in_line, patience).map_err(|_| match patience.is_over() {
            true => late(),
            false => ClientError::new(ClientErrorKind::PipelineOverflow),
        })?;
        let pending = |pipe: &Arc<PipelineConn>| pipe.pending.load(Ordering::Relaxed);
        let mut pipes = self.pipes.lock();
        // There is a place, so there is one with room.
        let open = pipes.iter().filter(|pipe| pending(pipe) < self.own.pending_max);
        let least = open.min_by_key(|pipe| (pipe.is_suspected(), pending(pipe))).cloned();
        let pipe = match least {
            Some(pipe) if pending(&pipe) == 0 || pipes.len() >= settings.pool.conns_max => pipe,
            _ => {
                let pipe = Arc::new(PipelineConn::new());
                pipes.push(pipe.clone());
                pipe
            }
        };
        let here: Arc<AtomicUsize> = pipe.pending.clone();
        here.fetch_add(1, Ordering::Relaxed);
        Ok((pipe, PendingPlace { places: self.places.clone(), here }))
    }
}

impl fmt::Debug for PipelineClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineClient")
            .field("addrs", &self.shared.own.addrs)
            .field("stats", &self.stats())
            .field("pending_requests", &self.pending_requests())
            .finish_non_exhaustive()
    }
}
