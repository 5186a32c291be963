//! How many instructions something takes, counted by valgrind's `callgrind`.
//!
//! The idea: a program runs itself under it twice, once for few laps and once for many. What both have in common, the
//! start of a process and the first use of everything, is gone from the difference, and that no other program's load
//! moves.

use std::env;
use std::process::Command;

/// Laps of the shorter run: whatever happens the first time has happened.
const FEW: u64 = 500;

/// Runs of which the shortest counts, since looking at clocks takes more instructions now and then.
const RUNS: usize = 3;

/// Instructions for each lap of this program when it is called with `arguments` and a number of laps behind them;
/// `None` where there is no valgrind.
///
/// # Panics
/// When the program fails under it.
#[must_use]
pub fn per_lap(arguments: &[&str], laps: u64) -> Option<f64> {
    let least = |laps| (0..RUNS).map(|_| counted(arguments, laps)).min().flatten();
    let (few, many) = (least(FEW)?, least(FEW + laps)?);
    Some(many.saturating_sub(few) as f64 / laps as f64)
}

fn counted(arguments: &[&str], laps: u64) -> Option<u64> {
    let program = env::current_exe().expect("a program knows where it is");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    let output = command.args(arguments).arg(laps.to_string()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} fails under valgrind: {said}");
    collected(&said)
}

/// The sum that valgrind says at the end.
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found() {
        let said = "==7== Events    : Ir\n==7== Collected : 31415\n==7==\n==7== I   refs:      31,415\n";
        assert_eq!(collected(said), Some(31_415));
        assert_eq!(collected("no such program"), None);
    }
}
