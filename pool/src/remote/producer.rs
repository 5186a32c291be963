//! Sending payloads of one type to a queue of jobs.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::error::{PayloadError, SendError};
use super::job::{JobId, NewJob, Sent};
use super::payload::{Payload, to_json};
use super::source::JobSink;
use crate::core::Priority;
use crate::sync::StdArc;

/// Sends payloads of one type to a queue. A clone sends to the same queue.
///
/// ```
/// use std::time::Duration;
/// use anthill_pool::Priority;
/// use anthill_pool::remote::{MemorySource, Payload, Producer, Sent};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Invoice { order: u64 }
/// impl Payload for Invoice {}
///
/// let producer = Producer::new(MemorySource::new());
/// producer.send(&Invoice { order: 1 })?;
///
/// // A day long there is one job of this key, however often it is sent.
/// let urgent = || {
///     producer
///         .prepare(&Invoice { order: 2 })
///         .priority(Priority::High)
///         .key("invoice-2", Duration::from_secs(86_400))
///         .send()
/// };
/// let first = urgent()?;
/// assert_eq!(urgent()?, Sent::Double(first.id().clone()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Producer<P> {
    sink: StdArc<dyn JobSink>,
    sends: PhantomData<fn(P)>,
}

impl<P: Payload> Producer<P> {
    /// Sends to this queue.
    pub fn new(sink: impl JobSink + 'static) -> Self {
        Producer { sink: StdArc::new(sink), sends: PhantomData }
    }

    /// Sends one payload, to be done as soon as possible. When this returns, it is in the queue.
    ///
    /// # Errors
    /// When it cannot be written down, or the queue could not be reached or refused. When it could not be reached it
    /// may have the job nevertheless: see [`SendOptions::key`].
    pub fn send(&self, payload: &P) -> Result<JobId, SendError> {
        self.prepare(payload).send().map(|sent| sent.id().clone())
    }

    /// Sends many payloads in their order, all or none; much cheaper than one by one.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_many<'p>(&self, payloads: impl IntoIterator<Item = &'p P>) -> Result<Vec<JobId>, SendError>
    where
        P: 'p,
    {
        let jobs: Vec<NewJob> = payloads.into_iter().map(write).collect::<Result<_, _>>()?;
        let sent = self.sink.send(&jobs)?;
        Ok(sent.into_iter().map(|sent| sent.id().clone()).collect())
    }

    /// One payload with options of its own: urgency, a delay, a key against doubles.
    pub fn prepare(&self, payload: &P) -> SendOptions<'_> {
        SendOptions { sink: &*self.sink, job: write(payload) }
    }
}

fn write<P: Payload>(payload: &P) -> Result<NewJob, PayloadError> {
    Ok(NewJob {
        id: JobId::unique(),
        version: P::VERSION,
        body: to_json(payload)?,
        priority: Priority::Normal,
        delay: Duration::ZERO,
        key: None,
    })
}

impl<P> Clone for Producer<P> {
    fn clone(&self) -> Self {
        Producer { sink: self.sink.clone(), sends: PhantomData }
    }
}

impl<P> fmt::Debug for Producer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

/// A payload about to be sent; made by [`Producer::prepare`].
#[must_use = "nothing is sent until `send` is called"]
pub struct SendOptions<'a> {
    sink: &'a dyn JobSink,
    job: Result<NewJob, PayloadError>,
}

impl SendOptions<'_> {
    /// How urgent it is; [`Priority::Normal`] when not set.
    pub fn priority(self, priority: Priority) -> Self {
        self.change(|job| job.priority = priority)
    }

    /// Keeps it from consumers for so long; when not set it can be had at once. Time is the server's; a tenth of a
    /// second later is possible.
    pub fn delay(self, delay: Duration) -> Self {
        self.change(|job| job.delay = delay)
    }

    /// For `span` nothing else is taken that is sent with this key, also when the job is done by then. So a payload
    /// whose sending failed can be sent again and is there once.
    pub fn key(self, key: impl Into<String>, span: Duration) -> Self {
        let key = key.into();
        self.change(|job| job.key = Some((key, span)))
    }

    fn change(mut self, change: impl FnOnce(&mut NewJob)) -> Self {
        if let Ok(job) = &mut self.job {
            change(job);
        }
        self
    }

    /// Sends it. When this returns, it is in the queue.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn send(self) -> Result<Sent, SendError> {
        let job = self.job?;
        let mut sent = self.sink.send(std::slice::from_ref(&job))?;
        Ok(sent.pop().unwrap_or(Sent::Queued(job.id)))
    }
}

impl fmt::Debug for SendOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendOptions").field("job", &self.job).finish_non_exhaustive()
    }
}
