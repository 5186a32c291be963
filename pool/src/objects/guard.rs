//! Guards: an object on loan, which finds its own way back.
//!
//! The rule kept: a guard holds its object from birth until it is dropped or detached, so the pool sees each object at
//! most once. A guard that is leaked costs its one object and nothing else.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::ObjectPool;

/// Why the `Option`s below are full whenever somebody looks.
const HELD: &str = "a guard holds its object until it is dropped or detached";

/// An object on loan from a pool that is borrowed meanwhile; returns when dropped. Made by [`ObjectPool::get`].
///
/// It returns to the shard of the thread on which it is dropped. When that thread is unwinding from a panic, the object
/// may be half changed and is dropped instead ([`return_on_panic`](crate::ObjectPoolBuilder::return_on_panic)).
///
/// ```
/// use anthill_pool::ObjectPool;
///
/// let pool = ObjectPool::new(Vec::new);
/// let mut list = pool.get();
/// list.push(1);
/// assert_eq!(list.len(), 1);
/// drop(list);
/// assert_eq!(pool.stats().resident, 1);
/// ```
///
/// Threads may share a guard only when they may share the object:
///
/// ```
/// # use anthill_pool::ObjectPool;
/// fn share<S: Sync>(_: &S) {}
/// share(&ObjectPool::new(|| 7).get());
/// ```
/// ```compile_fail,E0277
/// # use anthill_pool::ObjectPool;
/// fn share<S: Sync>(_: &S) {}
/// share(&ObjectPool::new(|| std::cell::Cell::new(7)).get());
/// ```
#[must_use = "the object goes back at once when its guard is not kept"]
pub struct Pooled<'a, T> {
    pool: &'a ObjectPool<T>,
    /// Boxed once when it was made, and in the same box ever since: so neither getting nor returning allocates.
    object: Option<Box<T>>,
}

impl<'a, T> Pooled<'a, T> {
    pub(super) fn new(pool: &'a ObjectPool<T>, object: Box<T>) -> Self {
        Pooled { pool, object: Some(object) }
    }

    /// Keeps the object for good: it does not return, and the pool forgets it.
    ///
    /// ```
    /// use anthill_pool::{ObjectPool, Pooled};
    ///
    /// let pool = ObjectPool::new(String::new);
    /// let text: String = Pooled::detach(pool.get());
    /// assert_eq!(text, "");
    /// assert_eq!(pool.stats().resident, 0);
    /// ```
    #[must_use]
    pub fn detach(mut guard: Self) -> T {
        *guard.object.take().expect(HELD)
    }
}

impl<T> Deref for Pooled<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.object.as_deref().expect(HELD)
    }
}

impl<T> DerefMut for Pooled<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.object.as_deref_mut().expect(HELD)
    }
}

impl<T> Drop for Pooled<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            self.pool.shared.put(object);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Pooled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// An object on loan that keeps its pool alive; returns when dropped. Made by [`ObjectPool::get_owned`].
///
/// In everything else like [`Pooled`]. When it is the last handle, the pool goes with it, and the object too.
///
/// ```
/// use anthill_pool::ObjectPool;
///
/// let pool = ObjectPool::new(|| String::from("still here"));
/// let text = pool.get_owned();
/// drop(pool);
/// assert_eq!(*text, "still here");
/// ```
/// ```compile_fail,E0277
/// # use anthill_pool::ObjectPool;
/// fn share<S: Sync>(_: &S) {}
/// share(&ObjectPool::new(|| std::cell::Cell::new(7)).get_owned());
/// ```
/// ```compile_fail,E0277
/// # use anthill_pool::ObjectPool;
/// let count = ObjectPool::new(|| std::rc::Rc::new(7)).get_owned();
/// std::thread::spawn(move || drop(count));
/// ```
#[must_use = "the object goes back at once when its guard is not kept"]
pub struct PooledOwned<T> {
    pool: ObjectPool<T>,
    object: Option<Box<T>>,
}

impl<T> PooledOwned<T> {
    pub(super) fn new(pool: ObjectPool<T>, object: Box<T>) -> Self {
        PooledOwned { pool, object: Some(object) }
    }

    /// Keeps the object for good: it does not return, and the pool forgets it.
    #[must_use]
    pub fn detach(mut guard: Self) -> T {
        *guard.object.take().expect(HELD)
    }
}

impl<T> Deref for PooledOwned<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.object.as_deref().expect(HELD)
    }
}

impl<T> DerefMut for PooledOwned<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.object.as_deref_mut().expect(HELD)
    }
}

impl<T> Drop for PooledOwned<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            self.pool.shared.put(object);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for PooledOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
