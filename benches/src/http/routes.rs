//! What every server answers: `GET /` with a short text, `GET /sleep?us=N` with N after sleeping that many
//! microseconds, `GET /spin?us=N` with N after keeping a core busy for so long.
//!
//! Only values and what there is to do, no handlers: a shared handler would need a shared framework, and that is what
//! is compared.

use nix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::thread;
use std::time::Duration;

/// Body of `GET /`.
pub(crate) const HELLO: &str = "Hello, World!";

/// Type of every body.
pub(crate) const CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// Path of the route that blocks.
pub(crate) const SLEEP: &str = "/sleep";

/// Path of the route that computes.
pub(crate) const SPIN: &str = "/spin";

/// Laps between two looks at the clock: some microseconds.
const LAPS: u32 = 4096;

/// What a request gives a handler to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chore {
    computes: bool,
    micros: u64,
}

impl Chore {
    /// What a path and its query ask for; none when they are something else.
    pub(crate) fn of(path: &str, query: &str) -> Option<Self> {
        let computes = match path {
            SLEEP => false,
            SPIN => true,
            _ => return None,
        };
        Some(Self { computes, micros: query.strip_prefix("us=")?.parse().ok()? })
    }

    /// Does it; returns the body of the answer.
    pub(crate) fn run(self) -> String {
        let time = Duration::from_micros(self.micros);
        if self.computes {
            spin(time);
        } else {
            thread::sleep(time);
        }
        self.micros.to_string()
    }
}

/// Uses so much CPU time. The thread's own clock, because any other would call it work when the thread was merely off
/// its core, and a server that lets more threads compute than there are cores would seem to do more.
fn spin(time: Duration) {
    let end = cpu_time() + time;
    while cpu_time() < end {
        (0..LAPS).for_each(|lap| _ = black_box(lap));
    }
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the kernel keeps the time of threads").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chores_are_read_from_path_and_query() {
        assert_eq!(Chore::of("/sleep", "us=20"), Some(Chore { computes: false, micros: 20 }));
        assert_eq!(Chore::of("/spin", "us=5"), Some(Chore { computes: true, micros: 5 }));
        assert_eq!(Chore::of("/sleep", "ms=20"), None);
        assert_eq!(Chore::of("/sleep", "us="), None);
        assert_eq!(Chore::of("/", "us=1"), None);
    }

    #[test]
    fn computing_uses_cpu_time() {
        let before = cpu_time();
        assert_eq!(Chore::of("/spin", "us=3000").unwrap().run(), "3000");
        let used = cpu_time() - before;
        assert!(used >= Duration::from_millis(3), "{used:?}");
    }
}
