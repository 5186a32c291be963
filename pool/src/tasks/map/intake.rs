//! Where items come from, and how they become errands.

use std::collections::VecDeque;
use std::iter::Fuse;
use std::time::Duration;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Instant, StdArc};
use crate::tasks::items_run::ItemsRun;
use crate::tasks::scope::crew::Crew;
use crate::tasks::scope::{Errand, Scope};
use crate::tasks::stored_closure::StoredClosure;
use crate::tasks::task::TaskPool;

/// How many are in flight when nothing is set: twice the workers within these. What is in flight takes memory, and
/// tasks that block take a thread each; with too few, whoever asks for results sleeps and wakes for each of them.
const LEAST: usize = 16;
const MOST: usize = 64;

/// What takes less is run by whoever waits for something else, as going to sleep and being woken takes as long.
const SHORT: Duration = Duration::from_micros(50);

/// Takes errands.
pub(super) trait Entrust<'a>: Send + 'a {
    fn entrust<R, F>(&self, task: F) -> Errand<'a, R>
    where
        F: FnOnce() -> R + Send + 'a,
        R: Send + 'a;

    /// Who helps.
    fn pool(&self) -> &TaskPool;
}

/// A crew that has no scope, for tasks that borrow nothing.
pub(super) struct OwnCrew {
    pool: TaskPool,
    crew: Arc<Crew>,
}

impl OwnCrew {
    pub(super) fn new(pool: &TaskPool) -> Self {
        OwnCrew { pool: pool.clone(), crew: Crew::new(pool) }
    }
}

impl Drop for OwnCrew {
    /// The crew keeps nothing of the pool, whoever still holds a ticket.
    fn drop(&mut self) {
        self.crew.dismiss_watcher();
    }
}

impl Entrust<'static> for OwnCrew {
    fn entrust<R, F>(&self, task: F) -> Errand<'static, R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (errand, run) = Errand::new(task);
        Crew::add(&self.crew, &self.pool, StoredClosure::new(run));
        errand
    }

    fn pool(&self) -> &TaskPool {
        &self.pool
    }
}

impl<'scope> Entrust<'scope> for &'scope Scope<'scope, '_> {
    fn entrust<R, F>(&self, task: F) -> Errand<'scope, R>
    where
        F: FnOnce() -> R + Send + 'scope,
        R: Send + 'scope,
    {
        let (errand, run) = Errand::new(task);
        self.execute(run);
        errand
    }

    fn pool(&self) -> &TaskPool {
        Scope::pool(self)
    }
}

type HandOver<'a, T, R> = Box<dyn FnMut(T) -> Errand<'a, R> + Send + 'a>;

/// The source of items, and who gets them.
pub(super) struct Intake<'a, I: Iterator, R> {
    items: Fuse<I>,
    hand_over: HandOver<'a, I::Item, R>,
    /// How many may be in flight.
    pub(super) most: usize,
    /// The last item took little time.
    short: StdArc<AtomicBool>,
}

impl<'a, I: Iterator, R: Send + 'a> Intake<'a, I, R>
where
    I::Item: Send + 'a,
{
    pub(super) fn new<F>(items: I, place: impl Entrust<'a>, map: F) -> Self
    where
        F: Fn(I::Item) -> R + Send + Sync + 'a,
    {
        let workers = place.pool().capacity().unwrap_or(MOST);
        let short = StdArc::new(AtomicBool::new(false));
        let shared = StdArc::new((map, short.clone(), place.pool().items().clone()));
        let hand_over = move |item| {
            let shared = shared.clone();
            place.entrust(move || {
                let (map, short, items) = &*shared;
                let began = Instant::now();
                let mut run = ItemsRun::new(items);
                run.begin();
                let result = map(item);
                drop(run);
                let is_short = Instant::now().saturating_duration_since(began) < SHORT;
                if short.load(Ordering::Relaxed) != is_short {
                    short.store(is_short, Ordering::Relaxed);
                }
                result
            })
        };
        let most = workers.saturating_mul(2).clamp(LEAST, MOST);
        Intake { items: items.fuse(), hand_over: Box::new(hand_over), most, short }
    }
}

impl<'a, I: Iterator, R> Intake<'a, I, R> {
    /// The next item as an errand, if there is one.
    pub(super) fn pull(&mut self) -> Option<Errand<'a, R>> {
        self.items.next().map(&mut self.hand_over)
    }

    /// For whoever would sleep otherwise: runs one of these that nobody has started, if items take little time. False
    /// when there is none, or it might take long.
    pub(super) fn run_another(&self, in_flight: &VecDeque<Errand<'a, R>>) -> bool {
        // From behind, as workers begin in front.
        self.short.load(Ordering::Relaxed)
            && in_flight.iter().rev().take_while(|errand| errand.is_waiting()).any(Errand::start)
    }

    /// How many items are still to be pulled.
    pub(super) fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

/// How many results are still to be given out, when so many are in flight.
pub(super) fn with_in_flight(to_pull: (usize, Option<usize>), in_flight: usize) -> (usize, Option<usize>) {
    let (least, most) = to_pull;
    (least.saturating_add(in_flight), most.and_then(|most| most.checked_add(in_flight)))
}
