//! The monitor: looks every two milliseconds whether a shard is held up, for a while after it was so four times as
//! often, and sleeps while no handler runs. (Looking twice a millisecond throughout took 2.7 % of a loaded server's
//! CPU.)
//!
//! It never acts on a shard itself. It asks for a worker that takes the lease over; whether that happens is decided by
//! the lease, between that worker and the old driver. When no worker can be had one of the reserve comes, and the
//! monitor asks for workers until the reserve is complete again.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anthill_pool::SubmitError;
use parking_lot::Mutex;

use crate::engine::alarm::Alarm;
use crate::engine::countdown::Countdown;
use crate::engine::dispatch::tolerance::Tolerance;
use crate::engine::job::Job;
use crate::engine::placing;
#[cfg(feature = "tls-no-provider")]
use crate::engine::reckoning;
use crate::engine::say_seldom::SaySeldom;
use crate::engine::shard::lease::Sighting;
use crate::engine::{Called, Engine};

/// How long a handler may hold up a shard: between one and two of these.
const TICK: Duration = Duration::from_millis(2);
/// The same for a while after a shard was held up: surprises come in swarms.
const ALERT_TICK: Duration = Duration::from_micros(500);
/// How long that while is, in ticks: a second.
const ALERT_TICKS: u32 = 2000;
/// Ticks without anything to watch before the monitor sleeps. Waking it costs a driver some 7 us, so it stays up for a
/// while.
const QUIET_TICKS: u32 = 10;
/// Ticks after which a worker that was asked for, and has not come, is asked for again.
const PATIENCE_TICKS: u32 = 8;

/// Ticks after which another thread is asked for when the system gave none for the reserve.
const REFILL_TICKS: u32 = 16;
/// Ticks after which it is forgotten that a route was slow once.
const FORGIVE_TICKS: u32 = 512;

/// What is known of one shard.
#[derive(Clone, Copy, Default)]
struct ShardWatch {
    last: Option<Sighting>,
    /// Ticks until a worker may be asked for (again) because of `last`.
    patience: u32,
    /// One of the reserve was ordered because of `last`. It comes, however late, so another one would come for nothing.
    is_ordered: bool,
}

impl ShardWatch {
    /// One that was seen for the first time.
    fn new(last: Option<Sighting>) -> Self {
        Self { last, ..Self::default() }
    }

    /// The driver is where it was at the last look. `call` asks for somebody to take over, if that is due.
    fn is_held_up(&mut self, call: impl FnOnce() -> Option<Called>) {
        if self.is_ordered {
            return;
        }
        if self.patience > 0 {
            self.patience -= 1;
            return;
        }
        match call() {
            Some(Called::Worker) => self.patience = PATIENCE_TICKS,
            Some(Called::Reserve) => self.is_ordered = true,
            None => {}
        }
    }
}

/// The monitor's thread, and what wakes it.
#[derive(Debug)]
pub(crate) struct Monitor {
    pub(crate) alarm: Alarm,
    /// One, until the thread is about to end.
    running: Countdown,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Monitor {
    pub(crate) fn new() -> Self {
        Monitor { alarm: Alarm::new(), running: Countdown::new(1), thread: Mutex::new(None) }
    }

    /// Waits until the monitor's thread has ended. False: `deadline` came first.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        if !self.running.wait(deadline) {
            return false;
        }
        // Whoever comes second waits for the lock until the first has joined the thread, which is at once.
        let mut thread = self.thread.lock();
        if thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the monitor panicked");
        }
        true
    }
}

/// Says that the monitor's thread ends, also when it panics.
struct EndOfWatch<'a>(&'a Monitor);

impl Drop for EndOfWatch<'_> {
    fn drop(&mut self) {
        let _ = self.0.running.count_off(1);
    }
}

/// Has a thread watch the engine until it has ended.
pub(crate) fn start(engine: &Arc<Engine>) -> io::Result<()> {
    let watched = engine.clone();
    let thread = Builder::new().name("anthill-monitor".to_owned()).spawn(move || watch(&watched))?;
    *engine.monitor.thread.lock() = Some(thread);
    Ok(())
}

fn watch(engine: &Arc<Engine>) {
    let _end = EndOfWatch(&engine.monitor);
    let mut watched = vec![ShardWatch::default(); engine.shards.len()];
    let mut quiet = 0;
    let mut said = Said::default();
    // A server that has just begun has all its surprises before it.
    let mut alert = ALERT_TICKS;
    let mut ticks: u32 = 0;
    let mut tolerance = Tolerance::new(Instant::now());
    let (every, mut looked) = (engine.look_for_blocked_every(), Instant::now());
    while !engine.drivers.is_over() {
        std::thread::sleep(if alert > 0 { ALERT_TICK } else { TICK });
        alert = alert.saturating_sub(1);
        ticks = ticks.wrapping_add(1);
        if ticks % FORGIVE_TICKS == 0 {
            engine.dispatch.predictor.forgive();
        }
        let mut busy = false;
        for (index, watched) in watched.iter_mut().enumerate() {
            let seen = look(engine, index, watched);
            busy |= seen != Finding::Nothing;
            // A driver that computes for a handshake, or waits for a CPU meanwhile, is no surprise.
            if seen == Finding::HeldUp && !engine.shards[index].announced().is_handshake() {
                alert = ALERT_TICKS;
            }
        }
        engine.dispatch.queue.tolerate(tolerance.look(Instant::now()));
        busy |= look_at_queue(engine, &mut said) | look_at_reserve(engine, ticks, &mut said);
        #[cfg(feature = "tls-no-provider")]
        {
            busy |= look_at_reckoners(engine, &mut said);
        }
        quiet = if busy { 0 } else { quiet + 1 };
        if quiet >= QUIET_TICKS {
            quiet = 0;
            // Of what blocks already it is enough to know now and then.
            let until = every.filter(|_| engine.service.places.is_any()).map(|every| Instant::now() + every);
            let begins = || every.is_some() && until.is_none() && engine.service.places.is_any();
            engine.monitor.alarm.sleep_unless(|| engine.is_watch_needed() || begins(), until);
        }
        if every.is_some_and(|every| looked.elapsed() >= every) && engine.tell_blocked() {
            looked = Instant::now();
        }
    }
}

/// What is told when it comes to it.
#[derive(Default)]
struct Said {
    waits: SaySeldom,
    no_thread: SaySeldom,
}

impl Said {
    /// Why no worker can be had, unless there are as many as may be.
    fn refused(&mut self, refused: &SubmitError<Job>) {
        if let SubmitError::SpawnFailed(_, error) = refused {
            let rest = "requests that need one wait, and are answered 503; more threads have to be allowed (`ulimit -u`, \
                        `pids.max`)";
            self.no_thread.say(format_args!("the system gives no thread: {error}; {rest}"));
        }
    }
}

/// What a look at a shard finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finding {
    Nothing,
    /// Its driver is in a handler.
    Handler,
    /// And was in the same one at the last look.
    HeldUp,
}

/// Looks at a shard, and asks for a worker to take it over when it is held up.
fn look(engine: &Arc<Engine>, index: usize, watched: &mut ShardWatch) -> Finding {
    let sighting = engine.shards[index].lease.sight();
    if sighting.is_none() || sighting != watched.last {
        if sighting.is_some() && watched.last.is_some() {
            // In another one than at the last look: each may be too short to be seen twice.
            engine.shards[index].suspect();
        }
        *watched = ShardWatch::new(sighting);
        return if sighting.is_some() { Finding::Handler } else { Finding::Nothing };
    }
    if let Some(sighting) = sighting {
        watched.is_held_up(|| engine.call_driver(index, sighting));
    }
    Finding::HeldUp
}

/// Sees to what was handed over: calls workers for what waits for too long, and gives up what has done so for longer
/// than anybody should. True while anything waits.
fn look_at_queue(engine: &Arc<Engine>, said: &mut Said) -> bool {
    let queue = &engine.dispatch.queue;
    let now = engine.clock.elapsed();
    let overdue = queue.call_for_overdue(now);
    if let Err(refused) = engine.call_helpers(overdue) {
        said.refused(&refused);
    }
    if let Some(limit) = engine.service.settings.threads.max_wait {
        while let Some(expired) = queue.take_expired(now, limit) {
            said.waits.say(format_args!(
                "requests wait for more than {limit:?} for a thread; they are answered 503"
            ));
            placing::turn_away(engine, expired);
        }
    }
    queue.len() > 0
}

/// Sees to the handshakes that wait, and calls somebody for those that may begin. True while any wait.
#[cfg(feature = "tls-no-provider")]
fn look_at_reckoners(engine: &Arc<Engine>, said: &mut Said) -> bool {
    reckoning::look(engine);
    while let Some(first) = engine.reckoners.call_for_waiting() {
        if let Err(refused) = engine.call_reckoner(first) {
            said.refused(&refused);
            let unbegun = refused.into_payload().into_unbegun();
            if engine.reckoners.is_one_at_work() {
                // Whoever that is takes it next.
                engine.reckoners.call_failed(unbegun);
                break;
            }
            engine.reckoners.call_failed(None);
            if let Some(unbegun) = unbegun {
                // It was left here while its driver may have been of no use; it may do it now, and leaves it here again
                // otherwise.
                reckoning::give_back(engine, unbegun.work);
            }
            break;
        }
    }
    engine.reckoners.waiting() > 0
}

/// Completes the reserve as soon as the system gives threads again. True while that is to be done.
fn look_at_reserve(engine: &Arc<Engine>, ticks: u32, said: &mut Said) -> bool {
    if engine.reserve.is_complete() {
        return false;
    }
    if ticks % REFILL_TICKS == 0 {
        if let Err(refused) = engine.fill_reserve() {
            said.refused(&refused);
        }
    }
    true
}

impl Engine {
    fn is_watch_needed(&self) -> bool {
        #[cfg(feature = "tls-no-provider")]
        if self.reckoners.waiting() > 0 {
            return true;
        }
        self.drivers.is_over()
            || self.dispatch.queue.len() > 0
            || !self.reserve.is_complete()
            || self.shards.iter().any(|shard| shard.lease.sight().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often somebody was called for in so many looks that find the driver where it was.
    fn calls(watched: &mut ShardWatch, looks: u32, called: Option<Called>) -> u32 {
        let mut calls = 0;
        for _ in 0..looks {
            watched.is_held_up(|| {
                calls += 1;
                called
            });
        }
        calls
    }

    /// A worker of the pool may be late, and then anybody may come; one of the reserve is called once, whoever was
    /// before.
    #[test]
    fn one_of_the_reserve_is_ordered_once_for_a_sighting() {
        let mut watched = ShardWatch::new(None);
        assert_eq!(calls(&mut watched, 10, None), 10, "nobody can be had");
        assert_eq!(calls(&mut watched, 2 * (PATIENCE_TICKS + 1), Some(Called::Worker)), 2);
        assert_eq!(calls(&mut watched, 1000, Some(Called::Reserve)), 1, "it comes");
        watched = ShardWatch::new(None);
        assert_eq!(calls(&mut watched, 1000, Some(Called::Reserve)), 1, "another sighting");
    }
}
