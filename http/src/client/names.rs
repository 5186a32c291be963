//! The addresses of names: asked for once, kept for a while.
//!
//! The idea: the system's resolver blocks for as long as it likes and cannot be ended. So each look-up runs on a thread
//! of its own, at most one for a name at a time, and whoever wants the addresses is woken when it has ended and waits
//! as long as he likes; a look-up that nobody waits for any more ends unseen and fills the cache.
//!
//! The rule: the user's resolver is called outside of the lock, and a panic of it is a look-up that failed.

use super::error::{ClientError, ClientErrorKind};
use crate::util::panic;
use mio::Waker;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Finds the addresses of a name; the system does unless a client is given another.
///
/// Functions and closures of this shape are resolvers.
///
/// ```
/// use anthill_http::client::{HostClient, Resolve};
/// use std::net::{IpAddr, Ipv4Addr};
///
/// fn fixed(_name: &str) -> std::io::Result<Vec<IpAddr>> {
///     Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
/// }
/// assert_eq!(fixed.resolve("backend.internal")?.len(), 1);
/// let client = HostClient::builder("backend.internal:8080").resolver(fixed).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Resolve: Send + Sync {
    /// The addresses of `name`, in the order in which they are to be tried.
    ///
    /// It may block; a call of the client does not wait longer for it than it has time.
    ///
    /// # Errors
    /// Why they cannot be had. No address at all means the same.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

impl<F> Resolve for F
where
    F: Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync,
{
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self(name)
    }
}

/// The system's resolver.
fn ask_the_system(name: &str) -> io::Result<Vec<IpAddr>> {
    // It wants a port, and does nothing with it.
    Ok((name, 0).to_socket_addrs()?.map(|addr| addr.ip()).collect())
}

/// Look-ups under way at once. Beyond that they wait for one to end.
const LOOKUPS_MAX: usize = 32;

/// Names that are remembered at most; redirects can bring any number of them.
const NAMES_MAX: usize = 1024;

/// The cache; see the module's text. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Names {
    shared: Arc<SharedNames>,
}

struct SharedNames {
    resolver: Box<dyn Resolve>,
    kept_for: Duration,
    state: Mutex<NamesState>,
}

#[derive(Default)]
struct NamesState {
    known: HashMap<String, KnownName>,
    /// The look-up that serves whoever asks for a name now.
    under_way: HashMap<String, Weak<Lookup>>,
    /// Those that no thread has begun with. One that nobody waits for any more is not begun at all.
    queued: VecDeque<(String, Weak<Lookup>)>,
    threads: usize,
}

struct KnownName {
    addrs: Arc<[IpAddr]>,
    until: Instant,
}

/// A look-up that is under way, or has just ended.
#[derive(Default)]
struct Lookup(Mutex<LookupState>);

#[derive(Default)]
struct LookupState {
    outcome: Option<FoundAddrs>,
    /// Who is woken by the end.
    wakers: Vec<Weak<Waker>>,
}

type FoundAddrs = Result<Arc<[IpAddr]>, Arc<io::Error>>;

/// What is known of the addresses of a host.
pub(crate) enum AskedAddrs {
    Known(Vec<SocketAddr>),
    Awaited(AwaitedAddrs),
}

/// Addresses that are being looked up.
pub(crate) struct AwaitedAddrs {
    host: String,
    port: u16,
    lookup: Arc<Lookup>,
}

impl Names {
    /// A cache in front of `resolver` (`None`: the system's), which keeps addresses for so long.
    pub(crate) fn new(resolver: Option<Box<dyn Resolve>>, kept_for: Duration) -> Self {
        let resolver = resolver.unwrap_or_else(|| Box::new(ask_the_system));
        Self { shared: Arc::new(SharedNames { resolver, kept_for, state: Mutex::default() }) }
    }

    /// The addresses of `host`, a name or a literal, with `port`: at least one, if they are known. Else they are being
    /// looked up from now on. Does not wait.
    pub(crate) fn ask(&self, host: &str, port: u16) -> AskedAddrs {
        if let Ok(literal) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return AskedAddrs::Known(vec![SocketAddr::new(literal, port)]);
        }
        let mut state = self.shared.state.lock();
        if let Some(addrs) = state.known(host) {
            return AskedAddrs::Known(with_port(&addrs, port));
        }
        let awaited = |lookup| AskedAddrs::Awaited(AwaitedAddrs { host: host.to_owned(), port, lookup });
        if let Some(lookup) = state.under_way.get(host).and_then(Weak::upgrade) {
            return awaited(lookup);
        }
        let lookup = Arc::new(Lookup::default());
        state.under_way.insert(host.to_owned(), Arc::downgrade(&lookup));
        if state.threads >= LOOKUPS_MAX {
            state.queue(host, &lookup);
            return awaited(lookup);
        }
        state.threads += 1;
        drop(state);
        let (shared, name, own) = (self.shared.clone(), host.to_owned(), lookup.clone());
        let spawned = std::thread::Builder::new()
            .name("anthill-resolve".to_owned())
            .spawn(move || shared.look_up_all(name, own));
        if let Err(error) = spawned {
            self.shared.give_up(host, &lookup, &error);
        }
        awaited(lookup)
    }

    /// Forgets all addresses. Look-ups that are under way serve those who wait for them, and nobody else.
    pub(crate) fn forget(&self) {
        let mut state = self.shared.state.lock();
        state.known.clear();
        state.under_way.clear();
    }
}

impl AwaitedAddrs {
    /// What came of it, if it has ended.
    pub(crate) fn outcome(&self) -> Option<Result<Vec<SocketAddr>, ClientError>> {
        let state = self.lookup.0.lock();
        Some(match state.outcome.as_ref()? {
            Ok(addrs) => Ok(with_port(addrs, self.port)),
            Err(error) => {
                let why = format!("{}: {error}", self.host);
                Err(ClientError::because(ClientErrorKind::Resolve, why))
            }
        })
    }

    /// Has `waker`, while it is kept, called at the end, which may have been before.
    pub(crate) fn wake_at_end(&self, waker: &Arc<Waker>) {
        let mut state = self.lookup.0.lock();
        if state.outcome.is_some() {
            return wake(waker);
        }
        state.wakers.retain(|other| other.strong_count() > 0);
        state.wakers.push(Arc::downgrade(waker));
    }
}

impl NamesState {
    fn known(&mut self, name: &str) -> Option<Arc<[IpAddr]>> {
        let known = self.known.get(name)?;
        if known.until > Instant::now() {
            return Some(known.addrs.clone());
        }
        self.known.remove(name);
        None
    }

    fn keep(&mut self, name: &str, addrs: &Arc<[IpAddr]>, kept_for: Duration) {
        let now = Instant::now();
        let Some(until) = now.checked_add(kept_for) else { return };
        if self.known.len() >= NAMES_MAX && !self.known.contains_key(name) {
            self.known.retain(|_, known| known.until > now);
        }
        if self.known.len() >= NAMES_MAX && !self.known.contains_key(name) {
            // The one that would be forgotten first anyway.
            let first = self.known.iter().min_by_key(|(_, known)| known.until).map(|(name, _)| name.clone());
            first.and_then(|first| self.known.remove(&first));
        }
        self.known.insert(name.to_owned(), KnownName { addrs: addrs.clone(), until });
    }

    fn queue(&mut self, name: &str, lookup: &Arc<Lookup>) {
        // Names can be any number, those who wait are not.
        self.queued.retain(|(_, lookup)| lookup.strong_count() > 0);
        self.under_way.retain(|_, lookup| lookup.strong_count() > 0);
        self.queued.push_back((name.to_owned(), Arc::downgrade(lookup)));
    }

    /// The one that is to be begun with next.
    fn next(&mut self) -> Option<(String, Arc<Lookup>)> {
        while let Some((name, lookup)) = self.queued.pop_front() {
            match lookup.upgrade() {
                Some(lookup) => return Some((name, lookup)),
                None if self.under_way.get(&name).is_some_and(|lookup| lookup.strong_count() == 0) => {
                    self.under_way.remove(&name);
                }
                None => {}
            }
        }
        None
    }
}

impl SharedNames {
    /// Looks `name` up, and then what is queued.
    fn look_up_all(&self, name: String, lookup: Arc<Lookup>) {
        let mut next = Some((name, lookup));
        while let Some((name, lookup)) = next {
            let found = match panic::call(|| self.resolver.resolve(&name)) {
                Ok(Ok(addrs)) if addrs.is_empty() => Err(io::Error::from(io::ErrorKind::NotFound)),
                Ok(Ok(addrs)) => Ok(Arc::from(addrs)),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(io::Error::other("the resolver panicked")),
            };
            next = self.ended(&name, &lookup, found.map_err(Arc::new));
        }
    }

    /// There is no thread for it, nor for what was queued meanwhile.
    fn give_up(&self, name: &str, lookup: &Arc<Lookup>, why: &io::Error) {
        let failed = || Err(Arc::new(io::Error::new(why.kind(), why.to_string())));
        let mut next = self.ended(name, lookup, failed());
        while let Some((name, lookup)) = next {
            next = self.ended(&name, &lookup, failed());
        }
    }

    /// Tells those who wait, and says what the thread is to do next; `None`: it ends.
    fn ended(&self, name: &str, lookup: &Arc<Lookup>, found: FoundAddrs) -> Option<(String, Arc<Lookup>)> {
        let mut state = self.state.lock();
        // One that was forgotten meanwhile may have found what is not true any more.
        if state.under_way.get(name).is_some_and(|own| own.as_ptr() == Arc::as_ptr(lookup)) {
            state.under_way.remove(name);
            if let Ok(addrs) = &found {
                state.keep(name, addrs, self.kept_for);
            }
        }
        let next = state.next();
        if next.is_none() {
            state.threads -= 1;
        }
        drop(state);
        let mut state = lookup.0.lock();
        state.outcome = Some(found);
        for waker in state.wakers.drain(..).filter_map(|waker| waker.upgrade()) {
            wake(&waker);
        }
        next
    }
}

/// Has a poller report that somebody is to look again.
pub(crate) fn wake(waker: &Waker) {
    if let Err(error) = waker.wake() {
        log::warn!("a call that waits for a connection is not woken before its time is up: {error}");
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("kept_for", &self.shared.kept_for).finish_non_exhaustive()
    }
}

fn with_port(addrs: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    addrs.iter().map(|addr| SocketAddr::new(*addr, port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const HOUR: Duration = Duration::from_secs(3600);

    fn one() -> Vec<IpAddr> {
        vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]
    }

    fn known(asked: AskedAddrs) -> Vec<SocketAddr> {
        match asked {
            AskedAddrs::Known(addrs) => addrs,
            AskedAddrs::Awaited(_) => panic!("it is being looked up"),
        }
    }

    fn awaited(asked: AskedAddrs) -> AwaitedAddrs {
        match asked {
            AskedAddrs::Known(addrs) => panic!("it is known: {addrs:?}"),
            AskedAddrs::Awaited(awaited) => awaited,
        }
    }

    /// Redirects bring names without number; the one that is asked for now is known nevertheless.
    #[test]
    fn of_too_many_names_that_goes_which_would_go_next() {
        let mut state = NamesState::default();
        let addrs: Arc<[IpAddr]> = one().into();
        for number in 0..NAMES_MAX {
            // The one in the middle would be the first to go.
            let kept_for = if number == NAMES_MAX / 2 { HOUR / 2 } else { HOUR };
            state.keep(&number.to_string(), &addrs, kept_for);
        }
        state.keep("0", &addrs, HOUR);
        assert!(
            state.known(&(NAMES_MAX / 2).to_string()).is_some(),
            "there is room for a name that is known"
        );
        state.keep("another", &addrs, HOUR);
        assert!(state.known("another").is_some() && state.known("0").is_some());
        assert!(state.known(&(NAMES_MAX / 2).to_string()).is_none());
        assert_eq!(state.known.len(), NAMES_MAX);
    }

    /// Waits for the end.
    fn end(awaited: &AwaitedAddrs) -> Result<Vec<SocketAddr>, ClientError> {
        loop {
            match awaited.outcome() {
                Some(outcome) => return outcome,
                None => std::thread::yield_now(),
            }
        }
    }

    /// A cache whose resolver counts, and hangs while the gate is closed.
    fn gated() -> (Names, Arc<AtomicUsize>, Arc<Mutex<()>>) {
        let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(())));
        let (counted, held) = (asked.clone(), gate.clone());
        let resolver = move |_: &str| {
            counted.fetch_add(1, Ordering::SeqCst);
            let _open = held.lock();
            Ok(one())
        };
        (Names::new(Some(Box::new(resolver)), HOUR), asked, gate)
    }

    #[test]
    fn literals_are_not_asked_for() {
        let never = |_: &str| -> io::Result<Vec<IpAddr>> { panic!("a literal needs no resolver") };
        let names = Names::new(Some(Box::new(never)), HOUR);
        let found = |host| known(names.ask(host, 80))[0].to_string();
        assert_eq!(found("192.0.2.7"), "192.0.2.7:80");
        assert_eq!(found("[::1]"), "[::1]:80");
        assert_eq!(found("::1"), "[::1]:80");
    }

    #[test]
    fn one_look_up_serves_all_who_wait_and_those_who_come_later() {
        let (names, asked, gate) = gated();
        let closed = gate.lock();
        let waiting: Vec<AwaitedAddrs> = (0..3).map(|_| awaited(names.ask("a", 1))).collect();
        assert!(waiting.iter().all(|awaited| awaited.outcome().is_none()));
        drop(closed);
        for awaited in &waiting {
            assert_eq!(end(awaited).expect("it ends").len(), 1);
        }
        assert_eq!(known(names.ask("a", 2)).len(), 1);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        names.forget();
        assert!(end(&awaited(names.ask("a", 2))).is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_is_forgotten_while_it_is_looked_up_is_not_kept() {
        let (names, asked, gate) = gated();
        let closed = gate.lock();
        let before = awaited(names.ask("a", 1));
        names.forget();
        let behind = awaited(names.ask("a", 1));
        assert!(!Arc::ptr_eq(&before.lookup, &behind.lookup), "whoever comes later asks anew");
        drop(closed);
        assert!(end(&before).is_ok() && end(&behind).is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert_eq!(known(names.ask("a", 1)).len(), 1);
    }

    #[test]
    fn look_ups_beyond_the_limit_wait_and_those_of_nobody_are_not_begun() {
        let (names, asked, gate) = gated();
        let closed = gate.lock();
        let first: Vec<AwaitedAddrs> =
            (0..LOOKUPS_MAX).map(|number| awaited(names.ask(&number.to_string(), 1))).collect();
        let queued = awaited(names.ask("queued", 1));
        drop(awaited(names.ask("of nobody", 1)));
        drop(awaited(names.ask("0", 1)));
        while asked.load(Ordering::SeqCst) < LOOKUPS_MAX {
            std::thread::yield_now();
        }
        drop(closed);
        assert!(first.iter().all(|awaited| end(awaited).is_ok()) && end(&queued).is_ok());
        while names.shared.state.lock().threads > 0 {
            std::thread::yield_now();
        }
        assert_eq!(asked.load(Ordering::SeqCst), LOOKUPS_MAX + 1);
        assert!(names.shared.state.lock().under_way.is_empty());
    }

    #[test]
    fn failures_and_panics_are_told_and_not_kept() {
        let asked = AtomicUsize::new(0);
        let resolver = move |_: &str| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Err(io::Error::other("no net")),
            1 => Ok(Vec::new()),
            2 => panic!("on purpose"),
            _ => Ok(one()),
        };
        let names = Names::new(Some(Box::new(resolver)), HOUR);
        for _ in 0..3 {
            let error = end(&awaited(names.ask("a", 1))).expect_err("it fails");
            assert_eq!(error.kind(), ClientErrorKind::Resolve);
        }
        assert!(end(&awaited(names.ask("a", 1))).is_ok());
        assert!(names.shared.state.lock().under_way.is_empty());
    }
}
