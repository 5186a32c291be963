//! Binding workers to cores (feature `affinity`).
//!
//! Whether the cores can be had is found out when the pool is built, where somebody looks at the error; on the worker
//! binding is one call, before the user's start hook. The rule: placement never costs a payload. A core that is taken
//! away while the pool lives leaves its workers where the system puts them.

use super::settings::ThreadOptions;
use crate::error::BuildError;
use crate::sync::{StdArc, thread};

/// The numbers of the cores that the calling thread may run on, in ascending order (feature `affinity`). Empty where
/// they are not known, which is everywhere but on Linux and Android.
#[must_use]
pub fn allowed_cores() -> Vec<usize> {
    system::allowed_cores()
}

/// Checks the cores, and puts the binding in front of the start hook.
pub(crate) fn pin(mut threads: ThreadOptions) -> Result<ThreadOptions, BuildError> {
    let Some(cores) = threads.cores.take() else { return Ok(threads) };
    if cores.is_empty() {
        return Err(BuildError::NoCores);
    }
    check(&cores)?;
    let hook = threads.on_start.take();
    threads.on_start = Some(StdArc::new(move |index| {
        // It was possible when the pool was built.
        let _ = system::bind_to(cores[index % cores.len()]);
        if let Some(hook) = &hook {
            hook(index);
        }
    }));
    Ok(threads)
}

/// Lets a shard's workers begin at the core of its own, see `pin_workers`.
pub(crate) fn rotate(threads: &mut ThreadOptions, shard: usize, shards: usize, max_workers: Option<usize>) {
    let Some(cores) = &mut threads.cores else { return };
    if !cores.is_empty() {
        // No cap is one for every core.
        let max_workers = max_workers.unwrap_or(cores.len());
        let first = first_place(shard, shards, max_workers, cores.len());
        cores.rotate_left(first);
    }
}

/// The place among so many cores, at least one, where a shard's worker 0 goes.
fn first_place(shard: usize, shards: usize, max_workers: usize, cores: usize) -> usize {
    let place = if max_workers < cores {
        shard as u128 * max_workers as u128 % cores as u128
    } else if shards > cores {
        (shard % cores) as u128
    } else {
        // Going on where the shard before left off would be no rule here: most shards never have all the workers they
        // may have, and worker 0 of each would be on the same core if the cap is a multiple of the cores.
        shard as u128 * cores as u128 / shards as u128
    };
    usize::try_from(place).expect("less than the number of cores")
}

/// Tries every core, on a thread of its own: the caller's own cores say nothing, as it may be bound itself.
fn check(cores: &[usize]) -> Result<(), BuildError> {
    let mut distinct = cores.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let attempt = thread::Builder::new()
        .name("pin-check".to_owned())
        .spawn(move || distinct.into_iter().find(|core| system::bind_to(*core).is_err()));
    // Where no thread can be had now, nothing is known; the pool's own threads are another matter.
    let Ok(attempt) = attempt else { return Ok(()) };
    match attempt.join() {
        Ok(Some(core)) => Err(BuildError::CannotPin(core)),
        _ => Ok(()),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    /// The kernel's name for whoever asks.
    const THIS_THREAD: Pid = Pid::from_raw(0);

    pub(super) fn bind_to(core: usize) -> nix::Result<()> {
        let mut set = CpuSet::new();
        set.set(core)?;
        sched_setaffinity(THIS_THREAD, &set)
    }

    pub(super) fn allowed_cores() -> Vec<usize> {
        let Ok(set) = sched_getaffinity(THIS_THREAD) else { return Vec::new() };
        (0..CpuSet::count()).filter(|core| set.is_set(*core) == Ok(true)).collect()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    pub(super) fn bind_to(_core: usize) -> Result<(), ()> {
        Err(())
    }

    pub(super) fn allowed_cores() -> Vec<usize> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::first_place;

    fn first_places(shards: usize, max_workers: usize, cores: usize) -> Vec<usize> {
        (0..shards).map(|shard| first_place(shard, shards, max_workers, cores)).collect()
    }

    #[test]
    fn small_shards_go_on_where_the_one_before_left_off() {
        assert_eq!(first_places(3, 1, 2), [0, 1, 0]);
        assert_eq!(first_places(4, 3, 8), [0, 3, 6, 1]);
    }

    #[test]
    fn shards_with_a_worker_for_every_core_begin_evenly_spaced() {
        for max_workers in [8, 12, 512, usize::MAX] {
            assert_eq!(first_places(2, max_workers, 8), [0, 4]);
            assert_eq!(first_places(3, max_workers, 8), [0, 2, 5]);
            assert_eq!(first_places(8, max_workers, 8), [0, 1, 2, 3, 4, 5, 6, 7]);
            assert_eq!(first_places(5, max_workers, 2), [0, 1, 0, 1, 0]);
        }
    }

    #[test]
    fn no_size_overflows() {
        let most = usize::MAX;
        assert_eq!(first_place(most - 1, most, most - 1, most), 1);
        assert_eq!(first_place(most - 1, most, most, most), most - 1);
        assert_eq!(first_place(most, most, most, 1), 0);
    }
}
