//! The server's side of the questions that a [`ServerProcess`](super::ServerProcess) asks.

use crate::allocations::live_bytes;
use crate::cpu::CpuTime;
use crate::report::say;
use std::io;

/// Answers questions until there are no more.
pub(super) fn answer_questions(used: impl Fn() -> io::Result<CpuTime>) -> io::Result<()> {
    for question in io::stdin().lines() {
        question?;
        let used = used()?;
        let live = live_bytes().map_or(String::new(), |live| format!(" {live}"));
        say(&format!("{} {}{live}", used.user.as_micros(), used.system.as_micros()));
    }
    Ok(())
}
