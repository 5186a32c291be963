//! The graph of sleepers: each points to the one worker, or to the pool, that has to move before it can.
//!
//! A sleeper moves again if the worker it sleeps for does, or if any worker of the pool does for which it sleeps. So it
//! does not sleep for ever exactly if somebody who does not sleep can be reached from it: there is one way on from each
//! sleeper, and many only from a pool.

use std::collections::{BTreeMap, BTreeSet};

use super::{Alarm, Headcount, PoolKey, Sleeper, StayAwake, TaskRunner, Wait, WayOut, WorkerKey};
use crate::sync::StdArc;

#[derive(Default)]
pub(super) struct Graph {
    records: BTreeMap<WorkerKey, Record>,
    /// The sleepers of each pool that has any, without those that were roused.
    asleep: BTreeMap<PoolKey, BTreeSet<WorkerKey>>,
}

/// What is known of a sleeper.
pub(super) struct Record {
    home: StdArc<Headcount>,
    wait: Wait,
    way_out: WayOut,
    alarm: Alarm,
    /// It is to take its way out, and so will move.
    roused: bool,
}

impl Record {
    pub(super) fn is_roused(&self) -> bool {
        self.roused
    }
}

impl Graph {
    pub(super) fn fall_asleep(
        &mut self,
        sleeper: &Sleeper,
        wait: Wait,
        way_out: WayOut,
    ) -> Result<(), StayAwake> {
        let home = sleeper.home.clone();
        self.enter(sleeper.key, &home);
        let record = Record { home, wait, way_out, alarm: Alarm::Bell(sleeper.clone()), roused: false };
        let before = self.records.insert(sleeper.key, record);
        debug_assert!(before.is_none(), "a worker sleeps in one place");
        let Some(key) = self.way_out_of(sleeper.key) else { return Ok(()) };
        self.wake(sleeper.key);
        let other = if key == sleeper.key { None } else { self.rouse(key) };
        Err(other.map_or(StayAwake::ForEver, StayAwake::Ring))
    }

    pub(super) fn set_alarm(&mut self, sleeper: WorkerKey, alarm: Alarm) {
        if let Some(record) = self.records.get_mut(&sleeper) {
            record.alarm = alarm;
        }
    }

    pub(super) fn sleep_on(&mut self, sleeper: WorkerKey, wait: Wait, way_out: WayOut) -> Option<Alarm> {
        let record = self.records.get_mut(&sleeper)?;
        record.wait = wait;
        record.way_out = way_out;
        if record.roused {
            return None;
        }
        let other = self.way_out_of(sleeper)?;
        self.rouse(other)
    }

    pub(super) fn wake(&mut self, sleeper: WorkerKey) -> Option<Record> {
        let record = self.records.remove(&sleeper)?;
        if !record.roused {
            self.leave(sleeper, &record.home);
        }
        Some(record)
    }

    pub(super) fn is_roused(&self, sleeper: WorkerKey) -> bool {
        self.records.get(&sleeper).is_some_and(|record| record.roused)
    }

    pub(super) fn look_again(&mut self, pool: PoolKey) -> Option<Alarm> {
        let stuck = self.stuck_from(Wait::Free(pool))?;
        let key = self.best_of(&stuck, None)?;
        self.rouse(key)
    }

    /// Who is to take its way out, now that this one sleeps; nobody as long as somebody moves for whom it waits.
    fn way_out_of(&self, sleeper: WorkerKey) -> Option<WorkerKey> {
        let stuck = self.stuck_from(Wait::Run(TaskRunner::Worker(sleeper)))?;
        self.best_of(&stuck, Some(sleeper))
    }

    /// All sleepers that can be reached from a wait; `None` as soon as somebody is reached who moves.
    fn stuck_from(&self, wait: Wait) -> Option<BTreeSet<WorkerKey>> {
        let mut stuck = BTreeSet::new();
        let mut pools = BTreeSet::new();
        let mut to_follow = vec![wait];
        while let Some(wait) = to_follow.pop() {
            match wait {
                Wait::Run(TaskRunner::Outside) => return None,
                Wait::Run(TaskRunner::Worker(key)) => {
                    let record = self.records.get(&key).filter(|record| !record.roused)?;
                    if stuck.insert(key) {
                        to_follow.push(record.wait);
                    }
                }
                Wait::Free(pool) => {
                    if !pools.insert(pool) {
                        continue;
                    }
                    let asleep = self.asleep.get(&pool)?;
                    let headcount = &self.records[asleep.first()?].home;
                    if headcount.workers.get() > asleep.len() {
                        return None;
                    }
                    to_follow.extend(asleep.iter().map(|&key| Wait::Run(TaskRunner::Worker(key))));
                }
            }
        }
        Some(stuck)
    }

    /// Who of these is to take its way out: the one with the best, `first` among equals.
    fn best_of(&self, stuck: &BTreeSet<WorkerKey>, first: Option<WorkerKey>) -> Option<WorkerKey> {
        let best = stuck.iter().min_by_key(|&key| (self.records[key].way_out, Some(*key) != first))?;
        let acts = !matches!(self.records[best].way_out, WayOut::Limit | WayOut::Nothing);
        acts.then_some(*best)
    }

    /// Has a sleeper take its way out.
    fn rouse(&mut self, sleeper: WorkerKey) -> Option<Alarm> {
        let record = self.records.get_mut(&sleeper)?;
        record.roused = true;
        let (home, alarm) = (record.home.clone(), record.alarm.clone());
        self.leave(sleeper, &home);
        Some(alarm)
    }

    fn enter(&mut self, sleeper: WorkerKey, home: &StdArc<Headcount>) {
        let asleep = self.asleep.entry(PoolKey::of(home)).or_default();
        asleep.insert(sleeper);
        home.asleep.set(asleep.len());
    }

    fn leave(&mut self, sleeper: WorkerKey, home: &StdArc<Headcount>) {
        let pool = PoolKey::of(home);
        let Some(asleep) = self.asleep.get_mut(&pool) else { return };
        asleep.remove(&sleeper);
        home.asleep.set(asleep.len());
        if asleep.is_empty() {
            self.asleep.remove(&pool);
        }
    }
}
