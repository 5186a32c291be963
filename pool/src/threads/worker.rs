//! One worker's life: receive, run, contain panics, take the next payload or go idle, leave when told.

use super::birth::Newborn;
use super::handler::Runner;
use super::identity::{self, has_left};
use super::join;
use super::shared::{Shared, notify_each, tell};
use crate::config::{Discard, PayloadEnd, PayloadHooks};
use crate::core::{
    BatchPacer, CheckIn, Ended, Inbox, Item, Leftovers, Next, Order, Reservation, Seat, ToNotify,
    WorkerRecord,
};
use crate::error::{BirthError, StateError};
use crate::panic::{PanicValue, catch, contain, drop_each_quietly, drop_quietly};
use crate::sync::Arc;
use crate::sync::channel::{Receiver, Sender};
use crate::telemetry;
use crate::watched::Watchable;

/// What the thread that makes a worker gives to the new thread.
pub(crate) struct Start<T> {
    pub(crate) reservation: Reservation,
    pub(crate) place: Sender<Order<T>>,
    pub(crate) orders: Receiver<Order<T>>,
    /// Where to say whether the worker came to be, when it has a state that may not be had.
    pub(super) newborn: Option<Newborn<T>>,
}

/// The worker's body.
pub(crate) fn live<T: Send + 'static>(shared: &Arc<Shared<T>>, start: Start<T>) {
    let Start { reservation, place, orders, newborn } = start;
    identity::works_for(shared, newborn.as_ref().map(Newborn::worker));
    let index = reservation.index;
    let hooks = &shared.settings.threads;
    telemetry::worker_started(&hooks.name, index);
    run_hook(hooks.on_start.as_deref(), index);
    match (make_runner(shared, index), newborn) {
        (Ok(runner), newborn) => {
            let record = WorkerRecord::new(Seat::here(place), reservation);
            let first = match newborn {
                Some(newborn) => {
                    newborn.live();
                    Order::Search
                }
                // Sent by the thread that made this one, before anybody knows the seat. It cannot fail to come: this
                // worker holds a sender of its own channel.
                None => orders.recv().unwrap_or(Order::Leave),
            };
            Worker::new(shared, record, runner).work(first, Inbox::new(orders));
        }
        (Err(error), Some(newborn)) => newborn.fail(BirthError::State(error)),
        (Err(_), None) => unreachable!("only a state cannot be had"),
    }
    has_left();
    run_hook(hooks.on_stop.as_deref(), index);
    telemetry::worker_stopped(&hooks.name, index);
    // A worker that ends joins those that ended before it, since a pool may have no cleaner.
    join::reap(shared);
}

fn make_runner<T>(shared: &Shared<T>, index: usize) -> Result<Runner<'_, T>, StateError> {
    contain(|| shared.handler.runner(index))
        .unwrap_or_else(|| Err("making the worker's state panicked".into()))
}

struct Worker<'p, T> {
    shared: &'p Shared<T>,
    record: WorkerRecord<T>,
    /// `None` once its state was lost and could not be made anew.
    runner: Option<Runner<'p, T>>,
    pacer: BatchPacer,
    to_notify: ToNotify,
}

impl<'p, T> Worker<'p, T> {
    fn new(shared: &'p Shared<T>, record: WorkerRecord<T>, runner: Runner<'p, T>) -> Self {
        let pacer = BatchPacer::new(shared.settings.limits.batch_size > 1);
        Worker { shared, record, runner: Some(runner), pacer, to_notify: ToNotify::new() }
    }

    fn work(mut self, first: Order<T>, mut inbox: Inbox<T>) {
        let mut order = first;
        loop {
            let stays = match order {
                Order::Run(item) => self.run_until_idle(Some(item)),
                Order::Relay(item) => {
                    self.pass_on();
                    self.run_until_idle(Some(item))
                }
                Order::Search => {
                    self.record.now_searching();
                    self.run_until_idle(None)
                }
                Order::Leave => false,
            };
            if !stays {
                break;
            }
            order = inbox.next();
        }
        has_left();
        // Its state's drop is the user's code.
        let runner = self.runner.take();
        drop_quietly(runner);
    }

    /// Says that this worker is awake, and wakes the next one if there is work for it.
    fn pass_on(&mut self) {
        let mut core = self.shared.core.lock();
        let relayed = core.is_awake(&mut self.to_notify);
        drop(core);
        if let Some((seat, order)) = relayed {
            seat.give(order);
        }
        notify_each(self.to_notify.drain(..));
    }

    /// Runs `item` and every further one that waits. True: the worker is on the ready stack. False: it has left.
    fn run_until_idle(&mut self, item: Option<Item<T>>) -> bool {
        let mut item = item;
        loop {
            let ended = item.map(|item| self.run(item)).map(|ended| self.run_batch(ended));
            if self.runner.is_none() {
                self.abandon();
                return false;
            }
            let may_batch = self.pacer.before_check_in();
            let mut core = self.shared.core.lock();
            let next = core.check_in(&mut self.record, CheckIn { ended, may_batch }, &mut self.to_notify);
            let watched = core.is_watched();
            drop(core);
            notify_each(self.to_notify.drain(..));
            self.pacer.after_check_in(matches!(next, Next::Run(_)));
            // Who submits may watch for a worker to come, whatever that one takes then.
            let has_arrived = ended.is_none();
            let is_at_rest = matches!(next, Next::Idle | Next::Leave);
            if watched && (has_arrived || is_at_rest) {
                self.shared.core.notify_watchers();
            }
            match next {
                Next::Run(following) => item = Some(following),
                Next::Broadcasts(broadcasts) => {
                    item = None;
                    for broadcast in broadcasts {
                        let index = self.record.reservation.index;
                        contain(|| broadcast(index));
                        // By itself: it may panic as well.
                        drop_quietly(broadcast);
                    }
                }
                Next::Idle => return true,
                Next::Leave => return false,
            }
        }
    }

    /// Runs what is in this worker's batch, after a payload that ended so; returns how the last one ended.
    #[inline]
    fn run_batch(&mut self, mut ended: Ended) -> Ended {
        self.pacer.ran_one();
        while self.runner.is_some() {
            let Some(payload) = self.record.next_in_batch(ended == Ended::Panicked) else { break };
            ended = self.run_payload(payload);
            self.pacer.ran_one();
        }
        ended
    }

    /// Runs one payload, unless it has waited too long.
    fn run(&mut self, item: Item<T>) -> Ended {
        let settings = &self.shared.settings;
        let Item { payload, since } = item;
        let Some(since) = since else { return self.run_payload(payload) };
        let started = settings.clock.now();
        let waited = started.saturating_duration_since(since);
        if settings.max_queue_age.is_some_and(|limit| waited > limit) {
            self.shared.discard([payload], Discard::Aged);
            return Ended::Discarded;
        }
        let ended = self.run_payload(payload);
        if let Some(times) = &settings.times {
            let ran = settings.clock.now().saturating_duration_since(started);
            times.record(waited, ran);
            telemetry::payload_times(&settings.threads.name, waited, ran);
        }
        ended
    }

    #[inline(always)]
    fn run_payload(&mut self, payload: T) -> Ended {
        let Some(runner) = &mut self.runner else { return Ended::Panicked };
        let settings = &self.shared.settings;
        let index = self.record.reservation.index;
        let _span = telemetry::payload_span(&settings.threads.name, index);
        if let Some(hook) = &settings.hooks.on_payload_start {
            contain(|| hook(index, &payload));
        }
        let outcome = match &settings.hooks.around_payload {
            Some(around) => run_between(around, index, payload, runner),
            None => catch(|| runner.run(payload)),
        };
        let end = end_of(&outcome);
        if let Some(hook) = &settings.hooks.on_payload_end {
            contain(|| hook(index, end));
        }
        match outcome {
            Ok(()) => Ended::Returned,
            Err(value) => self.recover(value),
        }
    }

    /// A payload has panicked.
    #[cold]
    fn recover(&mut self, value: PanicValue) -> Ended {
        let index = self.record.reservation.index;
        telemetry::payload_panicked(&self.shared.settings.threads.name, index, &value);
        self.shared.report_panic(value);
        if self.shared.handler.has_state() {
            // What the panic left of the state is not to be trusted.
            let broken = self.runner.take();
            drop_quietly(broken);
            self.runner = match make_runner(self.shared, index) {
                Ok(runner) => Some(runner),
                Err(error) => {
                    drop_quietly(error);
                    None
                }
            };
        }
        Ended::Panicked
    }

    /// This worker has lost its state, and leaves.
    fn abandon(&mut self) {
        let mut core = self.shared.core.lock();
        let Leftovers { payloads, forsaken, broadcasts } = core.abandon(&mut self.record);
        self.shared.core.unlock_and_notify(core);
        has_left();
        // It may have been the last, for which the cleaner waits without a limit.
        self.shared.cleaner_condvar.notify_one();
        tell(forsaken);
        drop_each_quietly(broadcasts);
        self.shared.discard(payloads, Discard::NoWorker);
    }
}

fn end_of(outcome: &Result<(), PanicValue>) -> PayloadEnd {
    if outcome.is_ok() { PayloadEnd::Returned } else { PayloadEnd::Panicked }
}

/// Runs a payload between two hooks of which the second gets what the first returned.
fn run_between<T>(
    hooks: &PayloadHooks<T>,
    index: usize,
    payload: T,
    runner: &mut Runner<'_, T>,
) -> Result<(), PanicValue> {
    let mut outcome = Ok(());
    hooks(index, payload, &mut |payload| {
        outcome = catch(|| runner.run(payload));
        end_of(&outcome)
    });
    outcome
}

fn run_hook(hook: Option<&(dyn Fn(usize) + Send + Sync)>, index: usize) {
    if let Some(hook) = hook {
        contain(|| hook(index));
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use std::io;
    use std::sync::mpsc::channel;
    use std::sync::{Barrier, Mutex};
    use std::time::Duration;

    use crate::panic::tests::PanicsOnDrop;
    use crate::pool::WorkerPool;
    use crate::sync::StdArc;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A body of a broadcast that may not be run, and whose drop panics.
    fn body_not_to_run() -> impl Fn(usize) + Send + Sync + 'static {
        let captured = PanicsOnDrop;
        move |_| unreachable!("run, with {captured:?}")
    }

    #[test]
    fn a_broadcast_that_panics_may_panic_in_its_drop_as_well() {
        let gate = StdArc::new(Barrier::new(2));
        let held = gate.clone();
        let wait = move |_: ()| {
            held.wait();
        };
        let pool = WorkerPool::builder().max_workers(1).build(wait).unwrap();
        pool.submit(()).unwrap();
        let captured = PanicsOnDrop;
        assert_eq!(pool.broadcast(move |_| panic!("planned: run, with {captured:?}")), 1);
        gate.wait();
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn a_worker_without_a_state_drops_several_broadcasts_that_panic() {
        let gate = StdArc::new(Barrier::new(2));
        let held = gate.clone();
        let (made, was_made) = channel();
        let pool = WorkerPool::builder()
            .max_workers(1)
            .build_with_state(
                move |_| made.send(()).map_err(|_| io::Error::other("planned: no second state")),
                move |(), _: ()| {
                    held.wait();
                    panic!("planned: this breaks the state");
                },
            )
            .unwrap();
        pool.submit(()).unwrap();
        was_made.recv_timeout(PATIENCE).unwrap();
        drop(was_made);
        for _ in 0..3 {
            assert_eq!(pool.broadcast(body_not_to_run()), 1);
        }
        gate.wait();
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(pool.running(), 0);
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn a_refused_thread_drops_several_broadcasts_that_panic() {
        let (asked, was_asked) = channel();
        let (go_on, goes_on) = channel();
        let goes_on = Mutex::new(goes_on);
        let pool = WorkerPool::builder()
            .spawner(move |_| {
                asked.send(()).unwrap();
                goes_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                Err(io::Error::other("planned: no thread"))
            })
            .build(|_: u8| {})
            .unwrap();
        let submitter = std::thread::spawn({
            let pool = pool.clone();
            move || pool.submit(7).map_err(crate::SubmitError::into_payload)
        });
        was_asked.recv_timeout(PATIENCE).unwrap();
        for _ in 0..3 {
            assert_eq!(pool.broadcast(body_not_to_run()), 1);
        }
        go_on.send(()).unwrap();
        assert_eq!(submitter.join().unwrap(), Err(7));
    }
}
