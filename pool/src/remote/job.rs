//! What passes between a queue of jobs and those who use it.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::core::Priority;
use crate::sync::StdArc;

/// The levels of urgency, the most urgent first.
pub(super) const LEVELS: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

/// One fetch in so many begins with the least urgent level, so that none starves.
const TURNS: u64 = 16;

/// In which order the fetch of this number looks at the levels.
pub(super) fn levels_in_turn(turn: u64) -> [Priority; 3] {
    let mut levels = LEVELS;
    if turn % TURNS == TURNS - 1 {
        levels.reverse();
    }
    levels
}

/// What a job is known by, from the moment it is sent to its end: across deliveries, retries and its time as a dead
/// letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(String);

impl JobId {
    /// An id that no other process makes: 128 bits by chance, in hexadecimal digits.
    pub fn unique() -> Self {
        // Each state is seeded by the system.
        let half = || RandomState::new().build_hasher().finish();
        JobId(format!("{:016x}{:016x}", half(), half()))
    }

    /// The id that reads so; for implementations of sources.
    pub fn new(id: impl Into<String>) -> Self {
        JobId(id.into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A job to be sent, as a [`JobSink`](super::JobSink) gets it. [`Producer`](super::Producer)s make them.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What it is known by.
    pub id: JobId,
    /// The version of the body's form.
    pub version: u32,
    /// The payload, written down.
    pub body: Vec<u8>,
    /// How urgent it is.
    pub priority: Priority,
    /// How long it is kept from consumers.
    pub delay: Duration,
    /// A name under which nothing else is taken for so long.
    pub key: Option<(String, Duration)>,
}

/// What became of a job that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the queue, as this job.
    Queued(JobId),
    /// A job with its key was sent before, this one; nothing was done.
    Double(JobId),
}

impl Sent {
    /// The job that is in the queue, or was.
    pub fn id(&self) -> &JobId {
        match self {
            Sent::Queued(id) | Sent::Double(id) => id,
        }
    }
}

/// By what a source finds one delivery again. It means something to the source that made it alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt(StdArc<str>);

impl Receipt {
    /// As a source writes it.
    pub fn new(text: impl Into<String>) -> Self {
        Receipt(text.into().into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A job that was fetched.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What the job is known by.
    pub id: JobId,
    /// What settles this delivery.
    pub receipt: Receipt,
    /// The version of the body's form.
    pub version: u32,
    /// The payload, written down.
    pub body: Vec<u8>,
    /// Which attempt this is, from 1. Earlier ones failed, or had [begun](super::JobSource::begin) when their lease ran
    /// out.
    pub attempt: u32,
    /// Which delivery this is since the job was last put into the queue, from 1. Above 1 the lease of the one before
    /// has run out, so its process has ended, or cannot reach the queue.
    pub deliveries: u32,
    /// How urgent the job is.
    pub priority: Priority,
    /// Why what is in the queue is no job, if it is none. A consumer makes it a dead letter.
    pub fault: Option<String>,
}

/// A job that will not be tried again.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// What the job is known by.
    pub id: JobId,
    /// The version of the body's form.
    pub version: u32,
    /// The payload, written down.
    pub body: Vec<u8>,
    /// How urgent the job was.
    pub priority: Priority,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was given up.
    pub reason: String,
}

/// How many jobs a queue has, by where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueDepth {
    /// Could be fetched now.
    pub ready: usize,
    /// Wait for their time.
    pub delayed: usize,
    /// Were fetched and are not settled.
    pub in_flight: usize,
    /// Were given up.
    pub dead: usize,
}
