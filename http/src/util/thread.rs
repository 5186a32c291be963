//! What the system knows of threads: their numbers, whether they are asleep, what they have used.
//!
//! All of it is known on Linux; elsewhere less is, and whoever asks has to do without.

use std::ffi::c_long;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

/// A thread's number with the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadNumber(u32);

impl ThreadNumber {
    /// That of the thread that asks.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_this() -> Option<Self> {
        thread_local! {
            static NUMBER: Option<ThreadNumber> = read_number();
        }
        NUMBER.try_with(|number| *number).unwrap_or_else(|_| read_number())
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of_this() -> Option<Self> {
        None
    }

    /// As a number that fits an atomic; never zero.
    pub(crate) fn to_number(self) -> u32 {
        self.0
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    /// What the thread sleeps in, as the system says: a place in the kernel, or the number of a system call.
    pub(crate) fn sleeps_in(self) -> Option<String> {
        let place = self.read("wchan").filter(|place| !place.is_empty() && place != "0");
        let call = || {
            let line = self.read("syscall")?;
            let number = line.split_whitespace().next()?.parse::<u32>().ok()?;
            Some(format!("system call {number}"))
        };
        place.or_else(call)
    }

    /// Whether it waits for something else than a CPU.
    pub(crate) fn is_asleep(self) -> Option<bool> {
        let line = self.read("stat")?;
        // Behind its name, in which there may be anything.
        let (_, rest) = line.rsplit_once(')')?;
        Some(!rest.trim_start().starts_with('R'))
    }

    /// The first part of it by one call, because each costs as much as many a look: in there is what is asked for.
    fn read(self, file: &str) -> Option<String> {
        let mut text = [0; 512];
        let count = File::open(format!("/proc/self/task/{}/{file}", self.0)).ok()?.read(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text[..count]).into_owned())
    }
}

#[cfg(target_os = "linux")]
fn read_number() -> Option<ThreadNumber> {
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    ThreadNumber::from_number(link.file_name()?.to_str()?.parse().ok()?)
}

/// What the thread that asked has used until then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadUse {
    /// Time on a CPU.
    pub(crate) cpu: Duration,
    /// How often it went to sleep, of its own accord: to wait for something. Having to wait for a CPU is not that.
    pub(crate) sleeps: Option<c_long>,
}

impl ThreadUse {
    #[cfg(unix)]
    pub(crate) fn now() -> Option<Self> {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let cpu = Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?);
        Some(Self { cpu, sleeps: count_sleeps() })
    }

    #[cfg(not(unix))]
    pub(crate) fn now() -> Option<Self> {
        None
    }

    /// Of `took`, which began here or later and ends now, most was spent asleep, as far as that can be told from
    /// waiting for a CPU.
    pub(crate) fn slept_since(self, now: Self, took: Duration) -> bool {
        let off_cpu = took.saturating_sub(now.cpu.saturating_sub(self.cpu));
        let has_slept = self.sleeps.zip(now.sleeps).is_none_or(|(before, after)| after > before);
        has_slept && off_cpu >= took / 2
    }

    /// So much of `took` it was on a CPU, at most.
    pub(crate) fn ran_since(self, now: Self, took: Duration) -> Duration {
        now.cpu.saturating_sub(self.cpu).min(took)
    }
}

/// The times are in there, too, but as of the last tick or switch.
#[cfg(target_os = "linux")]
fn count_sleeps() -> Option<c_long> {
    use nix::sys::resource::{UsageWho, getrusage};
    Some(getrusage(UsageWho::RUSAGE_THREAD).ok()?.voluntary_context_switches())
}

#[cfg(all(unix, not(target_os = "linux")))]
fn count_sleeps() -> Option<c_long> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::time::Instant;

    /// A thread that sleeps until the test ends, and what it said of itself.
    #[test]
    fn a_thread_is_asleep_and_says_in_what() {
        let (number, told) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            number.send(ThreadNumber::of_this()).expect("the test waits");
            let _ = ends.recv();
        });
        let number = told.recv().expect("the thread says so").expect("this system has numbers");
        assert_ne!(Some(number), ThreadNumber::of_this());
        assert_eq!(ThreadNumber::from_number(number.to_number()), Some(number));
        let begun = Instant::now();
        // Where the system does not tell, there is nothing to be seen.
        let tells = std::fs::read_to_string("/proc/self/syscall").is_ok();
        while number.is_asleep() != Some(true) || tells && number.sleeps_in().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it sleeps");
            std::thread::yield_now();
        }
        drop(end);
        thread.join().expect("no panic");
        assert_eq!(ThreadNumber::of_this().and_then(ThreadNumber::is_asleep), Some(false));
        assert_eq!(number.is_asleep(), None, "it is gone");
    }

    #[test]
    fn sleeping_is_told_from_waiting_for_a_cpu() {
        let used = |cpu, sleeps| ThreadUse { cpu: Duration::from_micros(cpu), sleeps };
        let took = Duration::from_millis(1);
        assert!(used(0, Some(1)).slept_since(used(100, Some(2)), took));
        assert!(!used(0, Some(1)).slept_since(used(100, Some(1)), took), "others had the CPU");
        assert!(!used(0, Some(1)).slept_since(used(600, Some(2)), took), "most of it was work");
        assert!(used(0, None).slept_since(used(100, None), took), "nobody knows");
        assert_eq!(used(0, None).ran_since(used(300, None), took), Duration::from_micros(300));
        assert_eq!(used(0, None).ran_since(used(3_000, None), took), took, "of runs before, too");
    }

    /// Of 100 runs nearly all: something else may have had the CPU, and the clock goes on by ticks in none.
    #[test]
    fn what_a_thread_computes_is_counted_to_the_moment() {
        let computes = |after: Duration| {
            let (before, begun) = (ThreadUse::now().expect("this system counts"), Instant::now());
            std::thread::sleep(after);
            let until = Instant::now() + Duration::from_micros(300);
            while Instant::now() < until {}
            let (took, now) = (begun.elapsed(), ThreadUse::now().expect("this system counts"));
            (before.slept_since(now, took), before.ran_since(now, took))
        };
        let ran = (0..100).filter(|_| computes(Duration::ZERO).1 >= Duration::from_micros(250)).count();
        assert!(ran >= 50, "{ran}");
        // Who sleeps for a moment and computes for longer has not slept.
        let slept = (0..100).filter(|_| computes(Duration::from_nanos(1)).0).count();
        assert!(slept <= 90, "{slept}");
        let slept = (0..100).filter(|_| computes(Duration::from_millis(1)).0).count();
        assert!(slept >= 90, "{slept}");
    }

    #[test]
    fn what_a_thread_has_used_is_counted() {
        let before = ThreadUse::now().expect("this system counts");
        let begun = Instant::now();
        std::thread::sleep(Duration::from_millis(5));
        let after = ThreadUse::now().expect("this system counts");
        assert!(before.slept_since(after, begun.elapsed()));
    }
}
