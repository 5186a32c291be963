//! What the calling process has used so far, and what it holds at this moment, as the kernel tells it.

use crate::cpu::CpuTime;
use nix::sys::resource::{UsageWho, getrusage};
use std::fs;
use std::ops::Sub;

/// CPU time and context switches of all threads, ended ones included.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// CPU time.
    pub cpu: CpuTime,
    /// Times that a thread went to sleep: each is a wake-up later on.
    pub sleeps: u64,
    /// Times that a thread had to give its core to another one.
    pub preemptions: u64,
}

impl Usage {
    /// Since the process started.
    ///
    /// # Panics
    /// When the kernel refuses `getrusage`, without which there is nothing to report.
    #[must_use]
    pub fn of_this_process() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel reports this process's own usage");
        Self {
            cpu: CpuTime::of_this_process(),
            sleeps: u64::try_from(usage.voluntary_context_switches()).unwrap_or(0),
            preemptions: u64::try_from(usage.involuntary_context_switches()).unwrap_or(0),
        }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu - earlier.cpu,
            sleeps: self.sleeps.saturating_sub(earlier.sleeps),
            preemptions: self.preemptions.saturating_sub(earlier.preemptions),
        }
    }
}

/// Threads there are now.
///
/// # Panics
/// Where `/proc/self/status` does not tell; so do the others.
pub(super) fn threads() -> u64 {
    status("Threads:")
}

/// Memory that is resident now, in KiB.
pub(super) fn resident() -> u64 {
    status("VmRSS:")
}

/// The most memory that was ever resident, in KiB.
pub(super) fn peak_resident() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
    let value = value.and_then(|value| value.parse().ok());
    value.unwrap_or_else(|| panic!("/proc/self/status must tell {field} here; run this benchmark on Linux"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn sleeping_counts_as_sleeps_and_not_as_cpu_time() {
        let before = Usage::of_this_process();
        (0..20).for_each(|_| thread::sleep(Duration::from_millis(1)));
        let used = Usage::of_this_process() - before;
        assert!(used.sleeps >= 20, "{used:?}");
    }

    #[test]
    fn touched_memory_is_resident() {
        let before = resident();
        let memory = black_box(vec![1u8; 32 << 20]);
        let grown = resident() - before;
        assert!(grown >= 30 << 10, "32 MiB were touched, {grown} KiB came");
        drop(memory);
        assert!(peak_resident() >= before + (30 << 10));
        assert!(threads() >= 1);
    }
}
