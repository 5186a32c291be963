//! What an object pool has done and holds.

use std::fmt;

/// Figures of an [`ObjectPool`](crate::ObjectPool); counted since it was built.
///
/// Every `get` is a hit or a miss. Every return ends in the pool or under one of the `dropped_by` reasons, except that
/// age strikes what was in the pool already.
///
/// ```
/// use anthill_pool::ObjectPool;
///
/// let pool = ObjectPool::builder().max_idle(1).shards(1).build(|| 0_u8);
/// let (one, two) = (pool.get(), pool.get());
/// drop(one);
/// drop(two);
/// let stats = pool.stats();
/// assert_eq!((stats.hits, stats.misses), (0, 2));
/// assert_eq!((stats.resident, stats.dropped_by_bound), (1, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectPoolStats {
    /// Times an idle object was found.
    pub hits: u64,
    /// Times there was none, and `make` was called.
    pub misses: u64,
    /// Objects dropped because the shard was full ([`max_idle`](crate::ObjectPoolBuilder::max_idle),
    /// [`max_weight`](crate::ObjectPoolBuilder::max_weight)).
    pub dropped_by_bound: u64,
    /// Idle objects dropped because nobody used them for two ticks.
    pub dropped_by_age: u64,
    /// Returned objects that the [`retain`](crate::ObjectPoolBuilder::retain) hook refused.
    pub dropped_by_retain: u64,
    /// Objects dropped because they were returned by an unwinding thread, or because a hook panicked.
    pub dropped_by_panic: u64,
    /// Returned objects dropped by the test aid [`drop_one_in_four`](crate::ObjectPoolBuilder::drop_one_in_four).
    pub dropped_by_chance: u64,
    /// Idle objects in the pool now.
    pub resident: usize,
    /// What they weigh together; 0 in a pool without [`max_weight`](crate::ObjectPoolBuilder::max_weight).
    pub resident_weight: usize,
}

impl ObjectPoolStats {
    /// The share of `get`s that found an idle object, from 0 to 1; 0 when there were none.
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            gets => self.hits as f64 / gets as f64,
        }
    }

    /// How many objects were dropped for each reason.
    pub(crate) fn dropped(&self) -> [(u64, &'static str); 5] {
        [
            (self.dropped_by_bound, "bound"),
            (self.dropped_by_age, "age"),
            (self.dropped_by_retain, "retain"),
            (self.dropped_by_panic, "panic"),
            (self.dropped_by_chance, "chance"),
        ]
    }
}

/// One line for a log; reasons of drops are named only when there were some.
///
/// ```
/// let pool = anthill_pool::ObjectPool::builder().build(|| 0_u8);
/// drop(pool.get());
/// drop(pool.get());
/// assert_eq!(pool.stats().to_string(), "1 resident; 1 hits and 1 misses, 50.0 % hits");
/// ```
impl fmt::Display for ObjectPoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = 100.0 * self.hit_rate();
        write!(
            f,
            "{} resident; {} hits and {} misses, {rate:.1} % hits",
            self.resident, self.hits, self.misses
        )?;
        if self.dropped().iter().all(|(count, _)| *count == 0) {
            return Ok(());
        }
        f.write_str("; dropped by")?;
        let mut separator = " ";
        for (count, reason) in self.dropped().into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{reason} {count}")?;
            separator = ", ";
        }
        Ok(())
    }
}
