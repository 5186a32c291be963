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
//! `PROTOCOL.md` beside this file tells who wakes whom, which races were feared, and which model covers each.
//!
//! # Glossary
//!
//! - *shard*: a poller with the connections that are registered with it, and their deadlines.
//! - *slot*, *token*: a connection's place in its shard's table, and the number that the poller knows it by; the token
//!   carries the slot's generation, so that one that is late finds nobody.
//! - *parked*, *out*: in its slot, waiting for a report or its deadline; or with the one thread that serves it.
//! - *lease*, *term*, *in handler*: the right to drive a shard; the evidence of having it; what a driver has instead
//!   while it is inside of the user's code and may lose the lease.
//! - *driver*: the worker of the pool that holds a shard's term. *Helper*: a worker that serves what was handed over.
//! - *woken*: a parked connection that was queued because the source of its response has something.
//! - *turn*: one connection served until there is nothing to do, it would block, or others must get theirs. *Pass*: the
//!   turns between two questions to the poller.
//! - *hand over*: to leave a connection to a helper. *Held*: of a request, found and left with its connection.
//! - *lane*, *budget*, *spare*: whether a piece that was handed over needs a thread for a handler or for a client's
//!   pace; how many threads there may be for each; a place for a driver that is overtaken while all of those are in
//!   use.
//! - *handshake*, *reckon*: what comes before HTTP on a connection that is encrypted; the part of it that takes time,
//!   which is run as the user's code is, but waits for no handler. *Reckoner*: a worker that does that and nothing
//!   else; it is *lent* to the helpers when it blocks while others wait.
//! - *turn away*: to answer 503, because no thread could be had in time.
//! - *route*, *surprise*: what requests are told apart by to learn which handlers block; a handler that was overtaken.
//! - *monitor*, *sighting*, *take over*: the thread that looks for shards that are held up; a driver seen in a certain
//!   handler; to become the driver in its place.
//! - *active*, *coming*: helpers that will look into the hand-over queue before they park; those of them that were
//!   called and have not arrived.
//! - *acceptor*: a thread that called `serve`. *Admission*: how many connections there may be.
//! - *idle*: parked between two requests (*resting*), or without having sent anything yet (*fresh*); the longest idle
//!   one *makes room* for a new one when there is none.
//! - *period*, *busy*, *load*: about a second; served in this period or in the last; how many connections of a shard
//!   are busy, by which new ones are placed and busy ones moved.
//!
//! # Reading order
//!
//! `shard/slots`, `shard/deadlines`, `shard/idle`, `shard/table` (what is decided under a shard's lock), `shard/lease`
//! and `alarm` (its lock-free protocols), `shard`, `turn` (one connection for one turn), `driver` and `helper` (who
//! takes turns), `dispatch` (handing over), `placing`, `balance` (moving to another shard), `job`, `monitor`, `accept`,
//! `stopping` and `countdown` (the end).

pub(crate) mod accept;
mod alarm;
mod balance;
mod blocked;
mod countdown;
mod dispatch;
mod driver;
mod helper;
mod job;
mod monitor;
mod placing;
#[cfg(feature = "tls-no-provider")]
mod reckoning;
mod say_seldom;
mod shard;
pub(crate) mod socket;
mod stopping;
mod sync;
#[cfg(feature = "testing")]
mod test_clock;
mod turn;

use std::io;
use std::sync::Arc;
#[cfg(feature = "testing")]
use std::sync::Weak;
use std::time::Instant;

use anthill_pool::{ObjectPool, PoolStats, PooledOwned, SubmitError, WorkerPool};

use crate::engine::accept::admission::Admission;
use crate::engine::countdown::Countdown;
use crate::engine::dispatch::Dispatch;
use crate::engine::dispatch::queue::Budget;
#[cfg(feature = "tls-no-provider")]
use crate::engine::dispatch::reckoners::Unbegun;
use crate::engine::dispatch::reserve::Reserve;
use crate::engine::job::Job;
use crate::engine::monitor::Monitor;
use crate::engine::placing::HandedOver;
#[cfg(feature = "tls-no-provider")]
use crate::engine::reckoning::{EngineReckoners, Unshaken};
use crate::engine::shard::conn::Conn;
use crate::engine::shard::lease::{Sighting, Term};
use crate::engine::shard::{CONNECTIONS_MAX, IdleCounts, Shard};
use crate::engine::stopping::Stopping;
use crate::observe::ConnState;
use crate::serve::exchange::News;
use crate::serve::hijacking::{self, GivenAway};
use crate::serve::moment::Clock;
use crate::serve::service::Service;
use crate::serve::workspace::Workspace;

pub(crate) type PooledWorkspace = PooledOwned<Workspace>;

/// Threads for drivers that turn out to block while no helper may be had any more, beside one for each shard.
const SPARES: usize = 4;
/// The most threads in reserve beside one for each shard. Those are for what is known to be fast and blocks all the
/// same; so many handlers of which nothing is known may block while the system gives no threads, and those are served
/// still.
const RESERVE: usize = SPARES;

/// Who was called to take a shard over.
#[derive(Clone, Copy)]
enum Called {
    /// A worker of the pool.
    Worker,
    /// One of those in reserve.
    Reserve,
}

/// One life of a server: from the first listener to the end of its shutdown.
pub(crate) struct Engine {
    pub(crate) service: Arc<Service>,
    pool: WorkerPool<Job>,
    shards: Vec<Arc<Shard>>,
    dispatch: Dispatch<HandedOver>,
    /// For when the pool has no worker to give.
    reserve: Reserve<(usize, Sighting)>,
    #[cfg(feature = "tls-no-provider")]
    reckoners: EngineReckoners,
    monitor: Monitor,
    workspaces: ObjectPool<Workspace>,
    clock: Clock,
    admission: Admission,
    /// Those who sleep are the threads that accept.
    stopping: Stopping<mio::Waker>,
    /// Shards that have not ended, each of which has a driver.
    drivers: Countdown,
}

impl Engine {
    /// Starts the shards' drivers and the monitor.
    pub(crate) fn start(service: Arc<Service>) -> io::Result<Arc<Self>> {
        let settings = &service.settings;
        let spares = settings.threads.shards.saturating_add(SPARES);
        let reserve = settings.threads.shards + settings.threads.shards.min(RESERVE);
        // What is reckoned for handshakes takes nobody's place, as far as that is computing.
        let reckoners = if cfg!(feature = "tls-no-provider") { settings.threads.shards } else { 0 };
        let pool = WorkerPool::builder()
            .name("anthill")
            .max_workers(settings.threads.all(spares).saturating_add(reserve).saturating_add(reckoners))
            .max_idle_worker_duration(settings.threads.max_idle_worker_duration)
            .build(Job::run)
            .map_err(io::Error::other)?;
        let (shards, terms): (Vec<_>, Vec<_>) = (0..)
            .take(settings.threads.shards)
            .map(|number| Shard::new(number).map(|(shard, term)| (Arc::new(shard), term)))
            .collect::<io::Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        let (served, clock) = (service.clone(), service.clock.clone());
        let threads = &settings.threads;
        let budget = Budget {
            helpers: threads.helpers(),
            handlers: threads.max_workers,
            clients: threads.streaming_workers(),
            spares,
            waiting: threads.max_waiting,
        };
        let engine = Arc::new(Engine {
            admission: Admission::new(
                settings.connections.concurrency.min(CONNECTIONS_MAX),
                settings.connections.max_per_ip,
            ),
            drivers: Countdown::new(shards.len()),
            service,
            pool,
            shards,
            dispatch: Dispatch::new(budget),
            reserve: Reserve::new(reserve),
            #[cfg(feature = "tls-no-provider")]
            reckoners: EngineReckoners::new(reckoners, budget.waiting),
            monitor: Monitor::new(),
            workspaces: ObjectPool::new(move || Workspace::new(&served)),
            clock,
            stopping: Stopping::new(),
        });
        monitor::start(&engine)?;
        engine.start_threads(terms)?;
        #[cfg(feature = "testing")]
        if let Some(clock) = engine.clock.test() {
            let follower: Weak<Self> = Arc::downgrade(&engine);
            clock.tell(follower);
        }
        Ok(engine)
    }

    /// Has a thread drive each shard, once all those are in reserve that are to be.
    fn start_threads(self: &Arc<Self>, terms: Vec<Term>) -> io::Result<()> {
        let abandoned = |driven, refused: SubmitError<Job>| {
            self.abandon(driven);
            let help = "raise the limit on threads (`ulimit -u`), or choose fewer shards";
            io::Error::other(format!("there are not threads enough to serve: {refused}; {help}"))
        };
        self.fill_reserve().map_err(|refused| abandoned(0, refused))?;
        for (shard, term) in terms.into_iter().enumerate() {
            // Without waiting for a thread that comes free: those that are there never do.
            let started = self.pool.try_submit(Job::Drive(self.clone(), shard, term));
            started.map_err(|refused| abandoned(shard, refused))?;
        }
        Ok(())
    }

    /// Ends an engine of which only the first `driven` shards got a driver.
    fn abandon(&self, driven: usize) {
        self.stop();
        self.drivers_ended(self.shards.len() - driven);
        // They have no connections, so they end at once.
        let _ = self.wait_ended(None);
    }

    /// Lets nothing new in, closes idle connections, and lets each other one end after its current request.
    pub(crate) fn stop(&self) {
        for acceptor in self.stopping.begin() {
            if let Err(error) = acceptor.wake() {
                log::error!("waking a listener failed: {error}");
            }
        }
        for shard in &self.shards {
            shard.stop();
        }
    }

    /// Waits until all connections are gone and all threads have ended. False: `deadline` came first.
    ///
    /// What has ended by then counts, also when the deadline has passed before the call.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        if !self.drivers.wait(deadline) || !self.monitor.wait_ended(deadline) {
            return false;
        }
        match deadline {
            Some(deadline) => {
                self.pool.wait_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
            }
            None => self.pool.wait().is_ok(),
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.has_begun()
    }

    /// Connections open now.
    pub(crate) fn open_connections(&self) -> usize {
        self.admission.open()
    }

    /// Those of them that are idle.
    pub(crate) fn idle_connections(&self) -> IdleCounts {
        self.shards.iter().map(|shard| shard.count_idle()).fold(IdleCounts::default(), |sum, counts| {
            IdleCounts { resting: sum.resting + counts.resting, fresh: sum.fresh + counts.fresh }
        })
    }

    /// Connections that wait for a worker.
    pub(crate) fn waiting(&self) -> usize {
        self.dispatch.queue.len()
    }

    /// Those in reserve do nothing, so they are idle.
    pub(crate) fn pool_stats(&self) -> PoolStats {
        let mut stats = self.pool.stats();
        let in_reserve = self.reserve.standing().min(stats.busy);
        stats.busy -= in_reserve;
        stats.idle += in_reserve;
        stats
    }

    /// Wakes as many workers, which count as called already, for what was handed over.
    ///
    /// # Errors
    /// Why one cannot be had; the monitor calls again.
    fn call_helpers(self: &Arc<Self>, workers: usize) -> Result<(), SubmitError<Job>> {
        for woken in 0..workers {
            self.pool
                .try_submit(Job::ServeHandedOver(self.clone()))
                .inspect_err(|_| self.dispatch.queue.call_failed(workers - woken))?;
        }
        Ok(())
    }

    /// Has a worker reckon, which counts as come already.
    ///
    /// # Errors
    /// Why none can be had.
    #[cfg(feature = "tls-no-provider")]
    fn call_reckoner(self: &Arc<Self>, first: Unbegun<Unshaken>) -> Result<(), SubmitError<Job>> {
        self.pool.try_submit(Job::Reckon(self.clone(), first)).map(|_| ())
    }

    /// Wakes a worker that takes the shard over, if its driver is still where it was seen. `None`: none can be had now.
    fn call_driver(self: &Arc<Self>, shard: usize, seen: Sighting) -> Option<Called> {
        if self.pool.try_submit(Job::TakeOver(self.clone(), shard, seen)).is_ok() {
            return Some(Called::Worker);
        }
        self.reserve.order((shard, seen)).then_some(Called::Reserve)
    }

    /// Has as many threads in reserve as there are to be.
    ///
    /// # Errors
    /// Why one cannot be had.
    fn fill_reserve(self: &Arc<Self>) -> Result<(), SubmitError<Job>> {
        while self.reserve.expect_one() {
            self.pool.try_submit(Job::StandBy(self.clone())).inspect_err(|_| self.reserve.call_off())?;
        }
        Ok(())
    }

    /// Ends a connection that is out, and closes it. What observers are to be told of that is left to whoever may run
    /// it.
    fn close(&self, shard: &Shard, conn: Box<Conn>) {
        if let Some(news) = self.end(shard, conn) {
            self.dispatch.leftovers.leave(Box::new(news));
        }
    }

    /// The same, and gives the caller what observers are to be told.
    fn end(&self, shard: &Shard, mut conn: Box<Conn>) -> Option<News> {
        // Of a connection of which nobody has said whose it is nobody was told.
        let is_known = !conn.facts.awaits_proxy_header();
        let info = conn.info();
        let news = is_known.then(|| conn.exchange.last_news(&info, &self.service, ConnState::Closed));
        if !conn.is_cut {
            conn.sock.transport.say_goodbye();
        }
        let address = conn.facts.peer_ip();
        shard.close(conn);
        self.admission.leave(address);
        news.flatten()
    }

    /// Gives a connection that is out, and on which everything was sent, to the function that takes it over. It counts
    /// no more here.
    fn give_away(&self, shard: &Shard, mut conn: Box<Conn>) {
        let (kept, info) = (conn.exchange.take_kept(), conn.info());
        let news = conn.exchange.last_news(&info, &self.service, ConnState::Hijacked);
        let given = shard.give_away(conn);
        self.admission.leave(info.facts().peer_ip());
        let left = match given {
            Ok((transport, received)) => {
                hijacking::give_away(GivenAway { transport, received, kept, news }, &info, &self.service)
            }
            Err(error) => {
                log::error!("a connection was closed that was to be taken over: {error}");
                let left: Box<dyn Send> = Box::new((kept, news));
                Some(left)
            }
        };
        if let Some(left) = left {
            self.dispatch.leftovers.leave(left);
        }
    }

    fn workspace(&self) -> PooledWorkspace {
        self.workspaces.get_owned()
    }

    /// The driver of a shard has ended with it.
    fn driver_ended(&self) {
        self.drivers_ended(1);
    }

    /// So many shards have no driver any more, and need none. After the last, the monitor and the workers go.
    fn drivers_ended(&self, count: usize) {
        if self.drivers.count_off(count) {
            self.reserve.dismiss();
            self.monitor.alarm.ring();
            self.pool.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::ServerBuilder;
    use std::sync::mpsc;
    use std::time::Duration;

    /// Every shard has ended, but one worker has not: a limit is kept to the moment.
    #[test]
    fn no_limit_is_stretched() {
        let settings = ServerBuilder::default().resolve().expect("the defaults");
        let engine =
            Engine::start(Arc::new(Service::new(settings, Box::new(|_: &mut crate::RequestCtx| {}))));
        let engine = engine.expect("threads and pollers");
        let (begun, (go_on, blocked)) = (mpsc::channel(), mpsc::channel::<()>());
        let job = Job::Run(Box::new(move || {
            begun.0.send(()).expect("the test waits for it");
            let _ = blocked.recv();
        }));
        assert!(engine.pool.try_submit(job).is_ok());
        begun.1.recv().expect("the job begins");
        engine.stop();
        assert!(engine.drivers.wait(None) && engine.monitor.wait_ended(None));

        // The shortest of several, because the machine may be busy with other things.
        let shortest = (0..20).map(|_| {
            let begun = Instant::now();
            assert!(!engine.wait_ended(Some(begun)), "a worker is left");
            begun.elapsed()
        });
        let shortest = shortest.min().expect("some");
        assert!(shortest < Duration::from_millis(5), "no time was given, and {shortest:?} was taken");
        drop(go_on);
        assert!(engine.wait_ended(None));
    }
}
