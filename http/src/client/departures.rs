//! Clients of a proxy that leave: what is done for them elsewhere is called off.
//!
//! The idea: whoever waits for another server cannot look at its own client meanwhile, so a thread does, a few times a
//! second, for all of them.
//!
//! The rules: there is such a thread only while something is watched, and for a moment behind that. Nothing of a
//! client's connection is looked at once whoever watched it has ended that.

use crate::ctx::ClientSight;
use crate::util::panic;
use crate::wire::transport::Transport;
use anthill_pool::CancelToken;
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often each client is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the thread stays when nothing is watched.
const STAYS_FOR: Duration = Duration::from_secs(5);

static WATCHED: Mutex<WatchedClients> =
    Mutex::new(WatchedClients { clients: None, next: 0, is_running: false });
static CHANGED: Condvar = Condvar::new();

struct WatchedClients {
    /// `None`: none were there yet.
    clients: Option<HashMap<u64, Arc<WatchedClient>>>,
    next: u64,
    is_running: bool,
}

struct WatchedClient {
    sight: ClientSight,
    /// A deadline does not count any more: what it is for is there.
    is_answered: AtomicBool,
    token: CancelToken,
}

impl WatchedClient {
    fn look(&self) {
        let is_late = !self.is_answered.load(Ordering::Relaxed) && self.sight.is_past_deadline();
        if is_late || self.sight.has_client_ended() {
            self.token.cancel();
        }
    }
}

/// A client is watched until this is dropped.
pub(crate) struct DepartureWatch {
    number: u64,
    client: Arc<WatchedClient>,
}

impl DepartureWatch {
    /// Has `token` cancelled when the client leaves, or waits no longer for the handler.
    pub(crate) fn begin(sight: ClientSight, token: CancelToken) -> Self {
        let client = Arc::new(WatchedClient { sight, is_answered: AtomicBool::new(false), token });
        let mut watched = WATCHED.lock();
        let number = watched.next;
        watched.next += 1;
        let clients = watched.clients.get_or_insert_default();
        clients.insert(number, client.clone());
        if clients.len() == 1 {
            CHANGED.notify_one();
        }
        if !watched.is_running {
            let spawned = std::thread::Builder::new().name("anthill-departures".to_owned()).spawn(watch_all);
            watched.is_running = spawned.is_ok();
            drop(watched);
            // A logger may ship what it is told by a call of its own, which is watched as well.
            if let Err(error) = spawned {
                log::debug!("clients of a proxy that leave are not noticed: {error}");
            }
        }
        Self { number, client }
    }

    /// The client is where the response is sent to from here on, if it was not to be seen before: a handler with a
    /// deadline is lent nothing of its connection.
    pub(crate) fn see_client(&self, client: impl FnOnce() -> Option<Arc<dyn Transport>>) {
        self.client.sight.lend(client);
    }

    /// The handler was in time.
    pub(crate) fn is_answered(&self) {
        self.client.is_answered.store(true, Ordering::Relaxed);
    }
}

impl Drop for DepartureWatch {
    fn drop(&mut self) {
        let kept = WATCHED.lock().clients.as_mut().and_then(|clients| clients.remove(&self.number));
        self.client.sight.let_go();
        drop(kept);
    }
}

/// What the thread does.
fn watch_all() {
    loop {
        let clients: Vec<Arc<WatchedClient>> = {
            let mut watched = WATCHED.lock();
            let is_any = |watched: &WatchedClients| {
                watched.clients.as_ref().is_some_and(|clients| !clients.is_empty())
            };
            if !is_any(&watched) {
                let is_late = CHANGED.wait_for(&mut watched, STAYS_FOR).timed_out();
                if is_late && !is_any(&watched) {
                    watched.is_running = false;
                    return;
                }
            }
            watched.clients.iter().flat_map(HashMap::values).cloned().collect()
        };
        for client in clients {
            // Ending a call may run code of the user's, a logger above all, and is not to end the watch of the others;
            // there is nobody to be told of it but that.
            drop(panic::call(|| client.look()));
        }
        std::thread::sleep(PAUSE);
    }
}
