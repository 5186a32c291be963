//! The client that sends each request by that of several clients which has the least to do.
//!
//! The rules: how much is pending is asked of each client first, and under no lock; then one is chosen and counted
//! under one, with what others have chosen meanwhile, so that calls that begin together do not all choose the same.
//! What is known of a client is what was seen of it lately: a failure counts like a request that is under way, for a
//! while.

use super::balanced_client::{BalancedClient, LimitedCall};
use super::error::{ClientError, ClientErrorKind};
use super::response::ClientResponse;
use crate::message::request::Request;
use anthill_pool::CancelToken;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a failure counts.
const PENALTY_LASTS: Duration = Duration::from_secs(3);

/// How many failures count at once.
const PENALTIES_MAX: usize = 300;

/// A client that balances its requests between several others: [`HostClient`](super::HostClient)s,
/// [`PipelineClient`](super::PipelineClient)s, or whatever is a [`BalancedClient`].
///
/// Each request goes to the client with the fewest pending requests, and of those to the one that was chosen least. An
/// unhealthy outcome counts like a request that is pending, for 3 s; 300 of them count at most. So a client that fails
/// gets few requests, and some, by which it is found when it is well again. A request that has failed is not sent to
/// another client. A clone is the same client, and may go to any thread.
///
/// ```
/// use anthill_http::{Request, Server};
/// use anthill_http::client::{HostClient, LbClient};
///
/// let serve = |name: &'static str| Server::new(move |ctx| ctx.set_body(name))?.start("127.0.0.1:0");
/// let servers = [serve("one")?, serve("two")?];
/// let host = |addr: std::net::SocketAddr| HostClient::new(addr.to_string());
/// let client = LbClient::new([host(servers[0].local_addr())?, host(servers[1].local_addr())?])?;
/// let request = Request::new("GET", "/")?;
/// let mut answers = [client.send(&request)?.text()?, client.send(&request)?.text()?];
/// answers.sort();
/// assert_eq!(answers, ["one", "two"]);
///
/// let gone = servers[0].local_addr().to_string();
/// assert_eq!(client.remove_clients(|client| client.addrs().any(|addr| addr == gone)), 1);
/// assert_eq!(client.send(&request)?.text()?, "two");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LbClient<C> {
    shared: Arc<SharedBalance<C>>,
}

/// What all clones have in common.
struct SharedBalance<C> {
    members: Mutex<Vec<Arc<BalancedMember<C>>>>,
    /// Held by whoever chooses.
    choosing: Mutex<()>,
    timeout: Option<Duration>,
    health_check: HealthCheck,
}

type HealthCheck = Box<dyn Fn(&Request, Result<&ClientResponse, &ClientError>) -> bool + Send + Sync>;

/// One of the clients.
struct BalancedMember<C> {
    client: C,
    score: Mutex<MemberScore>,
}

/// What was seen of a client.
#[derive(Debug, Default)]
struct MemberScore {
    /// How often it was chosen.
    chosen: u64,
    /// Calls that have not returned.
    under_way: usize,
    /// When each of its failures ends to count.
    penalties: VecDeque<Instant>,
}

/// The settings of a [`LbClient`].
///
/// ```
/// use anthill_http::client::{HostClient, LbClient};
/// use std::time::Duration;
///
/// let client = LbClient::builder()
///     .client(HostClient::new("10.0.0.1:8080")?)
///     .client(HostClient::new("10.0.0.2:8080")?)
///     .timeout(Duration::from_secs(1))
///     // What a server says of itself counts as well.
///     .health_check(|_, outcome| outcome.is_ok_and(|response| response.status_code() < 500))
///     .build()?;
/// assert_eq!(client.len(), 2);
/// # Ok::<(), anthill_http::client::ClientError>(())
/// ```
#[must_use = "it does nothing before build is called"]
pub struct LbClientBuilder<C> {
    clients: Vec<C>,
    timeout: Option<Duration>,
    health_check: HealthCheck,
}

impl<C: BalancedClient> LbClient<C> {
    /// A client over `clients`, with the default settings.
    ///
    /// # Errors
    /// [`NoAvailableClients`](ClientErrorKind::NoAvailableClients) when there is none.
    pub fn new(clients: impl IntoIterator<Item = C>) -> Result<Self, ClientError> {
        Self::builder().clients(clients).build()
    }

    /// Settings for a client.
    pub fn builder() -> LbClientBuilder<C> {
        LbClientBuilder { clients: Vec::new(), timeout: None, health_check: Box::new(is_healthy) }
    }

    /// Sends `request` by the client with the least to do, and waits for the head of the response.
    ///
    /// # Errors
    /// [`NoAvailableClients`](ClientErrorKind::NoAvailableClients) when none is left, and those of the client.
    pub fn send(&self, request: &Request) -> Result<ClientResponse, ClientError> {
        self.call(request).send()
    }

    /// As [`send`](Self::send), with another limit than [`timeout`](LbClientBuilder::timeout). Zero fails at once.
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

    /// Adds a client, and says how many there are then. Among those that have as much to do it is chosen as often as
    /// the others from now on.
    pub fn add_client(&self, client: C) -> usize {
        let mut members = self.shared.members.lock();
        let chosen = members.iter().map(|member| member.score.lock().chosen).min().unwrap_or(0);
        members.push(BalancedMember::new(client, chosen));
        members.len()
    }

    /// Removes the clients of which `is_gone` says so, and says how many are left. Calls that are under way go on.
    ///
    /// `is_gone` must not use this client.
    pub fn remove_clients(&self, mut is_gone: impl FnMut(&C) -> bool) -> usize {
        let mut gone = Vec::new();
        let left = {
            let mut members = self.shared.members.lock();
            members.retain(|member| {
                let is_gone = is_gone(&member.client);
                if is_gone {
                    gone.push(member.clone());
                }
                !is_gone
            });
            members.len()
        };
        // Their connections are closed outside of the lock.
        drop(gone);
        left
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        self.shared.members.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many calls have not ended, of all clients.
    pub fn pending_requests(&self) -> usize {
        let members = self.shared.members.lock().clone();
        members.iter().map(|member| member.client.pending_requests()).sum()
    }

    /// The client whose turn it is.
    fn choose(&self) -> Option<Arc<BalancedMember<C>>> {
        let members = self.shared.members.lock().clone();
        // User code, which may come back here.
        let asked: Vec<(u64, usize)> = members
            .iter()
            .map(|member| {
                let chosen = member.score.lock().chosen;
                (chosen, member.client.pending_requests())
            })
            .collect();
        let now = Instant::now();
        let _choosing = self.shared.choosing.lock();
        let load = |(member, (chosen, pending)): &(&Arc<BalancedMember<C>>, (u64, usize))| {
            member.score.lock().load(*pending, *chosen, now)
        };
        let (chosen, _) = members.iter().zip(asked).min_by_key(load)?;
        chosen.score.lock().choose();
        Some(chosen.clone())
    }
}

impl<C: BalancedClient> BalancedClient for LbClient<C> {
    fn send_within(
        &self,
        request: &Request,
        limit: Option<Duration>,
        token: Option<&CancelToken>,
    ) -> Result<ClientResponse, ClientError> {
        let member = self.choose().ok_or_else(|| ClientError::new(ClientErrorKind::NoAvailableClients))?;
        let under_way = UnderWay(&member.score);
        let outcome = member.client.send_within(request, limit.or(self.shared.timeout), token);
        drop(under_way);
        if !(self.shared.health_check)(request, outcome.as_ref()) {
            member.score.lock().penalise(Instant::now());
        }
        outcome
    }

    fn pending_requests(&self) -> usize {
        Self::pending_requests(self)
    }
}

/// That a call has not returned, or come to a panic, yet.
struct UnderWay<'a>(&'a Mutex<MemberScore>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut score = self.0.lock();
        score.under_way = score.under_way.saturating_sub(1);
    }
}

/// Whether an outcome says that a client is well. What the caller did himself says nothing of it.
fn is_healthy(_: &Request, outcome: Result<&ClientResponse, &ClientError>) -> bool {
    use ClientErrorKind::{Cancelled, InvalidRequest};
    outcome.map_or_else(|error| matches!(error.kind(), Cancelled | InvalidRequest), |_| true)
}

impl<C> BalancedMember<C> {
    fn new(client: C, chosen: u64) -> Arc<Self> {
        Arc::new(Self { client, score: Mutex::new(MemberScore { chosen, ..MemberScore::default() }) })
    }
}

impl MemberScore {
    /// What a client has to do at `now`; the least is chosen. `pending`: how many requests were pending there when it
    /// had been `chosen` so often.
    fn load(&mut self, pending: usize, chosen: u64, now: Instant) -> (usize, u64) {
        while self.penalties.front().is_some_and(|end| *end <= now) {
            self.penalties.pop_front();
        }
        // Those that it was given since come on top, also when there are bodies still being read, of which nothing is
        // under way here. A call that was given to it just before may not have been pending yet.
        let since = usize::try_from(self.chosen.saturating_sub(chosen)).unwrap_or(usize::MAX);
        let pending = pending.saturating_add(since).max(self.under_way);
        (pending.saturating_add(self.penalties.len()), self.chosen)
    }

    fn choose(&mut self) {
        self.chosen += 1;
        self.under_way += 1;
    }

    /// Takes note of a failure at `now`.
    fn penalise(&mut self, now: Instant) {
        if self.penalties.len() >= PENALTIES_MAX {
            // The newest counts for longest.
            self.penalties.pop_front();
        }
        self.penalties.extend(now.checked_add(PENALTY_LASTS));
    }
}

impl<C: BalancedClient> LbClientBuilder<C> {
    /// Adds a client.
    pub fn client(mut self, client: C) -> Self {
        self.clients.push(client);
        self
    }

    /// Adds clients.
    pub fn clients(mut self, clients: impl IntoIterator<Item = C>) -> Self {
        self.clients.extend(clients);
        self
    }

    /// How long a call may take, up to the last byte of the body of its response. Default: as long as the client by
    /// which it is sent says.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Has `check` decide by an outcome whether its client is healthy. It must not panic. It sees the head of a
    /// response: a body that breaks off later counts for nothing.
    ///
    /// Default: unless there was an error other than [`Cancelled`](ClientErrorKind::Cancelled) and
    /// [`InvalidRequest`](ClientErrorKind::InvalidRequest), which are the caller's own doing. A limit that the caller
    /// has set too short counts as a failure, and so does what the client refuses of a response
    /// ([`TooLarge`](ClientErrorKind::TooLarge), a redirect that it does not follow).
    pub fn health_check(
        mut self,
        check: impl Fn(&Request, Result<&ClientResponse, &ClientError>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.health_check = Box::new(check);
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`NoAvailableClients`](ClientErrorKind::NoAvailableClients) when no client was added.
    pub fn build(self) -> Result<LbClient<C>, ClientError> {
        if self.clients.is_empty() {
            return Err(ClientError::new(ClientErrorKind::NoAvailableClients));
        }
        let members = self.clients.into_iter().map(|client| BalancedMember::new(client, 0)).collect();
        let Self { timeout, health_check, .. } = self;
        Ok(LbClient {
            shared: Arc::new(SharedBalance {
                members: Mutex::new(members),
                choosing: Mutex::default(),
                timeout,
                health_check,
            }),
        })
    }
}

impl<C> Clone for LbClient<C> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<C> fmt::Debug for LbClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LbClient")
            .field("clients", &self.shared.members.lock().len())
            .field("timeout", &self.shared.timeout)
            .finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for LbClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LbClientBuilder")
            .field("clients", &self.clients.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_for_a_while_and_not_without_end() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut score = MemberScore::default();
        score.penalise(at(0));
        score.penalise(at(1000));
        assert_eq!(load(&mut score, 4, at(1000)), (6, 0));
        assert_eq!(load(&mut score, 4, at(2999)), (6, 0));
        assert_eq!(load(&mut score, 4, at(3000)), (5, 0));
        assert_eq!(load(&mut score, 0, at(4000)), (0, 0));
        for millis in 0..400 {
            score.penalise(at(5000 + millis));
        }
        assert_eq!(load(&mut score, 0, at(5400)), (300, 0));
        // The first hundred were pushed out by the last.
        assert_eq!(load(&mut score, 0, at(8099)), (300, 0));
        assert_eq!(load(&mut score, 0, at(8100)), (299, 0));
        assert_eq!(load(&mut score, 0, at(8399)), (0, 0));
    }

    #[test]
    fn what_is_pending_counts_once_and_ties_are_told_apart_by_use() {
        let now = Instant::now();
        let mut score = MemberScore::default();
        score.choose();
        score.choose();
        // One of them is pending where it was sent, with two of others.
        assert_eq!((load(&mut score, 1, now), load(&mut score, 3, now)), ((2, 2), (3, 2)));
        let score = Mutex::new(score);
        drop(UnderWay(&score));
        assert_eq!(load(&mut score.lock(), 0, now), (1, 2));
    }

    #[test]
    fn what_was_chosen_since_a_client_was_asked_comes_on_top() {
        let now = Instant::now();
        // Ten bodies are being read there, and nothing else is under way.
        let asked = 1;
        let mut score = MemberScore { chosen: asked, ..MemberScore::default() };
        assert_eq!(score.load(10, asked, now).0, 10);
        score.choose();
        score.choose();
        assert_eq!(score.load(10, asked, now).0, 12);
        assert_eq!(score.load(12, score.chosen, now).0, 12, "they are pending there by now");
    }

    /// The load of a client that was asked just now.
    fn load(score: &mut MemberScore, pending: usize, now: Instant) -> (usize, u64) {
        score.load(pending, score.chosen, now)
    }
}
