//! Byte buffers kept for the next user, of the size that is used: an object pool with hooks that calibrate it.

mod calibration;

use std::fmt;

use crate::objects::{ObjectPool, ObjectPoolStats, Pooled, PooledOwned};
use crate::sync::Arc;
use calibration::Calibration;

const DEFAULT_RETURNS: u32 = 42_000;

/// A byte buffer on loan: empty at first, cleared when it is dropped. Made by [`BufferPool::get`].
pub type PooledBuffer<'a> = Pooled<'a, Vec<u8>>;

/// A byte buffer on loan that keeps its pool alive. Made by [`BufferPool::get_owned`].
pub type PooledBufferOwned = PooledOwned<Vec<u8>>;

/// A pool of byte buffers that learns how large they should be.
///
/// Returned buffers are counted by the length they were used to, in classes of 64 B, 128 B and so on to 32 MiB. There
/// are about as many sets of counters as the machine has cores, among which the threads are spread. When any one
/// counter has reached 42,000, all are added up and the pool is calibrated anew: the most frequent class becomes the
/// capacity of new buffers, and the largest of the most frequent classes that cover 95 % of the uses becomes the
/// largest capacity that is kept. Larger buffers are dropped at their return. Until the first time new buffers have no
/// capacity, and all up to 32 MiB are kept.
///
/// A clone is another handle to the same pool. The bounds and the ageing are those of [`ObjectPool`], which it stands
/// on.
///
/// ```
/// use anthill_pool::buffers::BufferPool;
///
/// let buffers = BufferPool::builder().calibrate_after(100).build();
/// for _ in 0..100 {
///     buffers.get().extend_from_slice(&[7; 1500]);
/// }
/// assert_eq!(buffers.default_capacity(), 2048);
/// assert_eq!(buffers.largest_kept(), 2048);
///
/// buffers.get().resize(1_000_000, 0); // unusually large, so it is dropped
/// assert_eq!(buffers.stats().dropped_by_retain, 1);
/// assert!(buffers.get().is_empty());
/// ```
#[derive(Clone)]
pub struct BufferPool {
    pool: ObjectPool<Vec<u8>>,
    calibration: Arc<Calibration>,
}

impl BufferPool {
    /// A pool with the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Options, to be finished with [`build`](BufferPoolBuilder::build).
    pub fn builder() -> BufferPoolBuilder {
        BufferPoolBuilder {
            returns: DEFAULT_RETURNS,
            max_capacity: calibration::LARGEST,
            max_idle: None,
            shards: None,
        }
    }

    /// An empty buffer, with the capacity of the one it was before, or of [`default_capacity`](Self::default_capacity).
    pub fn get(&self) -> PooledBuffer<'_> {
        self.pool.get()
    }

    /// Like [`get`](Self::get), but the guard keeps the pool alive and may go anywhere.
    ///
    /// ```
    /// use anthill_pool::buffers::BufferPool;
    ///
    /// let mut letter = BufferPool::new().get_owned();
    /// letter.extend_from_slice(b"Dear ants");
    /// std::thread::spawn(move || assert_eq!(letter.len(), 9)).join().unwrap();
    /// ```
    pub fn get_owned(&self) -> PooledBufferOwned {
        self.pool.get_owned()
    }

    /// Gives a buffer to the pool, exactly as if a guard of it were dropped; it need not be from this pool.
    ///
    /// ```
    /// use anthill_pool::buffers::BufferPool;
    ///
    /// let buffers = BufferPool::builder().shards(1).build();
    /// buffers.put(Vec::with_capacity(4096));
    /// assert_eq!(buffers.get().capacity(), 4096);
    /// ```
    pub fn put(&self, buffer: Vec<u8>) {
        self.pool.put(buffer);
    }

    /// The capacity of new buffers in bytes; 0 until the pool was calibrated for the first time.
    #[must_use]
    pub fn default_capacity(&self) -> usize {
        self.calibration.default_capacity()
    }

    /// The largest capacity in bytes that is kept at a return.
    #[must_use]
    pub fn largest_kept(&self) -> usize {
        self.calibration.largest_kept()
    }

    /// Ages the pool; see [`ObjectPool::tick`].
    pub fn tick(&self) {
        self.pool.tick();
    }

    /// What happened so far. What was too large counts as [`dropped_by_retain`](ObjectPoolStats::dropped_by_retain).
    ///
    /// ```
    /// use anthill_pool::buffers::BufferPool;
    ///
    /// let buffers = BufferPool::builder().max_capacity(1024).build();
    /// buffers.get().resize(10_000, 0);
    /// assert_eq!(buffers.stats().dropped_by_retain, 1);
    /// ```
    #[must_use]
    pub fn stats(&self) -> ObjectPoolStats {
        self.pool.stats()
    }
}

impl Default for BufferPool {
    fn default() -> Self {
        Self::new()
    }
}

// By hand: the calibration is told in its two figures.
impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("default_capacity", &self.default_capacity())
            .field("largest_kept", &self.largest_kept())
            .field("stats", &self.stats())
            .finish()
    }
}

/// Options of a [`BufferPool`]; made by [`BufferPool::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct BufferPoolBuilder {
    returns: u32,
    max_capacity: usize,
    max_idle: Option<usize>,
    shards: Option<usize>,
}

impl BufferPoolBuilder {
    /// How many returns of one size class, counted in one of the sets of counters that threads are spread among, make
    /// the pool calibrate. So with returns from many threads it takes up to as many times that number as there are
    /// sets, about one for each core. Default 42,000; 0 means 1.
    ///
    /// ```
    /// use anthill_pool::buffers::BufferPool;
    ///
    /// let buffers = BufferPool::builder().calibrate_after(1).build();
    /// buffers.get().resize(300, 0);
    /// assert_eq!(buffers.default_capacity(), 512);
    /// ```
    pub fn calibrate_after(mut self, returns: u32) -> Self {
        self.returns = returns;
        self
    }

    /// The largest capacity in bytes that is ever kept, or given to a new buffer, whatever the pool learns. Default
    /// 32 MiB.
    ///
    /// ```
    /// use anthill_pool::buffers::BufferPool;
    ///
    /// assert_eq!(BufferPool::builder().max_capacity(4096).build().largest_kept(), 4096);
    /// ```
    pub fn max_capacity(mut self, bytes: usize) -> Self {
        self.max_capacity = bytes;
        self
    }

    /// Most idle buffers per shard; see [`ObjectPoolBuilder::max_idle`](crate::ObjectPoolBuilder::max_idle), also
    /// for the default: 64, and more where more are asked for again.
    pub fn max_idle(mut self, buffers: usize) -> Self {
        self.max_idle = Some(buffers);
        self
    }

    /// See [`ObjectPoolBuilder::shards`](crate::ObjectPoolBuilder::shards). Default: as many as the machine has cores.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// The pool.
    #[must_use]
    pub fn build(self) -> BufferPool {
        let calibration = Arc::new(Calibration::new(self.returns, self.max_capacity));
        let (making, returning, judging) = (calibration.clone(), calibration.clone(), calibration.clone());
        let mut pool = ObjectPool::builder()
            .reset(move |buffer: &mut Vec<u8>| {
                returning.note(buffer.len());
                buffer.clear();
            })
            .retain(move |buffer| buffer.capacity() <= judging.largest_kept());
        if let Some(buffers) = self.max_idle {
            pool = pool.max_idle(buffers);
        }
        if let Some(shards) = self.shards {
            pool = pool.shards(shards);
        }
        BufferPool { pool: pool.build(move || Vec::with_capacity(making.default_capacity())), calibration }
    }
}
