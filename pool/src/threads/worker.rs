//! One worker's life: receive, run, contain panics, take the next payload or go idle, leave when told.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::{Discard, PayloadEnd};
use crate::core::batch::{Appetite, Hand};
use crate::core::handoff::{Order, Seat, next_order};
use crate::core::queue::Item;
use crate::core::{Birth, Ended, Leftovers, Next, Post, Visit};
use crate::panic::contain;
use crate::sync::channel::{Receiver, Sender};
use crate::sync::{Arc, Condvar};
use crate::threads::handler::{Runner, StateError};
use crate::threads::identity::{self, has_left};
use crate::threads::join;
use crate::threads::shared::{Shared, report, ring};

/// What the thread that makes a worker gives to the new thread.
pub(crate) struct Start<T> {
    pub(crate) birth: Birth,
    pub(crate) place: Sender<Order<T>>,
    pub(crate) orders: Receiver<Order<T>>,
    /// Where to say whether the worker's state could be made; only asked for when it has one.
    pub(crate) made: Option<Sender<Result<(), StateError>>>,
}

/// The worker's body.
pub(crate) fn live<T>(shared: &Arc<Shared<T>>, start: Start<T>) {
    identity::works_for(shared);
    let Start { birth, place, orders, made } = start;
    let index = birth.index;
    let hooks = &shared.settings.threads;
    run_hook(hooks.on_start.as_deref(), index);
    let (runner, outcome) = match make_runner(shared, index) {
        Ok(runner) => (Some(runner), Ok(())),
        Err(error) => (None, Err(error)),
    };
    if let Some(made) = made {
        let _ = made.try_send(outcome);
    }
    if let Some(runner) = runner {
        // The first order is sent by the thread that made this one, before anybody knows the seat. It cannot fail to
        // come: this worker holds a sender of its own channel.
        let first = orders.recv().unwrap_or(Order::Leave);
        let (seat, hand) = (Seat::here(place), Arc::new(Hand::new()));
        let post = Post { seat, hand, holding: false, on_duty: false, birth };
        Worker::new(shared, post, runner).work(first, &orders);
    }
    has_left();
    run_hook(hooks.on_stop.as_deref(), index);
    // Who ends sees to those who ended before, since a pool may have no cleaner.
    join::reap(shared);
}

fn make_runner<T>(shared: &Shared<T>, index: usize) -> Result<Runner<'_, T>, StateError> {
    contain(|| shared.handler.runner(index))
        .unwrap_or_else(|| Err("making the worker's state panicked".into()))
}

struct Worker<'p, T> {
    shared: &'p Shared<T>,
    post: Post<T>,
    /// `None` once its state was lost and could not be made anew.
    runner: Option<Runner<'p, T>>,
    appetite: Appetite,
    rings: Vec<Arc<Condvar>>,
}

impl<'p, T> Worker<'p, T> {
    fn new(shared: &'p Shared<T>, post: Post<T>, runner: Runner<'p, T>) -> Self {
        let appetite = Appetite::new(shared.settings.limits.batch > 1);
        Worker { shared, post, runner: Some(runner), appetite, rings: Vec::new() }
    }

    fn work(mut self, first: Order<T>, orders: &Receiver<Order<T>>) {
        let mut order = first;
        loop {
            let stays = match order {
                Order::Run(item) => self.run_until_idle(Some(item)),
                Order::Relay(item) => {
                    self.pass_on();
                    self.run_until_idle(Some(item))
                }
                Order::Look => {
                    self.post.birth.now_on_errand();
                    self.run_until_idle(None)
                }
                Order::Leave => false,
            };
            if !stays {
                break;
            }
            order = next_order(orders);
        }
        has_left();
        // Its state's drop is the user's code.
        let runner = self.runner.take();
        contain(|| drop(runner));
    }

    /// Says that this worker is awake, and wakes the next one if there is work for it.
    fn pass_on(&mut self) {
        let mut core = self.shared.core.lock();
        let relayed = core.is_awake(&mut self.rings);
        drop(core);
        if let Some((seat, order)) = relayed {
            seat.give(order);
        }
        ring(self.rings.drain(..));
    }

    /// Runs `item` and every further one that waits. True: the worker is on the ready stack. False: it has left.
    fn run_until_idle(&mut self, item: Option<Item<T>>) -> bool {
        let mut item = item;
        loop {
            let ended = item.map(|item| self.run(item));
            self.appetite.ran_one();
            if self.runner.is_none() {
                self.abandon();
                return false;
            }
            if let Some(next) = self.next_in_hand(ended) {
                item = Some(next);
                continue;
            }
            let may_batch = self.appetite.before_visit();
            let mut core = self.shared.core.lock();
            let next = core.visit(&mut self.post, Visit { ended, may_batch }, &mut self.rings);
            let watched = core.watchers > 0;
            drop(core);
            ring(self.rings.drain(..));
            self.appetite.after_visit(matches!(next, Next::Run(_)));
            match next {
                Next::Run(following) => item = Some(following),
                Next::Duties(duties) => {
                    item = None;
                    for duty in duties {
                        let index = self.post.birth.index;
                        // Dropped in there as well.
                        contain(move || duty(index));
                    }
                }
                Next::Idle | Next::Leave => {
                    if watched {
                        self.shared.events.notify_all();
                    }
                    return matches!(next, Next::Idle);
                }
            }
        }
    }

    /// The next payload that it took along, if it did.
    #[inline]
    fn next_in_hand(&self, ended: Option<Ended>) -> Option<Item<T>> {
        if !self.post.holding {
            return None;
        }
        self.post.hand.next(ended? == Ended::Panicked).map(Item::unstamped)
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
            times.record(waited, settings.clock.now().saturating_duration_since(started));
        }
        ended
    }

    fn run_payload(&mut self, payload: T) -> Ended {
        let Some(runner) = &mut self.runner else { return Ended::Panicked };
        let settings = &self.shared.settings;
        let index = self.post.birth.index;
        if let Some(hook) = &settings.hooks.on_payload_start {
            contain(|| hook(index, &payload));
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| runner.run(payload)));
        let end = if outcome.is_ok() { PayloadEnd::Returned } else { PayloadEnd::Panicked };
        if let Some(hook) = &settings.hooks.on_payload_end {
            contain(|| hook(index, end));
        }
        let Err(value) = outcome else { return Ended::Returned };
        report(self.shared, value);
        if self.shared.handler.has_state() {
            // What the panic left of the state is not to be trusted.
            let broken = self.runner.take();
            contain(|| drop(broken));
            self.runner = match make_runner(self.shared, index) {
                Ok(runner) => Some(runner),
                Err(error) => {
                    contain(|| drop(error));
                    None
                }
            };
        }
        Ended::Panicked
    }

    fn abandon(&mut self) {
        let mut core = self.shared.core.lock();
        let Leftovers { payloads, bells, _duties: duties } = core.abandon(&mut self.post);
        self.shared.unlock_and_tell(core);
        has_left();
        // It may have been the last, for which the cleaner waits without a limit.
        self.shared.cleaner_bell.notify_one();
        ring(bells);
        contain(|| drop(duties));
        self.shared.discard(payloads, Discard::NoWorker);
    }
}

fn run_hook(hook: Option<&(dyn Fn(usize) + Send + Sync)>, index: usize) {
    if let Some(hook) = hook {
        contain(|| hook(index));
    }
}
