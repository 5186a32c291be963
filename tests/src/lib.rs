//! Helpers of the tests: gates instead of sleeps, bounded waiting, and a look at the process's threads.
//!
//! The idea: a test says *when* something may go on (a [`Gate`]) and *that* something comes to pass ([`eventually`],
//! [`within`]), and never how long it should take. The rule: every wait here ends, at the latest after its patience,
//! with a failure that names what was waited for; so a hang in the library is a failed test and not a hung run.

pub mod batches;
pub mod body_sources;
pub mod browsers;
pub mod client;
pub mod corpus;
#[cfg(unix)]
pub mod devtools;
pub mod drivers;
pub mod events;
pub mod examples;
pub mod exchange;
pub mod files;
pub mod forms;
pub mod fuzz;
pub mod guides;
pub mod lines;
pub mod logs;
pub mod notes;
pub mod pictures;
pub mod pool;
pub mod processes;
pub mod readme;
pub mod server;
pub mod sockets;
pub mod timed;
pub mod tls;
pub mod uploads;
pub mod upstream;
pub mod verdicts;
pub mod websocket;
pub mod wire;

use std::fs;
use std::panic;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a single step may take before it counts as never. Far above what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The same for a loop of many thousand steps.
pub const LONG_PATIENCE: Duration = Duration::from_secs(240);

/// Threads whose name starts so do not print their panics, once [`quiet_panics`] was called.
pub const QUIET: &str = "quiet";

/// Something that threads wait at until it is opened; clones are the same gate.
///
/// ```
/// let gate = anthill_tests::Gate::new();
/// let same = gate.clone();
/// let passer = anthill_tests::background(move || same.pass());
/// gate.open();
/// passer.outcome("the passer");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Gate::default()
    }

    /// Lets everyone through, from now on.
    pub fn open(&self) {
        let (open, bell) = &*self.0;
        *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
    }

    /// Waits until the gate is open.
    ///
    /// # Panics
    /// When it stays closed for longer than twice [`PATIENCE`]; by then the test has failed, and its workers must not
    /// outlive it by much.
    pub fn pass(&self) {
        let (open, bell) = &*self.0;
        let guard = open.lock().unwrap_or_else(PoisonError::into_inner);
        let (open, _) = bell
            .wait_timeout_while(guard, PATIENCE * 2, |open| !*open)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(*open, "nobody opened the gate");
    }

    /// True when both are the same gate.
    pub fn is(&self, other: &Gate) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(comes_true(condition), "never happened: {what}");
}

/// As [`eventually`], but says whether it came true.
#[must_use]
pub fn comes_true(condition: impl FnMut() -> bool) -> bool {
    comes_true_within(PATIENCE, condition)
}

/// As [`comes_true`], with a patience of its own.
#[must_use]
pub fn comes_true_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    // First without sleeping, for what is about to happen anyway.
    for _ in 0..50 {
        if condition() {
            return true;
        }
        thread::yield_now();
    }
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        thread::sleep(Duration::from_micros(200));
    }
    condition()
}

/// Something that runs on a thread of its own.
#[derive(Debug)]
pub struct Background<R> {
    result: Receiver<R>,
    thread: thread::JoinHandle<()>,
}

impl<R> Background<R> {
    /// True when it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the result.
    ///
    /// # Panics
    /// When there is none within [`PATIENCE`]; and with the same panic when the background panicked.
    #[track_caller]
    pub fn outcome(self, what: &str) -> R {
        self.outcome_within(PATIENCE, what)
    }

    /// As [`outcome`](Self::outcome), with a patience of its own.
    ///
    /// # Panics
    /// As `outcome`.
    #[track_caller]
    pub fn outcome_within(self, limit: Duration, what: &str) -> R {
        match self.result.recv_timeout(limit) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => panic!("hangs: {what}"),
            Err(RecvTimeoutError::Disconnected) => match self.thread.join() {
                Err(value) => panic::resume_unwind(value),
                Ok(()) => panic!("ended without a result: {what}"),
            },
        }
    }
}

/// Starts `work` on a thread of its own.
pub fn background<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Background<R> {
    let (results, result) = channel();
    let thread = thread::spawn(move || {
        // Nobody listens any more when the test has given up.
        let _ = results.send(work());
    });
    Background { result, thread }
}

/// Runs `work`, which might hang, and returns what it returns.
///
/// # Panics
/// When it takes longer than [`PATIENCE`], or panics itself.
#[track_caller]
pub fn within<R: Send + 'static>(what: &str, work: impl FnOnce() -> R + Send + 'static) -> R {
    background(work).outcome(what)
}

/// A thread of this process, as the kernel sees it.
#[derive(Clone, Debug)]
pub struct ThreadView {
    /// Its name; the kernel keeps 15 bytes.
    pub name: String,
    /// True while it waits for something.
    pub asleep: bool,
    /// How often it went to sleep of its own accord since it was made.
    pub voluntary_switches: u64,
}

/// The threads of the pool of that name: those called `<name>-<anything>`. Give each test's pool a name of its own, of
/// at most 8 bytes, so that tests do not see each other's threads.
///
/// # Panics
/// When the kernel does not show the process's threads.
pub fn threads_of(pool: &str) -> Vec<ThreadView> {
    let prefix = format!("{pool}-");
    let tasks = fs::read_dir("/proc/self/task").expect("the kernel lists the threads of this process");
    // A thread may end while it is being looked at; it is not counted then.
    tasks
        .filter_map(|task| {
            let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
            Some(ThreadView {
                name: field("Name:")?.to_owned(),
                asleep: field("State:")?.starts_with('S'),
                voluntary_switches: field("voluntary_ctxt_switches:")?.parse().ok()?,
            })
        })
        .filter(|thread| thread.name.starts_with(&prefix))
        .collect()
}

/// From now on threads whose name starts with [`QUIET`] do not print their panics; all others do, as before.
pub fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let quiet = thread::current().name().is_some_and(|name| name.starts_with(QUIET));
            if !quiet {
                loud(info);
            }
        }));
    });
}

/// Unwinds without the noise of the panic hook.
pub fn planned_panic() -> ! {
    panic::resume_unwind(Box::new("planned"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_seen_by_their_pools_name_only() {
        let gate = Gate::new();
        let waiting = ["seen-0", "seen-1", "seenless-0"].map(|name| {
            let gate = gate.clone();
            thread::Builder::new().name(name.to_owned()).spawn(move || gate.pass()).unwrap()
        });
        eventually("both show up, asleep", || {
            let seen = threads_of("seen");
            seen.len() == 2 && seen.iter().all(|thread| thread.asleep)
        });
        gate.open();
        for thread in waiting {
            thread.join().unwrap();
        }
        eventually("both are gone", || threads_of("seen").is_empty());
    }

    #[test]
    fn a_gate_holds_until_it_is_opened() {
        let gate = Gate::new();
        let same = gate.clone();
        assert!(gate.is(&same) && !gate.is(&Gate::new()));
        let passer = background(move || same.pass());
        thread::sleep(Duration::from_millis(20));
        assert!(!passer.is_finished());
        gate.open();
        passer.outcome("passing an open gate");
    }

    #[test]
    #[should_panic(expected = "its own words")]
    fn a_panic_in_the_background_is_passed_on() {
        background(|| panic!("its own words")).outcome("a panic")
    }
}

/// The README's programs compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
