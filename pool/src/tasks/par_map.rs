//! One function over a slice, on several cores, for computing.
//!
//! The caller and its helpers take parts of the slice from one cursor. How long a part is follows from what the last
//! one took: long enough that taking it costs nothing, short enough that nobody waits long for the last one.

use std::mem;
use std::time::Duration;

use super::items_run::ItemsRun;
use super::task::TaskPool;
use crate::sync::{Count, Instant, Mutex, parallelism};

/// How long a part should take. The cursor's lock costs some 20 ns for each.
const PART: Duration = Duration::from_micros(50);

impl TaskPool {
    /// Calls `map` on each item, on several cores at once, and returns the results in the order of the items.
    ///
    /// For computing: the calling thread works too, and is helped by as many workers as there are further cores, or
    /// fewer if the pool may not have so many; by those that are free, at once or later. So it never waits for a busy
    /// pool, and works on one that is stopped. Items are given out in parts of about 50 us, single ones if they take
    /// longer, so uneven items do no harm. For tasks that block, use [`map`](Self::map) with as many in flight as
    /// should block at a time.
    ///
    /// The pool's [`stats`](crate::WorkerPool::stats) count what has run as [`items`](crate::PoolStats::items), part by
    /// part.
    ///
    /// `rayon`'s `par_iter().map()` does the same for this case. Where iterators are chained, sorted, reduced or
    /// split recursively, use rayon: it has all that, and steals at every level.
    ///
    /// # Panics
    /// With the panic of `map`, or with one of them if there are several, after all calls have ended. No further items
    /// are begun then.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers_per_core(1).build_tasks()?;
    /// let words = ["so", "many", "words"];
    /// assert_eq!(pool.par_map(&words, |word| word.len()), [2, 4, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn par_map<T, R, F>(&self, items: &[T], map: F) -> Vec<R>
    where
        T: Sync,
        R: Send,
        F: Fn(&T) -> R + Sync,
    {
        let most = self.capacity().unwrap_or(usize::MAX);
        let helpers = (parallelism() - 1).min(most).min(items.len().saturating_sub(1));
        let counts = self.items();
        let work =
            ParMap { items, map, counts, threads: helpers + 1, next: Mutex::new(0), done: Mutex::default() };
        if helpers == 0 {
            work.take_part();
        } else {
            self.scope(|scope| {
                for _ in 0..helpers {
                    scope.execute(|| work.take_part());
                }
                work.take_part();
            });
        }
        let mut parts = mem::take(&mut *work.done.lock());
        parts.sort_unstable_by_key(|part| part.first);
        let mut results = Vec::with_capacity(items.len());
        results.extend(parts.into_iter().flat_map(|part| part.results));
        results
    }
}

struct ParMap<'a, T, R, F> {
    items: &'a [T],
    map: F,
    /// Of items that have run.
    counts: &'a Count,
    /// Who may take part.
    threads: usize,
    /// Number of the first item that nobody has taken.
    next: Mutex<usize>,
    done: Mutex<Vec<MappedPart<R>>>,
}

/// The results of items that follow one another.
struct MappedPart<R> {
    first: usize,
    results: Vec<R>,
}

impl<T: Sync, R: Send, F: Fn(&T) -> R + Sync> ParMap<'_, T, R, F> {
    /// Works until nothing is left to be taken.
    fn take_part(&self) {
        let mut parts = Vec::new();
        let calls_off = CallsOff(&self.next, self.items.len());
        let mut length = 1;
        let mut began = Instant::now();
        while let Some((first, items)) = self.take(length) {
            parts.push(MappedPart { first, results: self.run(items) });
            let now = Instant::now();
            let took = now.saturating_duration_since(began);
            began = now;
            if took < PART / 2 {
                length = items.len() * 2;
            } else if took > PART * 2 {
                length = (items.len() / 2).max(1);
            }
        }
        mem::forget(calls_off);
        self.done.lock().append(&mut parts);
    }

    fn run(&self, items: &[T]) -> Vec<R> {
        let mut run = ItemsRun::new(self.counts);
        let map = |item| {
            run.begin();
            (self.map)(item)
        };
        items.iter().map(map).collect()
    }

    /// The next items, at most so many, and so few that the others have something to do until the end.
    fn take(&self, length: usize) -> Option<(usize, &[T])> {
        let mut next = self.next.lock();
        let first = *next;
        let left = self.items.len() - first;
        let length = length.min(left.div_ceil(2 * self.threads));
        *next += length;
        (length > 0).then(|| (first, &self.items[first..first + length]))
    }
}

/// Leaves nothing to be taken, when its thread unwinds.
struct CallsOff<'a>(&'a Mutex<usize>, usize);

impl Drop for CallsOff<'_> {
    fn drop(&mut self) {
        *self.0.lock() = self.1;
    }
}
