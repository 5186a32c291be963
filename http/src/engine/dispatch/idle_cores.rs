//! How many of the cores that this process may use had nothing to do of late.
//!
//! Only Linux and Android tell; elsewhere it is not known.

use std::time::Instant;

/// What the system has counted until some moment, in seconds of one core.
#[derive(Clone, Copy)]
struct Counted {
    /// In which some core was idle, of all that there are.
    idle: f64,
    /// For which this process has run.
    own: f64,
    at: Instant,
}

/// Looks at the system's counters now and then.
pub(crate) struct IdleCores {
    counters: SystemCounters,
    /// Whole cores that this process may use, limits of containers included.
    cores: f64,
    last: Counted,
}

impl IdleCores {
    /// `None` where the system does not tell, or not how much of a core there is.
    pub(crate) fn new() -> Option<Self> {
        let counters = SystemCounters::open()?;
        let cores = std::thread::available_parallelism().ok()?.get();
        if cores == 1 {
            // A container may have less than that, and then what is missing looks idle.
            return None;
        }
        let last = counters.read(Instant::now())?;
        Some(Self { counters, cores: cores as f64, last })
    }

    /// The part of this process's cores that was idle since the last look, of 0 to 1; which cannot be told apart when
    /// less than some 50 ms have passed. `None`: the system does not tell any more.
    pub(crate) fn look(&mut self, now: Instant) -> Option<f64> {
        let counted = self.counters.read(now)?;
        let share = idle_share(self.last, counted, self.cores);
        self.last = counted;
        Some(share)
    }
}

/// Where the process may use some of the machine's cores only, others may be idle that are of no use to it: then what
/// it has not used itself is the bound.
fn idle_share(from: Counted, to: Counted, cores: f64) -> f64 {
    let elapsed = to.at.saturating_duration_since(from.at).as_secs_f64();
    if elapsed <= 0.0 {
        return 0.0;
    }
    let idle = (to.idle - from.idle) / elapsed;
    let unused = cores - (to.own - from.own) / elapsed;
    (idle.min(unused) / cores).clamp(0.0, 1.0)
}

/// `/proc/uptime`, which is a single line: reading it costs a microsecond.
struct SystemCounters(#[cfg(any(target_os = "linux", target_os = "android"))] std::fs::File);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl SystemCounters {
    fn open() -> Option<Self> {
        std::fs::File::open("/proc/uptime").ok().map(Self)
    }

    fn read(&self, at: Instant) -> Option<Counted> {
        use rustix::time::{ClockId, clock_gettime};
        use std::os::unix::fs::FileExt;
        let mut room = [0; 64];
        let count = self.0.read_at(&mut room, 0).ok()?;
        let idle = std::str::from_utf8(&room[..count]).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()?;
        let own = clock_gettime(ClockId::ProcessCPUTime);
        Some(Counted { idle, own: own.tv_sec as f64 + own.tv_nsec as f64 / 1e9, at })
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl SystemCounters {
    fn open() -> Option<Self> {
        None
    }

    fn read(&self, _at: Instant) -> Option<Counted> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn share(idle: f64, own: f64, cores: f64) -> f64 {
        let at = Instant::now();
        let from = Counted { idle: 100.0, own: 10.0, at };
        let to = Counted { idle: 100.0 + idle, own: 10.0 + own, at: at + Duration::from_secs(2) };
        idle_share(from, to, cores)
    }

    #[test]
    fn idle_is_what_is_idle_and_may_be_used() {
        assert_eq!(share(4.0, 0.0, 2.0), 1.0);
        assert_eq!(share(1.0, 2.0, 2.0), 0.25, "others have used the rest");
        assert_eq!(share(120.0, 4.0, 2.0), 0.0, "62 other cores are of no use");
        assert_eq!(share(120.0, 3.0, 2.0), 0.25);
        assert_eq!(share(-1.0, 0.0, 2.0), 0.0, "a counter that went back");
        let at = Instant::now();
        let same = Counted { idle: 1.0, own: 1.0, at };
        assert_eq!(idle_share(same, same, 2.0), 0.0);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn what_this_process_burns_is_not_idle() {
        let Some(mut cores) = IdleCores::new() else { return };
        // Alone on the machine it could be idle but for one core; more is never reported.
        let most = 1.0 - 0.5 / cores.cores;
        let idle = || {
            let until = Instant::now() + Duration::from_millis(100);
            while Instant::now() < until {}
            cores.look(Instant::now()).expect("it does so still")
        };
        // Something else may have had the CPU meanwhile.
        let seen: Vec<f64> = std::iter::repeat_with(idle).take(20).take_while(|idle| *idle > most).collect();
        assert!(seen.len() < 20, "{seen:?}");
    }
}
