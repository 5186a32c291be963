//! A queue of jobs on Redis Streams.
//!
//! Each level of urgency is a stream with one consumer group, in which a job's entry is pending while it is leased;
//! jobs with a delay lie in a sorted set by their time until whoever fetches next moves them. What takes several steps
//! is a script, so that no moment lies between them in which a job is nowhere or twice. Only what is done for every job
//! (adding, reading, acknowledging) is plain commands.

mod builder;
mod fetching;
mod holder;
mod link;
mod looking;
mod names;
mod replies;
mod scripts;
mod sending;
mod source;
mod telling;

pub use builder::RedisBuilder;
pub use source::RedisSource;
