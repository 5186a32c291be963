//! CPU time of a whole process, split into user and kernel.
//!
//! The source is `getrusage`, asked by the process about itself: unlike `/proc/<pid>/stat` it counts in microseconds,
//! not in ticks of 10 ms, and unlike the `schedstat` files of the tasks it still knows the threads that have ended,
//! which a pool that retires workers has many of.
//!
//! On kernels with tick-based accounting (the usual configuration) the *sum* is exact, up to one scheduler tick per
//! running thread and reading; the *split* is sampled at the ticks. The sum is good after a second; the user share
//! needs all rounds together, which is how the reports use it.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use std::ops::{AddAssign, Sub};
use std::time::Duration;

/// CPU time that was used, in user code and in the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Time in the program's own code.
    pub user: Duration,
    /// Time in the kernel on the program's behalf.
    pub system: Duration,
}

impl CpuTime {
    /// What the calling process has used since it started, ended threads included.
    ///
    /// # Panics
    /// When the kernel refuses `getrusage`, without which there is nothing to report.
    #[must_use]
    pub fn of_this_process() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel reports this process's own usage");
        Self { user: duration(usage.user_time()), system: duration(usage.system_time()) }
    }

    /// User and kernel time together.
    #[must_use]
    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

impl Sub for CpuTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

impl AddAssign for CpuTime {
    fn add_assign(&mut self, more: Self) {
        self.user += more.user;
        self.system += more.system;
    }
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
