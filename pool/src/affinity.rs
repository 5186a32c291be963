//! Binding workers to cores (feature `affinity`).
//!
//! Whether the cores can be had is found out when the pool is built, where somebody looks at the error; on the worker
//! binding is one call, before the user's start hook. The rule: placement never costs a payload. A core that is taken
//! away while the pool lives leaves its workers where the system puts them.

use crate::error::BuildError;
use crate::options::{Builder, ThreadOptions};
use crate::sync::{StdArc, thread};

impl<T> Builder<T> {
    /// Binds workers to cores: worker number `i` runs on core `cores[i % cores.len()]` and on no other (feature
    /// `affinity`, Linux). Numbers are the kernel's, see [`allowed_cores`].
    ///
    /// It happens on the worker's thread before [`on_worker_start`](Self::on_worker_start) and before the worker's state
    /// is made. In a [`MultiPool`](crate::MultiPool) the next shard goes on where the one before left off. Threads that
    /// a payload makes inherit the worker's core. A worker's number is not given twice, so when workers come and go the
    /// cores need not be shared out evenly; [`keep_idle_workers`](Self::keep_idle_workers) prevents that.
    ///
    /// # Errors
    /// Building fails with [`BuildError::NoCores`] when `cores` is empty, and with [`BuildError::CannotPin`] when one of
    /// them cannot be had: there is none of that number, this process may not use it, or the system is not Linux. One
    /// that is taken away later is no error: its workers then run where the system puts them.
    ///
    /// ```
    /// use anthill_pool::{WorkerPool, allowed_cores};
    ///
    /// # if cfg!(target_os = "linux") {
    /// let pool = WorkerPool::builder().max_workers(4).pin_workers(allowed_cores()).build(|_: u8| {})?;
    /// pool.submit(1)?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pin_workers(mut self, cores: impl Into<Vec<usize>>) -> Self {
        self.threads.cores = Some(cores.into());
        self
    }
}

/// The numbers of the cores that the calling thread may run on, in ascending order (feature `affinity`). Empty where
/// they are not known, which is everywhere but on Linux.
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

/// Lets the numbers begin `by` places further on.
pub(crate) fn rotate(threads: &mut ThreadOptions, by: usize) {
    let Some(cores) = &mut threads.cores else { return };
    if let Some(places) = by.checked_rem(cores.len()) {
        cores.rotate_left(places);
    }
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
