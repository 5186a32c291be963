//! The addresses of names: asked for once, kept for a while.
//!
//! The idea: the system's resolver blocks for as long as it likes and cannot be ended. So each look-up runs on a thread
//! of its own, at most one for a name at a time, and whoever wants the addresses waits for it with a limit; a look-up
//! that nobody waits for any more ends unseen and fills the cache.
//!
//! The rule: the user's resolver is called outside of the lock, and a panic of it is a look-up that failed.

use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::patience::CallPatience;
use crate::util::panic;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
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

/// Look-ups under way at once. Beyond that callers wait for one to end.
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
    /// A look-up has ended.
    has_room: Condvar,
}

#[derive(Default)]
struct NamesState {
    known: HashMap<String, KnownName>,
    under_way: HashMap<String, Arc<Lookup>>,
}

struct KnownName {
    addrs: Arc<[IpAddr]>,
    until: Instant,
}

/// A look-up that is under way, or has just ended.
#[derive(Default)]
struct Lookup {
    outcome: Mutex<Option<FoundAddrs>>,
    is_over: Condvar,
}

type FoundAddrs = Result<Arc<[IpAddr]>, Arc<io::Error>>;

impl Names {
    /// A cache in front of `resolver` (`None`: the system's), which keeps addresses for so long.
    pub(crate) fn new(resolver: Option<Box<dyn Resolve>>, kept_for: Duration) -> Self {
        let resolver = resolver.unwrap_or_else(|| Box::new(ask_the_system));
        let state = Mutex::new(NamesState::default());
        Self { shared: Arc::new(SharedNames { resolver, kept_for, state, has_room: Condvar::new() }) }
    }

    /// The addresses of `host`, a name or a literal, with `port`. There is at least one.
    pub(crate) fn find(
        &self,
        host: &str,
        port: u16,
        patience: &CallPatience,
    ) -> Result<Vec<SocketAddr>, ClientError> {
        if let Ok(literal) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(literal, port)]);
        }
        let lookup = match self.begin(host, patience)? {
            Begun::Known(addrs) => return Ok(with_port(&addrs, port)),
            Begun::UnderWay(lookup) => lookup,
        };
        let _here = patience.waits(|| {
            let lookup = lookup.clone();
            Box::new(move || lookup.wake_all())
        });
        let mut outcome = lookup.outcome.lock();
        loop {
            match &*outcome {
                Some(Ok(addrs)) => return Ok(with_port(addrs, port)),
                Some(Err(error)) => return Err(failed(host, &error.to_string())),
                None if patience.is_over() => return Err(late()),
                None => wait(&lookup.is_over, &mut outcome, patience),
            }
        }
    }

    /// Forgets all addresses. Look-ups that are under way go on.
    pub(crate) fn forget(&self) {
        self.shared.state.lock().known.clear();
    }

    /// What is known of `name`, or the look-up for it, which is begun if there is none.
    fn begin(&self, name: &str, patience: &CallPatience) -> Result<Begun, ClientError> {
        let _here = patience.waits(|| {
            let shared = self.shared.clone();
            Box::new(move || {
                // Not between the look at the token and the wait.
                let _state = shared.state.lock();
                shared.has_room.notify_all();
            })
        });
        let mut state = self.shared.state.lock();
        loop {
            if let Some(known) = state.known.get(name) {
                if known.until > Instant::now() {
                    return Ok(Begun::Known(known.addrs.clone()));
                }
                state.known.remove(name);
            }
            if let Some(lookup) = state.under_way.get(name) {
                return Ok(Begun::UnderWay(lookup.clone()));
            }
            if patience.is_over() {
                return Err(late());
            }
            if state.under_way.len() < LOOKUPS_MAX {
                break;
            }
            wait(&self.shared.has_room, &mut state, patience);
        }
        let lookup = Arc::new(Lookup::default());
        state.under_way.insert(name.to_owned(), lookup.clone());
        drop(state);
        let (shared, asked, own) = (self.shared.clone(), name.to_owned(), lookup.clone());
        let spawned = std::thread::Builder::new()
            .name("anthill-resolve".to_owned())
            .spawn(move || shared.look_up(&asked, &own));
        if let Err(error) = spawned {
            self.shared.ended(name, &lookup, Err(Arc::new(error)));
        }
        Ok(Begun::UnderWay(lookup))
    }
}

enum Begun {
    Known(Arc<[IpAddr]>),
    UnderWay(Arc<Lookup>),
}

impl SharedNames {
    fn look_up(&self, name: &str, lookup: &Lookup) {
        let found = match panic::call(|| self.resolver.resolve(name)) {
            Ok(Ok(addrs)) if addrs.is_empty() => Err(io::Error::from(io::ErrorKind::NotFound)),
            Ok(Ok(addrs)) => Ok(Arc::from(addrs)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the resolver panicked")),
        };
        self.ended(name, lookup, found.map_err(Arc::new));
    }

    fn ended(&self, name: &str, lookup: &Lookup, found: FoundAddrs) {
        let mut state = self.state.lock();
        if let Ok(addrs) = &found {
            let now = Instant::now();
            if state.known.len() >= NAMES_MAX {
                state.known.retain(|_, known| known.until > now);
            }
            let until = now.checked_add(self.kept_for);
            // Those beyond the limit are looked up each time.
            if let (Some(until), true) = (until, state.known.len() < NAMES_MAX) {
                state.known.insert(name.to_owned(), KnownName { addrs: addrs.clone(), until });
            }
        }
        state.under_way.remove(name);
        drop(state);
        self.has_room.notify_all();
        *lookup.outcome.lock() = Some(found);
        lookup.is_over.notify_all();
    }
}

impl Lookup {
    /// Has all who wait look again.
    fn wake_all(&self) {
        // Not between their look and their wait.
        let _outcome = self.outcome.lock();
        self.is_over.notify_all();
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("kept_for", &self.shared.kept_for).finish_non_exhaustive()
    }
}

/// Waits for a report, or for the end of time; which of them it was is looked at by the caller.
fn wait<T>(reports: &Condvar, state: &mut MutexGuard<'_, T>, patience: &CallPatience) {
    match patience.until().at() {
        None => reports.wait(state),
        Some(at) => {
            reports.wait_until(state, at);
        }
    }
}

fn late() -> ClientError {
    ClientError::new(ClientErrorKind::Timeout(ClientPhase::Resolve))
}

fn with_port(addrs: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    addrs.iter().map(|addr| SocketAddr::new(*addr, port)).collect()
}

fn failed(host: &str, why: &str) -> ClientError {
    ClientError::because(ClientErrorKind::Resolve, format!("{host}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::until::Until;
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const HOUR: Duration = Duration::from_secs(3600);

    fn one() -> Vec<IpAddr> {
        vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]
    }

    #[test]
    fn literals_are_not_asked_for() {
        let never = |_: &str| -> io::Result<Vec<IpAddr>> { panic!("a literal needs no resolver") };
        let names = Names::new(Some(Box::new(never)), HOUR);
        let found = |host| names.find(host, 80, &CallPatience::default()).expect("a literal")[0].to_string();
        assert_eq!(found("192.0.2.7"), "192.0.2.7:80");
        assert_eq!(found("[::1]"), "[::1]:80");
        assert_eq!(found("::1"), "[::1]:80");
    }

    #[test]
    fn one_look_up_serves_all_who_wait_and_those_who_come_later() {
        let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(())));
        let (counted, held) = (asked.clone(), gate.clone());
        let resolver = move |_: &str| {
            counted.fetch_add(1, Ordering::SeqCst);
            let _open = held.lock();
            Ok(one())
        };
        let names = Names::new(Some(Box::new(resolver)), HOUR);
        let closed = gate.lock();
        let late =
            names.find("a", 1, &Until::after(Some(Duration::from_millis(5))).into()).expect_err("it hangs");
        assert_eq!(late.kind(), ClientErrorKind::Timeout(ClientPhase::Resolve));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    assert_eq!(names.find("a", 1, &CallPatience::default()).expect("it ends").len(), 1)
                });
            }
            drop(closed);
        });
        assert!(names.find("a", 2, &CallPatience::default()).is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        names.forget();
        assert!(names.find("a", 2, &CallPatience::default()).is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
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
            let error = names.find("a", 1, &CallPatience::default()).expect_err("it fails");
            assert_eq!(error.kind(), ClientErrorKind::Resolve);
        }
        assert!(names.find("a", 1, &CallPatience::default()).is_ok());
        assert!(names.shared.state.lock().under_way.is_empty());
    }
}
