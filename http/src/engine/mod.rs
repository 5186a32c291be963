//! The engine: leased shards.
//!
//! A *shard* is a poller with its connections; a *lease* is the right to drive it; a *driver* is the pool's worker that
//! holds it: it waits for events, and for each ready connection reads, parses, runs the handler and writes, all inline,
//! without a hand-off. The *monitor* looks every now and then; when it finds a driver in the same handler as before, a
//! worker from the top of the ready stack takes the lease over, and the old driver is an ordinary worker that finishes
//! its connection and parks it. What was learned that way is remembered by route: requests of a route that blocks are
//! *handed over* to a worker before their handler runs. So a fast handler costs what an event loop costs, and one that
//! blocks holds up nobody.
//!
//! Reading order: `shard/slots` and `shard/deadlines` (a shard's tables), `shard/lease` and `alarm` (its protocols), `shard`, `turn` (one
//! connection for one turn), `driver` (who runs turns), `dispatch` (handing over), `monitor`, `accept`.
//! `lease`, `alarm` and `slots` stand on `sync` alone and are model-checked.

pub(crate) mod accept;
mod alarm;
mod dispatch;
mod driver;
mod monitor;
mod shard;
mod stream;
mod sync;
mod turn;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anthill_pool::{ObjectPool, PoolStats, PooledOwned, WorkerPool};
use parking_lot::{Condvar, Mutex};

use crate::engine::dispatch::Dispatch;
use crate::engine::driver::{HandedOver, Work};
use crate::engine::monitor::Monitor;
use crate::engine::shard::Shard;
use crate::serve::moment::Clock;
use crate::serve::refusal::Refusal;
use crate::serve::service::Service;
use crate::serve::workspace::Workspace;

pub(crate) type PooledWorkspace = PooledOwned<Workspace>;

/// One life of a server: from the first listener to the end of its shutdown.
pub(crate) struct Engine {
    pub(crate) service: Arc<Service>,
    pool: WorkerPool<Work>,
    shards: Vec<Shard>,
    dispatch: Dispatch<HandedOver>,
    monitor: Monitor,
    workspaces: ObjectPool<Workspace>,
    clock: Clock,
    stopping: AtomicBool,
    /// The shards have ended; the monitor ends too.
    ended: AtomicBool,
    /// Shards that have not ended.
    drivers: Mutex<usize>,
    all_ended: Condvar,
    /// Wakers of the threads that accept.
    acceptors: Mutex<Vec<Arc<mio::Waker>>>,
    open: AtomicUsize,
    per_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Engine {
    /// Starts the shards' drivers and the monitor.
    pub(crate) fn start(service: Arc<Service>) -> io::Result<Arc<Self>> {
        let settings = &service.settings;
        let pool = WorkerPool::builder()
            .name("anthill")
            .max_workers(settings.threads.max_workers)
            .max_idle_worker_duration(settings.threads.max_idle_worker_duration)
            .build(Work::run)
            .map_err(io::Error::other)?;
        let (shards, terms): (Vec<Shard>, Vec<_>) = (0..settings.threads.shards)
            .map(|_| Shard::new())
            .collect::<io::Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        let served = service.clone();
        let engine = Arc::new(Engine {
            drivers: Mutex::new(shards.len()),
            service,
            pool,
            shards,
            dispatch: Dispatch::new(),
            monitor: Monitor::new(),
            workspaces: ObjectPool::new(move || Workspace::new(&served.settings)),
            clock: Clock::start(),
            stopping: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            all_ended: Condvar::new(),
            acceptors: Mutex::new(Vec::new()),
            open: AtomicUsize::new(0),
            per_address: Mutex::new(HashMap::new()),
        });
        monitor::start(&engine)?;
        for (shard, term) in terms.into_iter().enumerate() {
            if let Err(refused) = engine.pool.submit(Work::Drive(engine.clone(), shard, term)) {
                let error = io::Error::other(refused.to_string());
                engine.abandon(shard);
                return Err(error);
            }
        }
        Ok(engine)
    }

    /// Ends an engine of which only the first `driven` shards got a driver.
    fn abandon(&self, driven: usize) {
        *self.drivers.lock() = driven;
        self.stop();
        if driven == 0 {
            self.end();
        }
        // They have no connections, so they end at once.
        let _ = self.wait_ended(None);
    }

    /// Lets nothing new in, closes idle connections, and lets each other one end after its current request.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let acceptors = self.acceptors.lock().clone();
        for waker in acceptors {
            if let Err(error) = waker.wake() {
                log::error!("waking a listener failed: {error}");
            }
        }
        for shard in &self.shards {
            shard.stop();
        }
    }

    /// Waits until all connections are gone and all threads have ended. False: time was up first.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        let mut drivers = self.drivers.lock();
        while *drivers > 0 {
            match deadline {
                Some(deadline) => {
                    if self.all_ended.wait_until(&mut drivers, deadline).timed_out() && *drivers > 0 {
                        return false;
                    }
                }
                None => self.all_ended.wait(&mut drivers),
            }
        }
        drop(drivers);
        self.monitor.join();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match left {
            Some(left) => self.pool.wait_timeout(left.max(Duration::from_millis(10))).is_ok(),
            None => self.pool.wait().is_ok(),
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub(crate) fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Requests of this engine's connections, up to their last turn.
    pub(crate) fn requests(&self) -> u64 {
        self.shards.iter().map(|shard| shard.requests()).sum()
    }

    pub(crate) fn pool_stats(&self) -> PoolStats {
        self.pool.stats()
    }

    fn workspace(&self) -> PooledWorkspace {
        self.workspaces.get_owned()
    }

    fn driver_ended(&self) {
        let mut drivers = self.drivers.lock();
        *drivers -= 1;
        let was_last = *drivers == 0;
        drop(drivers);
        if was_last {
            // Here and not where somebody waits for it: perhaps nobody does.
            self.end();
        }
    }

    /// Lets the monitor and the workers go.
    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.monitor.alarm.ring();
        self.pool.stop();
        self.all_ended.notify_all();
    }

    /// Counts a new connection from `address`; the refusal says which limit it meets.
    fn admit(&self, address: Option<IpAddr>) -> Result<Option<IpAddr>, Refusal> {
        let limits = &self.service.settings.connections;
        let limited = address.filter(|_| limits.max_per_ip.is_some());
        if let (Some(address), Some(max)) = (limited, limits.max_per_ip) {
            let mut per_address = self.per_address.lock();
            let count = per_address.entry(address).or_insert(0);
            if *count >= max {
                return Err(Refusal::PerAddress);
            }
            *count += 1;
        }
        if self.open.fetch_add(1, Ordering::Relaxed) >= limits.concurrency {
            self.connection_closed(limited);
            return Err(Refusal::Concurrency);
        }
        Ok(limited)
    }

    /// Gives back what `admit` counted.
    fn connection_closed(&self, counted_address: Option<IpAddr>) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = counted_address else { return };
        let mut per_address = self.per_address.lock();
        if let Some(count) = per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                per_address.remove(&address);
            }
        }
    }
}
