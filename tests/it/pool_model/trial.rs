//! The trial: what one operation means for the real pool, and the comparison with the model after it. It changes when
//! the pool's API does.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anthill_pool::{CancelToken, ManualClock, Priority, Refusal, SubmitError, WaitError, WorkerPool};
use anthill_tests::comes_true_within;
use proptest::prelude::*;

use super::model::{Answer, Figures, IDLE_TICKS, Id, Model, Worker};
use super::{End, Limits, Operation};

/// How long the pool may take to come to rest; short, because a failure is met again and again while it is shrunk.
const TO_REST: Duration = Duration::from_secs(10);

/// What the clock is moved by.
const TICK: Duration = Duration::from_secs(60);

/// A payload that runs until it is told how to end.
struct Payload {
    id: Id,
    panics: Receiver<bool>,
    starts: Sender<(Worker, Id)>,
    alive: Arc<AtomicUsize>,
}

impl Payload {
    fn run(self) {
        let worker = thread::current().name().and_then(|name| name.rsplit('-').next()?.parse().ok());
        // The test may be over, if it failed.
        let _ = self.starts.send((worker.unwrap_or(Worker::MAX), self.id));
        assert!(!self.panics.recv().unwrap_or(false), "payload {} panics", self.id);
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

type Channel<T> = (Sender<T>, Receiver<T>);

/// One case: the model, the pool, and what was seen of the pool so far.
pub(super) struct Trial {
    model: Model,
    handles: Vec<WorkerPool<Payload>>,
    refuses_threads: Arc<AtomicBool>,
    clock: ManualClock,
    token: CancelToken,
    duties: Arc<AtomicUsize>,
    next_id: Id,
    /// How to end each payload that was made.
    verdicts: BTreeMap<Id, Sender<bool>>,
    starts: Channel<(Worker, Id)>,
    answers: Channel<(Id, Answer)>,
    seen_started: Vec<(Worker, Id)>,
    /// How many of these were compared.
    compared: usize,
    seen_answers: Vec<(Id, Answer)>,
    alive: Arc<AtomicUsize>,
}

impl Trial {
    pub(super) fn new(limits: Limits) -> Self {
        let refuses_threads = Arc::new(AtomicBool::new(false));
        let refuses = refuses_threads.clone();
        let clock = ManualClock::new();
        let pool = WorkerPool::builder()
            .name("quiet101")
            .max_workers(limits.max_workers)
            .min_workers(limits.min_workers)
            .queue_capacity(limits.queue)
            .max_blocking(limits.max_blocking)
            .max_idle_worker_duration(IDLE_TICKS * TICK)
            .clock(&clock)
            .spawner(move |worker| {
                if refuses.load(Ordering::SeqCst) {
                    Err(io::ErrorKind::WouldBlock.into())
                } else {
                    worker.spawn()
                }
            })
            .build(Payload::run)
            .unwrap();
        Trial {
            model: Model::new(limits),
            handles: vec![pool],
            refuses_threads,
            clock,
            token: CancelToken::new(),
            duties: Arc::default(),
            next_id: 0,
            verdicts: BTreeMap::new(),
            starts: channel(),
            answers: channel(),
            seen_started: Vec::new(),
            compared: 0,
            seen_answers: Vec::new(),
            alive: Arc::default(),
        }
    }

    /// The youngest handle; which one is used must not matter.
    fn pool(&self) -> &WorkerPool<Payload> {
        self.handles.last().expect("one handle is kept")
    }

    pub(super) fn perform(&mut self, operation: Operation) -> Result<(), TestCaseError> {
        match operation {
            Operation::Submit => {
                let id = self.submit(WorkerPool::submit);
                self.model.submit(id, Priority::Normal, true, None);
            }
            Operation::TrySubmit => {
                let id = self.submit(WorkerPool::try_submit);
                self.model.submit(id, Priority::Normal, false, Some(Answer::Full));
            }
            Operation::SubmitTimeout => {
                let id = self.submit(|pool, payload| pool.submit_timeout(payload, Duration::ZERO));
                self.model.submit(id, Priority::Normal, true, Some(Answer::Timeout));
            }
            Operation::SubmitUrgency(priority) => {
                let id =
                    self.submit(move |pool, payload| pool.submission(payload).priority(priority).submit());
                self.model.submit(id, priority, true, None);
            }
            Operation::SubmitCancellable => {
                let token = self.token.clone();
                let id =
                    self.submit(move |pool, payload| pool.submission(payload).cancel_with(&token).submit());
                self.model.submit(id, Priority::Normal, true, None);
                self.model.cancellable.push(id);
            }
            Operation::Cancel => {
                std::mem::take(&mut self.token).cancel();
                self.model.cancel();
            }
            Operation::TrySubmitMany(count) => self.submit_many(count)?,
            Operation::Finish(which) => self.end_payload(which, false),
            Operation::Panic(which) => self.end_payload(which, true),
            Operation::RefuseThreads(refuses) => {
                self.refuses_threads.store(refuses, Ordering::SeqCst);
                self.model.refuses_threads = refuses;
            }
            Operation::CloneHandle => self.handles.push(self.pool().clone()),
            Operation::DropHandle => {
                if self.handles.len() > 1 {
                    self.handles.swap_remove(0);
                }
            }
            Operation::WaitIdle => {
                let expected = if self.model.is_idle() { Ok(()) } else { Err(WaitError::Timeout) };
                prop_assert_eq!(self.pool().wait_idle_timeout(Duration::ZERO), expected);
            }
            Operation::Wait => {
                let ended = !self.model.open && self.model.workers() == 0;
                // The threads of an ended pool may take a moment.
                let (limit, expected) =
                    if ended { (TO_REST, Ok(())) } else { (Duration::ZERO, Err(WaitError::Timeout)) };
                prop_assert_eq!(self.pool().wait_timeout(limit), expected);
            }
            Operation::Stop => {
                self.pool().stop();
                self.model.stop();
            }
            Operation::StopNow => {
                let rest: Vec<Id> = self.pool().stop_now().iter().map(|payload| payload.id).collect();
                prop_assert_eq!(rest, self.model.stop_now());
            }
            Operation::Restart => {
                self.pool().restart();
                self.model.open = true;
            }
            Operation::SetMaxWorkers(max_workers) => {
                let max_workers = max_workers.min(self.model.workers() + 1);
                let valid = max_workers >= self.model.limits.min_workers.max(1);
                prop_assert_eq!(self.pool().set_max_workers(max_workers).is_ok(), valid);
                if valid {
                    self.model.set_max_workers(max_workers);
                }
            }
            Operation::Prestart => self.prestart()?,
            Operation::Broadcast => {
                // With several their order on the way back would be open.
                if self.model.is_idle() && self.model.idle.len() <= 1 {
                    let duties = self.duties.clone();
                    let told = self.pool().broadcast(move |_| {
                        duties.fetch_add(1, Ordering::SeqCst);
                    });
                    prop_assert_eq!(told, self.model.idle.len());
                    self.model.duties += told;
                    prop_assert_eq!(self.pool().wait_idle_timeout(TO_REST), Ok(()));
                    self.model.idle.iter_mut().for_each(|(_, since)| *since = self.model.now);
                }
            }
            Operation::Tick(ticks) => {
                self.clock.advance(ticks * TICK);
                self.model.tick(ticks);
            }
        }
        Ok(())
    }

    /// Makes one worker more, if there is nothing to do; else it would be open when it comes to rest.
    fn prestart(&mut self) -> Result<(), TestCaseError> {
        if !self.model.is_idle() {
            return Ok(());
        }
        let made = self.pool().prestart(self.model.workers() + 1).ok();
        if self.model.open && self.model.workers() < self.model.limits.max_workers {
            let worker = self.model.make_worker();
            prop_assert_eq!(made, worker.map(|_| 1));
            self.model.idle.extend(worker.map(|worker| (worker, self.model.now)));
        } else {
            prop_assert_eq!(made, Some(0));
        }
        prop_assert_eq!(self.pool().wait_idle_timeout(TO_REST), Ok(()));
        Ok(())
    }

    /// Submits so many new payloads at once.
    fn submit_many(&mut self, count: usize) -> Result<(), TestCaseError> {
        let first = self.next_id;
        let payloads: Vec<Payload> = (0..count).map(|_| self.new_payload()).collect();
        let outcome = self.pool().try_submit_many(payloads);
        let accepted = match &outcome {
            Ok(accepted) => *accepted,
            Err(error) => error.accepted,
        };
        let mut answers = vec![Answer::Accepted; accepted];
        if let Err(error) = &outcome {
            let rest: Vec<Id> = error.rest.iter().map(|payload| payload.id).collect();
            prop_assert_eq!(rest, (first + accepted..first + count).collect::<Vec<_>>());
            answers.push(match error.refusal {
                Refusal::Full => Answer::Full,
                Refusal::Closed => Answer::Closed,
                Refusal::SpawnFailed => Answer::SpawnFailed,
                other => panic!("{other:?}"),
            });
            answers.resize(count, Answer::NotTried);
        }
        self.seen_answers.extend((first..).zip(answers));
        let mut ids = first..first + count;
        while let Some(id) = ids.next() {
            if !self.model.submit(id, Priority::Normal, false, Some(Answer::Full)) {
                self.model.answers.extend(ids.by_ref().map(|id| (id, Answer::NotTried)));
            }
        }
        Ok(())
    }

    fn new_payload(&mut self) -> Payload {
        let id = self.next_id;
        self.next_id += 1;
        let (verdict, panics) = channel();
        self.verdicts.insert(id, verdict);
        self.alive.fetch_add(1, Ordering::SeqCst);
        Payload { id, panics, starts: self.starts.0.clone(), alive: self.alive.clone() }
    }

    /// Submits a new payload, on a thread of its own because it may block.
    fn submit(
        &mut self,
        how: impl FnOnce(&WorkerPool<Payload>, Payload) -> Result<(), SubmitError<Payload>> + Send + 'static,
    ) -> Id {
        let payload = self.new_payload();
        let id = payload.id;
        let (pool, answers) = (self.pool().clone(), self.answers.0.clone());
        thread::spawn(move || {
            let outcome = how(&pool, payload);
            drop(pool);
            let (id, answer) = match outcome {
                Ok(()) => (id, Answer::Accepted),
                Err(error) => {
                    let answer = match error {
                        SubmitError::Full(_) => Answer::Full,
                        SubmitError::Overload(_) => Answer::Overload,
                        SubmitError::Closed(_) => Answer::Closed,
                        SubmitError::Timeout(_) => Answer::Timeout,
                        SubmitError::SpawnFailed(..) => Answer::SpawnFailed,
                        SubmitError::Cancelled(_) => Answer::Cancelled,
                        other => panic!("{other:?}"),
                    };
                    // The payload's own number: it must be the one that was submitted.
                    (error.into_payload().id, answer)
                }
            };
            let _ = answers.send((id, answer));
        });
        id
    }

    /// Ends one of the payloads that run, if any do.
    fn end_payload(&mut self, which: usize, panics: bool) {
        if self.model.busy.is_empty() {
            return;
        }
        let (_, id) = self.model.busy[which % self.model.busy.len()];
        self.tell(id, panics);
        self.model.finish(id, panics);
    }

    fn tell(&self, id: Id, panics: bool) {
        // A payload that was refused does not listen any more.
        let _ = self.verdicts[&id].send(panics);
    }

    /// Waits until the pool has come to rest, and looks like the model.
    pub(super) fn compare(&mut self) -> Result<(), TestCaseError> {
        let figures = self.model.figures();
        // Whether it is alike is asserted below, where it can be shown.
        let _ = comes_true_within(TO_REST, || {
            self.look();
            // More than there should be does not go away by waiting.
            self.seen_started.len() > self.model.started.len()
                || self.seen_answers.len() > self.model.answers.len()
                || (Figures::from(self.pool().stats()) == figures
                    && self.seen_started.len() == self.model.started.len()
                    && self.seen_answers.len() == self.model.answers.len())
        });
        // Of those that one operation starts, the order is open; where each one starts is not.
        for started in [&mut self.seen_started, &mut self.model.started] {
            let before = self.compared.min(started.len());
            started[before..].sort_unstable();
        }
        self.compared = self.model.started.len();
        prop_assert_eq!(&self.seen_started, &self.model.started, "what started, and where");
        prop_assert_eq!(self.duties.load(Ordering::SeqCst), self.model.duties);
        self.seen_answers.sort_unstable();
        let expected: Vec<_> = self.model.answers.iter().map(|(id, answer)| (*id, *answer)).collect();
        prop_assert_eq!(&self.seen_answers, &expected, "what submitters were told");
        prop_assert_eq!(Figures::from(self.pool().stats()), figures);
        Ok(())
    }

    fn look(&mut self) {
        self.seen_started.extend(self.starts.1.try_iter());
        self.seen_answers.extend(self.answers.1.try_iter());
    }

    /// Ends the pool, lets everything run that was accepted, and looks for what got lost or ran twice.
    pub(super) fn end(mut self, end: End) -> Result<(), TestCaseError> {
        match end {
            // Blocked submitters hold handles: then dropping ours is not the end.
            End::DropHandles if self.model.line.is_empty() => {
                self.handles.clear();
                self.model.stop();
            }
            End::Stop | End::DropHandles => self.perform(Operation::Stop)?,
            End::StopNow => self.perform(Operation::StopNow)?,
        }
        for id in 0..self.next_id {
            self.tell(id, false);
        }
        while let Some((_, id)) = self.model.busy.first().copied() {
            self.model.finish(id, false);
        }
        if let Some(pool) = self.handles.last() {
            prop_assert_eq!(pool.wait_timeout(TO_REST), Ok(()));
        }
        let all_answered = comes_true_within(TO_REST, || {
            self.look();
            self.seen_answers.len() == self.model.answers.len()
        });
        prop_assert!(all_answered, "submitters are left");
        if let Some(pool) = self.handles.last() {
            prop_assert_eq!(Figures::from(pool.stats()), self.model.figures());
        }
        let nothing_left = comes_true_within(TO_REST, || self.alive.load(Ordering::SeqCst) == 0);
        prop_assert!(nothing_left, "payloads are left");
        self.look();
        // Several workers drained the queue, so only what ran is certain, and not where and when.
        let ids = |started: &[(Worker, Id)]| {
            let mut ids: Vec<Id> = started.iter().map(|(_, id)| *id).collect();
            ids.sort_unstable();
            ids
        };
        prop_assert_eq!(ids(&self.seen_started), ids(&self.model.started));
        Ok(())
    }
}
