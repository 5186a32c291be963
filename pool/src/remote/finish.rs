//! The end of a consumer in one call: nothing more is taken, what was taken is run for so long, the rest is given back.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::consumer::Consumer;
use super::stats::ConsumerStats;
use crate::error::WaitError;
use crate::sync::Instant;

/// Of a limit so much is kept for telling the source what was given back: a tenth, but no more than this.
const LONGEST_TELLING: Duration = Duration::from_secs(1);

impl Consumer {
    /// Takes no more jobs, runs what was taken, and when that is not done in time gives back what has not begun:
    /// [`stop`](Self::stop), [`wait_timeout`](Self::wait_timeout), and [`stop_now`](Self::stop_now) if that was not
    /// enough. Returns within `limit` whatever handlers and the source are doing.
    ///
    /// The last tenth of the limit, at most 1 s, is for telling the source what was given back, so that others have it
    /// at once. What runs then is not interrupted, as nothing can interrupt a thread, and is still settled if it ends
    /// while the process lives; a later call waits for it. If the process ends first, its jobs come again when their
    /// lease has run out. Jobs in the pause before another attempt are the source's, and nobody waits for them. A limit
    /// too long to be a point in time waits without end, unless the source cannot be reached (see
    /// [`wait`](Self::wait)).
    ///
    /// May be called again, and by several threads: what has not begun is given back when the first of their limits is
    /// over, and all count from the moment when the consumer was stopped.
    ///
    /// # Errors
    /// [`UnfinishedJobs`], with what was done and what is left, when the limit was over first. In a handler of this
    /// consumer or its [error hook](super::ConsumerBuilder::on_error) it is an error with [`WaitError::WouldDeadlock`],
    /// and nothing was done.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::WorkerPool;
    /// use anthill_pool::remote::{Consumer, Job, JobSource, MemorySource, Payload, Producer};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Page(u32);
    /// impl Payload for Page {}
    ///
    /// let queue = MemorySource::new();
    /// Producer::new(queue.clone()).send_many(&[Page(1), Page(2), Page(3)])?;
    /// let (begun, begins) = std::sync::mpsc::channel();
    /// let (open, gate) = std::sync::mpsc::channel::<()>();
    /// let gate = std::sync::Mutex::new(gate);
    /// let consumer = Consumer::builder(queue.clone())
    ///     .pool(WorkerPool::builder().max_workers(1).queue_capacity(8))
    ///     .start(move |job: &Job<Page>| {
    ///         begun.send(job.payload().0).unwrap();
    ///         gate.lock().unwrap().recv().unwrap();
    ///     })?;
    /// assert_eq!(begins.recv()?, 1);
    /// let unfinished = consumer.finish(Duration::from_secs(1)).unwrap_err();
    /// assert_eq!((unfinished.running, queue.depth()?.ready), (1, 2));
    ///
    /// open.send(())?;
    /// let jobs = consumer.finish(Duration::from_secs(10))?;
    /// assert_eq!((jobs.done, jobs.given_back), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(&self, limit: Duration) -> Result<FinishedJobs, UnfinishedJobs> {
        let begun = Instant::now();
        let ended = if self.is_own_thread() {
            Err(WaitError::WouldDeadlock)
        } else {
            self.stop();
            let for_telling = (limit / 10).min(LONGEST_TELLING);
            self.wait_until(begun.checked_add(limit - for_telling)).or_else(|_| {
                self.stop_now();
                self.wait_until(begun.checked_add(limit))
            })
        };
        let (now, at_stop) = self.lines.ledger.stats_since_stop();
        let jobs =
            at_stop.map_or_else(FinishedJobs::default, |at_stop| FinishedJobs::between(&at_stop, &now));
        match ended {
            Ok(()) => Ok(jobs),
            Err(reason) => Err(UnfinishedJobs { reason, jobs, running: now.running, untold: now.unsettled }),
        }
    }
}

/// What has become of jobs since a consumer was stopped that [finished](Consumer::finish).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FinishedJobs {
    /// Those that were done, and the source knows.
    pub done: u64,
    /// Those that failed: given back for another attempt, or made dead letters.
    pub failed: u64,
    /// Those that had not begun, and were given back.
    pub given_back: u64,
    /// Those of which the source could not be told for the time of a lease, or that were not ours any more: another
    /// run is possible.
    pub uncertain: u64,
}

impl FinishedJobs {
    fn between(before: &ConsumerStats, after: &ConsumerStats) -> Self {
        let since = |count: fn(&ConsumerStats) -> u64| count(after) - count(before);
        FinishedJobs {
            done: since(|stats| stats.acknowledged),
            failed: since(|stats| stats.retried + stats.buried),
            given_back: since(|stats| stats.returned),
            uncertain: since(|stats| stats.unconfirmed + stats.abandoned),
        }
    }
}

/// For a log: `12 jobs done, 1 failed, 30 given back`.
impl fmt::Display for FinishedJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FinishedJobs { done, failed, given_back, uncertain } = self;
        write!(f, "{done} jobs done, {failed} failed, {given_back} given back")?;
        if *uncertain > 0 { write!(f, ", {uncertain} uncertain") } else { Ok(()) }
    }
}

/// A consumer was not [finished](Consumer::finish) within the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedJobs {
    /// Why it did not wait for the end.
    pub reason: WaitError,
    /// What had come to its end by then.
    pub jobs: FinishedJobs,
    /// How many jobs were in the pool at that moment: after the limit, those that ran.
    pub running: usize,
    /// How many had ended, or had not begun, without the source knowing it.
    pub untold: usize,
}

impl fmt::Display for UnfinishedJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            WaitError::Timeout => write!(
                f,
                "the consumer was not done in time: {} jobs run, {} are to be told of; {}",
                self.running, self.untold, self.jobs
            ),
            reason => fmt::Display::fmt(&reason, f),
        }
    }
}

impl Error for UnfinishedJobs {}
