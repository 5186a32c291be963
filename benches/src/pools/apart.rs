//! A contestant in a process of its own, for figures that belong to a whole process: threads, memory, wake-ups.
//!
//! The benchmark's program starts itself again with hidden arguments, `--apart NAME NUMBER ...`. The child measures,
//! writes its figures on one line of standard output, and ends; what goes wrong it writes on standard error. The
//! child's threads have small stacks, because some contestants have ten thousand and cannot be told otherwise.

use crate::report::{complain, say};
use std::process::{Command, Stdio};
use std::{env, process};

const APART: &str = "--apart";

/// Stacks of the child's threads in bytes, all contestants alike. The standard library reads it from this variable.
const STACK: (&str, &str) = ("RUST_MIN_STACK", "65536");

/// Measures and ends the process when it was started for that; otherwise does nothing. To be called first in `main`.
///
/// `measure` gets the contestant's name and the numbers, and returns its figures; `None` when it knows no such name.
pub fn measure_if_asked(measure: impl FnOnce(&str, &[u64]) -> Option<Vec<f64>>) {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() != Some(APART) {
        return;
    }
    let name = arguments.next().unwrap_or_default();
    let numbers: Option<Vec<_>> = arguments.map(|number| number.parse().ok()).collect();
    match numbers.and_then(|numbers| measure(&name, &numbers)) {
        Some(figures) => {
            say(&figures.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
            // Without waiting for threads that a pool has left behind.
            process::exit(0);
        }
        None => {
            complain(&format!("nothing here is called {name:?}, or it wants other numbers"));
            process::exit(2);
        }
    }
}

/// Runs one contestant in a process of its own, and returns its figures.
///
/// Ends the process with a message when the contestant fails: there is nothing to compare then.
#[must_use]
pub fn run_apart<const FIGURES: usize>(name: &str, numbers: &[u64]) -> [f64; FIGURES] {
    ask(name, numbers).unwrap_or_else(|reason| {
        complain(&format!("{name} failed in its own process: {reason}"));
        process::exit(1);
    })
}

fn ask<const FIGURES: usize>(name: &str, numbers: &[u64]) -> Result<[f64; FIGURES], String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let answer = Command::new(program)
        .args([APART, name])
        .args(numbers.iter().map(u64::to_string))
        .env(STACK.0, STACK.1)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if !answer.status.success() {
        return Err(format!("it ended with {}; see its message above", answer.status));
    }
    parse(&String::from_utf8_lossy(&answer.stdout))
}

fn parse<const FIGURES: usize>(answer: &str) -> Result<[f64; FIGURES], String> {
    let figures: Option<Vec<f64>> = answer.split_whitespace().map(|figure| figure.parse().ok()).collect();
    let figures = figures.and_then(|figures| figures.try_into().ok());
    figures.ok_or_else(|| format!("it said {answer:?} in place of {FIGURES} figures"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_exactly_so_many_figures() {
        assert_eq!(parse("1 2.5 -3e2\n"), Ok([1.0, 2.5, -300.0]));
        for wrong in ["", "1 2", "1 2 3 4", "1 2 x"] {
            assert!(parse::<3>(wrong).is_err(), "{wrong:?} was taken for an answer");
        }
    }
}
