//! One shard: two generations of idle objects, the slots that belong to it, and what happened to them. Plain data; the
//! pool puts the lock around it.
//!
//! The rule kept: every object that comes in goes out exactly once, by `take`, as surplus of `put`, or by `age`; and
//! nothing is dropped in here, because here a lock is held.

use std::mem;

use super::stats::ObjectPoolStats;
use super::thread_slots::{ThreadSlot, ThreadSlots};

/// An object that lies in a shard.
#[derive(Debug)]
pub(super) struct Idle<T> {
    pub(super) object: Box<T>,
    /// Weighed when it was returned, because nobody can change it since; 0 when nothing is weighed.
    pub(super) weight: usize,
}

/// What a shard may hold, the objects in its slots included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) objects: usize,
    /// `None` when nothing is weighed.
    pub(super) weight: Option<usize>,
}

#[derive(Clone, Copy)]
enum Generation {
    Current,
    Victim,
}

#[derive(Debug)]
pub(super) struct Shard<T> {
    /// Returned since the last tick; the most recent on top.
    current: Vec<Idle<T>>,
    /// Returned before the last tick and not used since; dropped at the next.
    victim: Vec<Idle<T>>,
    /// The weight of both together.
    weight: usize,
    /// The threads' numbers of the slots that are open here.
    slots: Vec<usize>,
    pub(super) counts: ObjectPoolStats,
    /// Objects that left a slot of this shard in another way than by a `get`. The hits of a slot are what is left of
    /// its puts when these, and the object that lies there, are subtracted; so nobody has to count them.
    left_slots: u64,
    returns: u64,
}

impl<T> Shard<T> {
    pub(super) fn new() -> Self {
        Shard {
            current: Vec::new(),
            victim: Vec::new(),
            weight: 0,
            slots: Vec::new(),
            counts: ObjectPoolStats::default(),
            left_slots: 0,
            returns: 0,
        }
    }

    /// The warmest idle object, which counts as a hit.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Box<T>> {
        let idle = self.current.pop().or_else(|| self.victim.pop())?;
        self.weight -= idle.weight;
        self.counts.hits += 1;
        Some(idle.object)
    }

    /// Notes that no shard had an object.
    pub(super) fn missed(&mut self) {
        self.counts.misses += 1;
    }

    /// Keeps what comes from a thread without a slot, or hands it back when there is no room.
    #[must_use = "the object handed back is to be dropped outside of the lock"]
    pub(super) fn put(&mut self, idle: Idle<T>, bounds: Bounds) -> Option<Box<T>> {
        self.put_into(Generation::Current, idle, bounds)
    }

    /// Keeps what its thread's slot had no room for, or opens the slot with it. The newest is the warmest, so it gets
    /// the slot, and what lay there comes here; or out, when there is no room.
    #[must_use = "the object handed back is to be dropped outside of the lock"]
    pub(super) fn put_by_slot(
        &mut self,
        object: Box<T>,
        number: usize,
        slots: &ThreadSlots<T>,
        bounds: Bounds,
    ) -> Option<Box<T>> {
        if let Some(slot) = slots.of(number) {
            let (object, is_old) = slot.replace(object)?;
            self.left_slots += 1;
            let generation = if is_old { Generation::Victim } else { Generation::Current };
            return self.put_into(generation, Idle { object, weight: 0 }, bounds);
        }
        if slots.has_room_for(number) && self.may_open_slot(bounds) {
            slots.open(number, object);
            self.slots.push(number);
            return None;
        }
        self.put(Idle { object, weight: 0 }, bounds)
    }

    /// Counts a return to the shard itself, and tells which one it was.
    #[inline]
    pub(super) fn count_return(&mut self) -> u64 {
        self.returns += 1;
        self.returns
    }

    /// Starts a new generation and hands out the oldest.
    #[must_use = "the objects are to be dropped outside of the lock"]
    pub(super) fn age(&mut self, slots: &ThreadSlots<T>, bounds: Bounds) -> Vec<Box<T>> {
        mem::swap(&mut self.current, &mut self.victim);
        let mut expired = Vec::new();
        // When nothing expired, the empty stack keeps its memory, so a pool in steady use does not allocate.
        if !self.current.is_empty() {
            for idle in mem::take(&mut self.current) {
                self.weight -= idle.weight;
                expired.push(idle.object);
            }
            self.counts.dropped_by_age += expired.len() as u64;
        }
        self.age_slots(slots, bounds, &mut expired);
        expired
    }

    /// Takes out of the slots what has lain there since before the last tick.
    fn age_slots(&mut self, slots: &ThreadSlots<T>, bounds: Bounds, expired: &mut Vec<Box<T>>) {
        for place in 0..self.slots.len() {
            let Some((object, is_young)) = slots.of(self.slots[place]).and_then(ThreadSlot::age) else {
                continue;
            };
            self.left_slots += 1;
            if is_young {
                expired.extend(self.put(Idle { object, weight: 0 }, bounds));
            } else {
                self.counts.dropped_by_age += 1;
                expired.push(object);
            }
        }
    }

    /// Adds this shard's figures to `sum`.
    pub(super) fn add_to(&self, sum: &mut ObjectPoolStats, slots: &ThreadSlots<T>) {
        let slots = || self.slots.iter().filter_map(|number| slots.of(*number));
        let in_slots = slots().filter(|slot| slot.is_full()).count();
        let puts: u64 = slots().map(|slot| slot.puts()).sum();
        // While threads use their slots, figures read one after the other need not agree.
        let hits_in_slots = puts.saturating_sub(self.left_slots).saturating_sub(in_slots as u64);
        sum.hits += self.counts.hits + hits_in_slots;
        sum.misses += self.counts.misses;
        sum.dropped_by_bound += self.counts.dropped_by_bound;
        sum.dropped_by_age += self.counts.dropped_by_age;
        sum.dropped_by_retain += self.counts.dropped_by_retain;
        sum.dropped_by_panic += self.counts.dropped_by_panic;
        sum.dropped_by_chance += self.counts.dropped_by_chance;
        sum.resident += self.idle() + in_slots;
        sum.resident_weight += self.weight;
    }

    fn put_into(&mut self, generation: Generation, idle: Idle<T>, bounds: Bounds) -> Option<Box<T>> {
        let is_too_heavy = bounds.weight.is_some_and(|most| idle.weight > most - self.weight);
        if self.is_full(bounds) || is_too_heavy {
            self.counts.dropped_by_bound += 1;
            return Some(idle.object);
        }
        self.weight += idle.weight;
        match generation {
            Generation::Current => self.current.push(idle),
            Generation::Victim => self.victim.push(idle),
        }
        None
    }

    /// Whether every place is taken, or set aside for a slot.
    #[inline]
    fn is_full(&self, bounds: Bounds) -> bool {
        self.idle() + self.slots.len() >= bounds.objects
    }

    /// At most half of the places are set aside, lest threads without a slot find none.
    fn may_open_slot(&self, bounds: Bounds) -> bool {
        self.slots.len() < bounds.objects / 2 && !self.is_full(bounds)
    }

    #[inline]
    fn idle(&self) -> usize {
        self.current.len() + self.victim.len()
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A shard with the slot of thread 0, as the pool uses them together; without one when nothing may be set aside.
    struct Pair {
        shard: Shard<u32>,
        slots: ThreadSlots<u32>,
        bounds: Bounds,
    }

    impl Pair {
        fn new(objects: usize) -> Self {
            Pair { shard: Shard::new(), slots: ThreadSlots::new(), bounds: Bounds { objects, weight: None } }
        }

        fn put(&mut self, object: u32) -> Option<u32> {
            let object = match self.slots.of(0) {
                Some(slot) => match slot.put(Box::new(object)) {
                    Ok(_) => return None,
                    Err(object) => object,
                },
                None => Box::new(object),
            };
            self.shard.put_by_slot(object, 0, &self.slots, self.bounds).map(|object| *object)
        }

        fn take(&mut self) -> Option<u32> {
            let own = self.slots.of(0).and_then(ThreadSlot::take);
            own.or_else(|| self.shard.take()).map(|object| *object)
        }

        fn age(&mut self) -> Vec<u32> {
            self.shard.age(&self.slots, self.bounds).into_iter().map(|object| *object).collect()
        }

        fn stats(&self) -> ObjectPoolStats {
            let mut stats = ObjectPoolStats::default();
            self.shard.add_to(&mut stats, &self.slots);
            stats
        }
    }

    #[test]
    fn takes_the_warmest_first_and_the_old_generation_last() {
        let mut pair = Pair::new(8);
        for object in 0..3 {
            assert_eq!(pair.put(object), None);
        }
        assert!(pair.age().is_empty());
        assert_eq!(pair.put(10), None);
        assert_eq!(pair.put(11), None);
        let order: Vec<_> = std::iter::from_fn(|| pair.take()).collect();
        // 2 lay in the slot until 10 came.
        assert_eq!(order, [11, 10, 2, 1, 0]);
    }

    #[test]
    fn a_full_shard_keeps_what_came_last() {
        let mut pair = Pair::new(2);
        let surplus: Vec<_> = (0..5).map(|object| pair.put(object)).collect();
        assert_eq!(surplus, [None, None, Some(1), Some(2), Some(3)]);
        assert_eq!((pair.take(), pair.take(), pair.take()), (Some(4), Some(0), None));
    }

    #[test]
    fn half_of_the_places_are_set_aside_for_slots_and_no_more() {
        let bounds = Bounds { objects: 5, weight: None };
        let (mut shard, slots) = (Shard::new(), ThreadSlots::new());
        for number in 0..5 {
            assert_eq!(shard.put_by_slot(Box::new(number), number, &slots, bounds), None);
        }
        assert_eq!((0..5).filter(|number| slots.of(*number).is_some()).count(), 2);
        assert_eq!(shard.put_by_slot(Box::new(5), 5, &slots, bounds), Some(Box::new(5)));
        // A slot's place stays its own while it is empty.
        assert_eq!(slots.take_any(7), Some(Box::new(0)));
        assert_eq!(shard.put_by_slot(Box::new(6), 6, &slots, bounds), Some(Box::new(6)));
    }

    #[test]
    fn weights_leave_with_their_objects() {
        let bounds = Bounds { objects: 8, weight: Some(10) };
        let mut shard = Shard::new();
        let weigh = |weight| Idle { object: Box::new(weight), weight };
        assert_eq!(shard.put(weigh(6), bounds), None);
        assert_eq!(shard.put(weigh(5), bounds), Some(Box::new(5)));
        assert_eq!(shard.put(weigh(usize::MAX), bounds), Some(Box::new(usize::MAX)));
        assert_eq!(shard.put(weigh(4), bounds), None);
        assert_eq!((shard.weight, shard.take()), (10, Some(Box::new(4))));
        assert_eq!(shard.weight, 6);
        let slots = ThreadSlots::none();
        assert!(shard.age(&slots, bounds).is_empty());
        assert_eq!((shard.age(&slots, bounds), shard.weight), (vec![Box::new(6)], 0));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Put,
        Take,
        Age,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![4 => Just(Step::Put), 3 => Just(Step::Take), 1 => Just(Step::Age)]
    }

    proptest! {
        /// A shard and its slot behave like a list of (object, ticks survived), whatever the order of calls.
        #[test]
        fn agrees_with_a_list_of_ages(steps in proptest::collection::vec(step(), 0..200), bound in 0_usize..6) {
            let mut pair = Pair::new(bound);
            let mut list: Vec<(u32, u32)> = Vec::new();
            let (mut hits, mut lost) = (0, 0);
            for (object, step) in (0_u32..).zip(steps) {
                match step {
                    Step::Put => {
                        let surplus = pair.put(object);
                        list.push((object, 0));
                        if let Some(surplus) = surplus {
                            let place = list.iter().position(|(object, _)| *object == surplus);
                            prop_assert!(place.is_some(), "{} was not here", surplus);
                            list.remove(place.unwrap());
                            // A slot that is empty keeps its place.
                            prop_assert!(list.len() + 1 >= bound);
                            lost += 1;
                        }
                        prop_assert!(list.len() <= bound);
                    }
                    Step::Take => {
                        let taken = pair.take();
                        prop_assert_eq!(taken.is_none(), list.is_empty());
                        if let Some(taken) = taken {
                            let youngest = list.iter().map(|(_, age)| *age).min();
                            let place = list.iter().position(|(object, _)| *object == taken);
                            prop_assert!(place.is_some(), "{} was not here", taken);
                            // What lies in the slot came last, but it may have grown old there.
                            let is_last = place == Some(list.len() - 1);
                            prop_assert!(is_last || Some(list[place.unwrap()].1) == youngest);
                            list.remove(place.unwrap());
                            hits += 1;
                        }
                    }
                    Step::Age => {
                        let mut expired = pair.age();
                        expired.sort_unstable();
                        let old: Vec<_> = list.iter().filter(|(_, age)| *age == 1).map(|(o, _)| *o).collect();
                        prop_assert_eq!(expired, old);
                        list.retain_mut(|(_, age)| {
                            *age += 1;
                            *age < 2
                        });
                    }
                }
                let stats = pair.stats();
                prop_assert_eq!(stats.resident, list.len());
                prop_assert_eq!((stats.hits, stats.dropped_by_bound), (hits, lost));
            }
        }
    }
}
