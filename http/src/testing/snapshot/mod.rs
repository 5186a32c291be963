//! Responses as texts that are the same each time, and what they are compared with.

mod compare;
mod rules;
mod text;

pub use rules::SnapshotRules;
