//! Durable jobs: the same handler on as many machines as needed, over a queue that exists already. Behind the feature
//! `remote`; the queue on Redis Streams behind the feature `redis`.
//!
//! A [`Producer`] sends payloads of a [type](Payload) to a queue. On any number of machines a [`Consumer`] takes them,
//! as many as its pool has room for, runs a handler over them and tells the queue what became of each. All of it is
//! blocking code on threads: no async runtime is needed, and handlers may block.
//!
//! ```
//! use anthill_pool::remote::{Consumer, Job, MemorySource, Payload, Producer};
//! use anthill_pool::{Priority, WorkerPool};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Thumbnail { path: String, width: u32 }
//! impl Payload for Thumbnail {}
//!
//! let queue = MemorySource::new(); // in earnest a queue that others reach, too
//! let producer = Producer::new(queue.clone());
//! producer.send(&Thumbnail { path: "a.png".to_owned(), width: 320 })?;
//! producer.prepare(&Thumbnail { path: "b.png".to_owned(), width: 64 }).priority(Priority::High).send()?;
//!
//! let (done, inbox) = std::sync::mpsc::channel();
//! let consumer = Consumer::builder(queue)
//!     .pool(WorkerPool::builder().max_workers(1).queue_capacity(16))
//!     .start(move |job: &Job<Thumbnail>| done.send(job.payload().path.clone()).unwrap())?;
//! assert_eq!([inbox.recv()?, inbox.recv()?], ["b.png", "a.png"]);
//!
//! consumer.stop(); // what was taken is still run and acknowledged
//! consumer.wait()?;
//! assert_eq!(consumer.stats().acknowledged, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # At least once
//! A job is removed from the queue after its handler has returned, and not before. Until then it is leased: if its
//! consumer is killed, or cannot reach the queue for longer than the [lease](JobSource::lease), somebody else gets it.
//! So no job is lost, and one may be run twice: when the first run ended, or nearly, and nobody could say
//! so. **Handlers must bear that.** Either what they do is the same when done twice, or they notice by [`Job::id`] that
//! it was done, best in the transaction that does it.
//!
//! | what happens | what becomes of the job |
//! |---|---|
//! | the handler returns `()` or `Ok` | acknowledged: gone |
//! | it returns an error or panics | tried again after a pause ([`retry`](ConsumerBuilder::retry)); after the last attempt a dead letter with the reason |
//! | it returns [`Outcome::Bury`] | a dead letter at once |
//! | it takes longer than the lease | the lease is begun anew in time, as long as the queue is reached |
//! | its process is killed | when the lease has run out another consumer gets it; [that attempt counts](self#what-counts-as-an-attempt) if the queue knew of it |
//! | … before its handler had begun | the same; that was no attempt |
//! | its process is killed by it, each time | a dead letter when its attempts are used up, after one kill more |
//! | the queue cannot be reached | runs go on, nothing is taken; what is to be told is told again, with pauses that grow |
//! | … for longer than the lease | others that reach it may run it a second time ([`unconfirmed`](ConsumerStats::unconfirmed)) |
//! | the payload cannot be read | a dead letter with the reason |
//! | [`stop`](Consumer::stop) | what was taken is run and acknowledged |
//! | [`finish`](Consumer::finish) | the same until its limit is over, then what has not begun is given back and does not count as attempted |
//! | [`stop_now`](Consumer::stop_now) | what has not begun is given back and does not count as attempted |
//! | the pool's policy discards it | given back |
//! | a dead letter | stays until it is [revived](JobSource::revive) or [forgotten](JobSource::forget) |
//!
//! # What counts as an attempt
//! A run that fails or panics does. One that ends with its process does if the queue knew by then that it had begun,
//! and that it is told only where it matters, because to say so before each handler would be a round trip for each job:
//!
//! * before the handler begins, of a job that has come from a consumer whose lease ran out: the job may be what ended
//!   that one. When the queue cannot be told, or has given the job to somebody else, it is not run here;
//! * of all others when their lease is begun anew, so when they have run for a third of it.
//!
//! So what was taken and has not begun never loses an attempt, whoever is killed, and a job that ends its process each
//! time is run once more than it has attempts. What is given back without having begun is in the queue as if nobody had
//! had it, so that it may have come from a consumer whose lease ran out is forgotten: if it is what ended that one, it
//! may end one more each time it is given back. Short jobs of a consumer that is killed get their first run again
//! without its counting: [`Job::attempt`] may be 1 and the handler have begun before.
//!
//! # Order
//! Jobs of one priority begin in the order in which they were sent when one consumer with one worker takes them and
//! none fails. With more workers or consumers they run side by side; what is given back goes to the end. The more
//! urgent come first, as far as they are in the queue when a consumer takes jobs, with one exception: one fetch in 16
//! begins with the least urgent, so that those are not put off for ever.
//!
//! # How much is taken
//! No more than the pool has room for, workers and queue together ([`max_in_flight`](ConsumerBuilder::max_in_flight)),
//! so a slow consumer leaves the rest to others. More is fetched when a worker has nothing to do or half of the room is
//! free. For short jobs allow a queue of some hundreds: then jobs are fetched and acknowledged in batches.
//!
//! # Which clock
//! The queue's own: delays and leases do not depend on the clocks of producers and consumers. A delay may take a tenth
//! of a second longer.

mod consumer;
mod error;
mod feeder;
mod fetched;
mod finish;
mod job;
mod leases;
mod ledger;
mod lines;
mod memory;
mod outcome;
mod payload;
mod producer;
#[cfg(feature = "redis")]
mod redis;
mod run;
mod settler;
mod source;
mod stats;

#[cfg(feature = "redis")]
pub use self::redis::{RedisBuilder, RedisSource};
pub use consumer::{Consumer, ConsumerBuilder, StartError};
pub use error::{PayloadError, SendError, SourceError};
pub use fetched::Fetched;
pub use finish::{FinishedJobs, UnfinishedJobs};
pub use job::{DeadLetter, Delivery, JobId, NewJob, QueueDepth, Receipt, Sent};
pub use memory::MemorySource;
pub use outcome::{IntoOutcome, Job, Outcome};
pub use payload::{Payload, from_json};
pub use producer::{Producer, SendOptions};
pub use source::{JobSink, JobSource};
pub use stats::ConsumerStats;
