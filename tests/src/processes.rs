//! Tests that measure their process, or see it die, and so have one of their own.

use std::process::{self, Command, Output};
use std::{env, fs};

use crate::{LONG_PATIENCE, background};

/// Set in a process that a test has started.
const CHILD: &str = "ANTHILL_TESTS_CHILD";

/// Runs `work` in a process without other tests; says how that ended and what it printed. `name` is the full name of the
/// test that calls this, and what it did before is done in both processes.
///
/// # Panics
/// When the process hangs.
#[track_caller]
pub fn apart(name: &str, work: impl FnOnce()) -> Output {
    run_apart(name, "", work)
}

/// As [`apart`], for work that succeeds, and may have so many descriptors.
///
/// # Panics
/// When it fails or hangs.
#[track_caller]
pub fn apart_with_descriptors(name: &str, descriptors: usize, work: impl FnOnce()) {
    let child = run_apart(name, &format!("ulimit -n {descriptors} && "), work);
    assert!(child.status.success(), "{child:?}");
}

#[track_caller]
fn run_apart(name: &str, prepared: &str, work: impl FnOnce()) -> Output {
    if env::var_os(CHILD).is_some() {
        work();
        process::exit(0);
    }
    let script = format!("{prepared}exec \"$0\" --exact {name} --nocapture");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(env::current_exe().expect("a program")).env(CHILD, "1");
    let child = background(move || command.output().expect("a process"));
    child.outcome_within(LONG_PATIENCE, "the child process")
}

/// How much memory of a kind this process has now, by the kernel's name for it, in KiB.
///
/// # Panics
/// When the kernel does not tell.
#[track_caller]
pub fn memory_kib(kind: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("the kernel describes this process");
    let line = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':')).expect(kind);
    line.trim().trim_end_matches(" kB").parse().expect(kind)
}
