//! Loom models of the worker pool, one per interleaving that we fear.
//!
//! The pool's own source is compiled against loom here, so what is explored is the code that ships. Each model is the
//! smallest scene in which the race can happen, and asserts the contract and nothing about the way there: every
//! payload is run exactly once or handed back, the counts agree, `wait` returns. Lost wake-ups show as loom's
//! `deadlock`, leaks as loom's `Arc leaked` or `Allocation leaked`.
//!
//! Names with a number are the rows of the table in `README.md`, which also says what loom cannot see. Every model
//! has a recorded mutation of the source that it catches (`mutations/pool.txt`): a model that cannot fail proves
//! nothing. `-- --nocapture` prints how many interleavings each explored.

mod births;
mod bound;
mod broadcasts;
mod cancelling;
mod expiry;
mod handlers;
mod hands;
mod idleness;
mod ledger;
mod multi;
mod panics;
mod relays;
mod resizing;
mod restarting;
mod scene;
mod scheduling;
mod spawning;
mod states;
mod stopping;
mod submitting;
#[path = "../support/mod.rs"]
mod support;
