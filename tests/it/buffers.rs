//! The byte-buffer pool through its public API: row 112 of the parity table of pools.

use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use anthill_pool::buffers::{BufferPool, PooledBuffer, PooledBufferOwned};
use anthill_tests::PATIENCE;

/// A stream of sizes that is the same in every run (a linear congruential generator).
struct Sizes(u64);

impl Sizes {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end).unwrap()
    }

    /// 80 % of 1 KiB to 2 KiB, 19 % of half to 1 KiB, 1 % of half to 1 MiB.
    fn skewed(&mut self) -> usize {
        match self.below(100) {
            0..80 => 1_025 + self.below(1_024),
            80..99 => 513 + self.below(512),
            _ => 512 * 1_024 + self.below(512 * 1_024),
        }
    }
}

fn fill(mut buffer: PooledBuffer<'_>, size: usize) {
    buffer.resize(size, 7);
}

#[test]
fn pool_112_skewed_sizes_converge_and_what_is_beyond_the_percentile_is_dropped() {
    let pool = BufferPool::builder().calibrate_after(2_000).shards(1).build();
    assert_eq!((pool.default_capacity(), pool.get().capacity()), (0, 0));
    let mut sizes = Sizes(1);
    for _ in 0..3_000 {
        fill(pool.get(), sizes.skewed());
    }
    assert_eq!((pool.default_capacity(), pool.largest_kept()), (2_048, 2_048), "80 % and 19 % are 99 %");

    // What was kept before may be as large as it had become; it goes at its next return.
    let dropped = pool.stats().dropped_by_retain;
    for _ in 0..1_000 {
        fill(pool.get(), sizes.skewed());
        let resident: Vec<_> = (0..pool.stats().resident).map(|_| pool.get()).collect();
        assert!(resident.iter().all(|buffer| buffer.capacity() <= 2_048));
    }
    let dropped = pool.stats().dropped_by_retain - dropped;
    assert!((3..=25).contains(&dropped), "1 % of 1,000, not {dropped}");

    let large = pool.stats().dropped_by_retain;
    fill(pool.get(), 4_096);
    assert_eq!(pool.stats().dropped_by_retain, large + 1, "beyond the 95th percentile");
    assert_eq!(pool.get().capacity(), 2_048, "a new one has the capacity that is used most");
}

#[test]
fn pool_112_the_default_is_42_000_returns_of_one_size() {
    let pool = BufferPool::new();
    for _ in 0..41_999 {
        fill(pool.get(), 100);
        fill(pool.get(), 1_000);
    }
    assert_eq!((pool.default_capacity(), pool.largest_kept()), (0, 32 * 1_024 * 1_024));
    fill(pool.get(), 100);
    assert_eq!((pool.default_capacity(), pool.largest_kept()), (128, 1_024));
}

#[test]
fn pool_112_it_follows_when_the_sizes_change() {
    let pool = BufferPool::builder().calibrate_after(500).build();
    (0..500).for_each(|_| fill(pool.get(), 60));
    assert_eq!((pool.default_capacity(), pool.largest_kept()), (64, 64));
    (0..500).for_each(|_| fill(pool.get(), 60_000));
    assert_eq!((pool.default_capacity(), pool.largest_kept()), (65_536, 65_536));
    fill(pool.get(), 60_000);
    assert!(pool.get().capacity() >= 60_000, "kept now");
}

#[test]
fn pool_112_buffers_come_back_empty_and_secrets_do_not() {
    let pool = BufferPool::new();
    pool.get().extend_from_slice(b"secret");
    let again = pool.get();
    assert!(again.is_empty() && again.capacity() >= 6);
    drop(again);
    pool.put(b"secret".to_vec());
    assert!((0..2).all(|_| PooledBuffer::detach(pool.get()).is_empty()));
}

#[test]
fn pool_112_nothing_is_kept_or_made_beyond_the_bound() {
    let pool = BufferPool::builder().calibrate_after(10).max_capacity(1_000).build();
    (0..100).for_each(|_| fill(pool.get(), 5_000));
    assert_eq!(pool.stats().resident, 0);
    assert_eq!((pool.default_capacity(), pool.largest_kept()), (1_000, 1_000));
    assert_eq!(pool.get().capacity(), 1_000);
    // Larger than any class.
    let pool = BufferPool::new();
    pool.put(Vec::with_capacity(32 * 1_024 * 1_024 + 1));
    assert_eq!((pool.stats().resident, pool.stats().dropped_by_retain), (0, 1));
}

#[test]
fn pool_112_many_threads_calibrate_one_pool() {
    let pool = BufferPool::builder().calibrate_after(1_000).build();
    thread::scope(|scope| {
        for seed in 0..4 {
            let pool = pool.clone();
            scope.spawn(move || {
                let mut sizes = Sizes(seed);
                for _ in 0..10_000 {
                    let mut buffer = pool.get_owned();
                    assert!(buffer.is_empty());
                    buffer.resize(sizes.skewed() / 16, 7);
                }
            });
        }
    });
    assert_eq!((pool.default_capacity(), pool.largest_kept()), (128, 128));
    let stats = pool.stats();
    assert_eq!(stats.hits + stats.misses, 40_000);
    assert_eq!(stats.misses, stats.resident as u64 + stats.dropped_by_retain + stats.dropped_by_bound);
    assert!(format!("{pool:?}").contains("largest_kept: 128"));
}

/// A producer and a consumer of bursts, with the defaults: which are found is known to the last one.
#[test]
fn pool_f6_bursts_from_one_thread_to_another_are_found_again() {
    const BURST: usize = 400;
    const ROUNDS: usize = 200;
    let pool = BufferPool::builder().shards(2).build();
    let (sender, inbox) = sync_channel::<Vec<PooledBufferOwned>>(0);
    let (done, is_done) = channel();
    let consumer = thread::spawn(move || {
        for burst in inbox {
            drop(burst);
            done.send(()).unwrap();
        }
    });
    let mut misses = Vec::new();
    for _ in 0..ROUNDS {
        let before = pool.stats().misses;
        let burst: Vec<_> = (0..BURST).map(|_| pool.get_owned()).collect();
        sender.send(burst).unwrap();
        is_done.recv_timeout(PATIENCE).unwrap();
        misses.push(pool.stats().misses - before);
    }
    drop(sender);
    consumer.join().unwrap();
    let stats = pool.stats();
    // All are made once; those for which there was no room at first are made once more.
    assert_eq!(misses[..2], [BURST as u64, BURST as u64 - 64]);
    assert!(misses[2..].iter().all(|misses| *misses == 0), "{misses:?}");
    assert_eq!(
        (stats.hits + stats.misses, stats.dropped_by_bound),
        ((BURST * ROUNDS) as u64, BURST as u64 - 64)
    );
    assert!(stats.hits * 100 >= (stats.hits + stats.misses) * 99, "{stats:?}");
}

/// Without a beat: whoever is faster waits at the channel.
#[test]
fn pool_f6_a_producer_and_a_consumer_find_each_others_buffers() {
    for places in [1, 100, 500] {
        let pool = BufferPool::new();
        let (sender, inbox) = sync_channel::<PooledBufferOwned>(places);
        let consumer = thread::spawn(move || inbox.into_iter().map(|buffer| buffer.len()).sum::<usize>());
        for _ in 0..100_000 {
            let mut buffer = pool.get_owned();
            buffer.push(7);
            sender.send(buffer).unwrap();
        }
        drop(sender);
        assert_eq!(consumer.join().unwrap(), 100_000);
        let stats = pool.stats();
        assert_eq!(stats.hits + stats.misses, 100_000);
        assert!(stats.hits >= 99_000, "{places} places: {stats:?}");
    }
}

#[test]
fn pool_f6_room_grows_for_what_is_asked_for_again_and_not_without_end() {
    let pool = BufferPool::builder().shards(1).build();
    let burst = |count: usize| drop((0..count).map(|_| pool.get()).collect::<Vec<_>>());
    // What is dropped and not asked for again makes no room.
    burst(100);
    for _ in 0..1_000 {
        pool.put(Vec::new());
    }
    assert_eq!(pool.stats().resident, 64);
    for _ in 0..4 {
        burst(3_000);
    }
    assert_eq!(pool.stats().resident, 1_024);
    // Nor does any where the user has said how much there is.
    let pool = BufferPool::builder().shards(1).max_idle(64).build();
    for _ in 0..4 {
        drop((0..200).map(|_| pool.get()).collect::<Vec<_>>());
    }
    assert_eq!(pool.stats().resident, 64);
}
