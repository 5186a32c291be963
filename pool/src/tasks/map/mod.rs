//! One function over the items of an iterator, a bounded number of them at a time: lazily, in order or not.
//!
//! What each item becomes is an errand of a crew, as a scope's tasks are: workers help that have nothing else to do,
//! and what none of them has started, whoever waits for it runs. So nothing here is refused, and nothing waits for
//! room. [`intake.rs`](self::intake) hands items over, [`ordered.rs`](self::ordered) and
//! [`unordered.rs`](self::unordered) give results out.

mod intake;
mod ordered;
mod unordered;

use super::scope::Scope;
use super::task::TaskPool;
use intake::OwnCrew;
pub use ordered::{Map, TryMap};
pub use unordered::MapUnordered;

impl TaskPool {
    /// Calls `map` on each item on the pool's workers, several at a time, and gives the results out in the order of the
    /// items.
    ///
    /// An iterator, and lazy: it pulls items on the thread that asks for results, and never has more of them *in
    /// flight* (pulled, and their results not given out) than [`in_flight`](Map::in_flight) says: when not set twice as
    /// many as the pool may have workers, but 16 at least and 64 at most. A result that waits for its turn is in
    /// flight, so a slow item holds up what comes after it at some distance; see
    /// [`map_unordered`](Self::map_unordered).
    ///
    /// Workers help that are free, at once or later. An item that none has started when its result is asked for is run
    /// by who asks, and so are others while they take under 50 us. So a full pool makes it slower, never wait or fail,
    /// and it works on one that is stopped. An item costs some 0.2 us beside its work; for shorter ones use
    /// [`par_map`](Self::par_map), or hand over several as one.
    ///
    /// Items are no payloads of the pool: its [`stats`](crate::WorkerPool::stats) count those that have run as
    /// [`items`](crate::PoolStats::items), and as payloads calls on workers for help, each of which runs many items or
    /// none.
    ///
    /// Dropping the iterator early stops it: no further item is pulled, those that were not started are dropped, and
    /// those that run end by themselves. What borrows from the stack goes through [`Scope::map`], or
    /// [`for_each`](Self::for_each).
    ///
    /// # Panics
    /// In [`next`](Iterator::next), with the panic of `map` in its turn.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(4).build_tasks()?;
    /// let lengths: Vec<usize> = pool.map(["so", "many", "words"], |word| word.len()).collect();
    /// assert_eq!(lengths, [2, 4, 5]);
    ///
    /// // Pulls no more of an endless source than it needs, and a few.
    /// let big = pool.map(1_u64.., |n| n * n).find(|square| *square > 50);
    /// assert_eq!(big, Some(64));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<I, F, R>(&self, items: I, map: F) -> Map<'static, I::IntoIter, R>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        Map::new(items.into_iter(), OwnCrew::new(self), map)
    }

    /// As [`map`](Self::map), but gives results out as they come.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(4).build_tasks()?;
    /// let mut squares: Vec<u32> = pool.map_unordered(1..=4, |n| n * n).collect();
    /// squares.sort();
    /// assert_eq!(squares, [1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_unordered<I, F, R>(&self, items: I, map: F) -> MapUnordered<'static, I::IntoIter, R>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        MapUnordered::new(items.into_iter(), OwnCrew::new(self), map)
    }

    /// As [`map`](Self::map), for a function that can fail: the first error, in the order of the items, is the last
    /// thing given out.
    ///
    /// As soon as one item has failed no further ones are pulled, and none behind it is started; those before it are,
    /// and are given out. So which error it is does not depend on chance.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(4).build_tasks()?;
    /// let numbers: Result<Vec<u32>, _> = pool.try_map(["1", "2", "3"], str::parse).collect();
    /// assert_eq!(numbers?, [1, 2, 3]);
    ///
    /// let mut numbers = pool.try_map(["1", "two", "3", "four"], str::parse::<u32>);
    /// assert_eq!(numbers.next(), Some(Ok(1)));
    /// assert!(numbers.next().is_some_and(|two| two.is_err()));
    /// assert_eq!(numbers.next(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map<I, F, R, E>(&self, items: I, map: F) -> TryMap<'static, I::IntoIter, R, E>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> Result<R, E> + Send + Sync + 'static,
        R: Send + 'static,
        E: Send + 'static,
    {
        TryMap::new(items.into_iter(), OwnCrew::new(self), map)
    }

    /// Calls `work` on each item on the pool's workers, several at a time, and returns when all have ended. What
    /// `items` and `work` borrow need only outlive the call.
    ///
    /// Items are pulled on the calling thread, as many as are [in flight](Self::map) at a time when nothing else is
    /// set. For another bound: `pool.scope(|scope| scope.map_unordered(items, work).in_flight(8).for_each(drop))`.
    ///
    /// # Panics
    /// With the first panic of `work`; no further items are pulled then, and those in flight have ended.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(4).build_tasks()?;
    /// let letters = AtomicUsize::new(0);
    /// let text = String::from("so many words");
    /// pool.for_each(text.split(' '), |word| {
    ///     letters.fetch_add(word.len(), Ordering::Relaxed);
    /// });
    /// assert_eq!(letters.into_inner(), 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each<I, F>(&self, items: I, work: F)
    where
        I: IntoIterator,
        I::Item: Send,
        F: Fn(I::Item) + Send + Sync,
    {
        let (items, work) = (items.into_iter(), &work);
        self.scope(|scope| scope.map_unordered(items, work).for_each(drop));
    }

    /// As [`for_each`](Self::for_each), for work that can fail.
    ///
    /// # Errors
    /// The first one in the order of the items; see [`try_map`](Self::try_map).
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(4).build_tasks()?;
    /// let spell = |word: &str| if word.is_ascii() { Ok(()) } else { Err(word.to_owned()) };
    /// assert_eq!(pool.try_for_each("so many words".split(' '), spell), Ok(()));
    /// assert_eq!(pool.try_for_each("so ganz viele Wörter".split(' '), spell), Err("Wörter".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_for_each<I, F, E>(&self, items: I, work: F) -> Result<(), E>
    where
        I: IntoIterator,
        I::Item: Send,
        F: Fn(I::Item) -> Result<(), E> + Send + Sync,
        E: Send,
    {
        let (items, work) = (items.into_iter(), &work);
        self.scope(|scope| scope.try_map(items, work).find_map(Result::err)).map_or(Ok(()), Err)
    }
}

impl<'scope> Scope<'scope, '_> {
    /// As [`TaskPool::map`], for items and a function that borrow. What is in flight when the iterator is dropped early
    /// has ended when the scope does.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(4).build_tasks()?;
    /// let dictionary = ["ant".to_owned(), "hill".to_owned()];
    /// let text = "the hill of the ant".to_owned();
    /// let places: Vec<Option<usize>> = pool.scope(|scope| {
    ///     scope.map(text.split(' '), |word| dictionary.iter().position(|known| known == word)).collect()
    /// });
    /// assert_eq!(places, [None, Some(1), None, None, Some(0)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<I, F, R>(&'scope self, items: I, map: F) -> Map<'scope, I::IntoIter, R>
    where
        I: IntoIterator,
        I::Item: Send + 'scope,
        F: Fn(I::Item) -> R + Send + Sync + 'scope,
        R: Send + 'scope,
    {
        Map::new(items.into_iter(), self, map)
    }

    /// As [`TaskPool::map_unordered`], for items and a function that borrow.
    pub fn map_unordered<I, F, R>(&'scope self, items: I, map: F) -> MapUnordered<'scope, I::IntoIter, R>
    where
        I: IntoIterator,
        I::Item: Send + 'scope,
        F: Fn(I::Item) -> R + Send + Sync + 'scope,
        R: Send + 'scope,
    {
        MapUnordered::new(items.into_iter(), self, map)
    }

    /// As [`TaskPool::try_map`], for items and a function that borrow.
    pub fn try_map<I, F, R, E>(&'scope self, items: I, map: F) -> TryMap<'scope, I::IntoIter, R, E>
    where
        I: IntoIterator,
        I::Item: Send + 'scope,
        F: Fn(I::Item) -> Result<R, E> + Send + Sync + 'scope,
        R: Send + 'scope,
        E: Send + 'scope,
    {
        TryMap::new(items.into_iter(), self, map)
    }
}
