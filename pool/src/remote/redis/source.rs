//! The queue on Redis, as producers and consumers see it.

use std::fmt;
use std::time::Duration;

use super::fetching::Fetching;
use super::holder::Holder;
use super::link::Link;
use super::names::Leaf;
use super::{looking, sending, telling};
use crate::remote::error::SourceError;
use crate::remote::job::{DeadLetter, Delivery, JobId, NewJob, QueueDepth, Receipt, Sent};
use crate::remote::source::{JobSink, JobSource};
use crate::sync::{Arc, Mutex};

/// A queue of jobs on Redis Streams, for as many processes as share its name. Redis 6.2 or newer; what others offer
/// under the same protocol (Valkey) does as well.
///
/// How durable jobs are is the server's matter: with `appendonly yes` and `appendfsync always` what was sent survives
/// the end of its machine; with `everysec` the last second may be lost, and without persistence everything. Use an
/// eviction policy of `noeviction`.
///
/// It holds two connections, made when they are first needed and again when they were lost. A clone is the same
/// holder of leases. All processes of a queue should have the same [lease](super::RedisBuilder::lease).
///
/// ```no_run
/// use anthill_pool::remote::{Consumer, Job, Payload, Producer, RedisSource};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Mail { to: String }
/// impl Payload for Mail {}
///
/// let queue = RedisSource::open("redis://127.0.0.1/", "mail")?;
/// Producer::new(queue.clone()).send(&Mail { to: "ada@example.org".to_owned() })?;
/// let consumer = Consumer::builder(queue).start(|job: &Job<Mail>| println!("{}", job.payload().to))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RedisSource {
    shared: Arc<RedisQueue>,
}

struct RedisQueue {
    holder: Holder,
    /// For fetching, which waits.
    fetching: Mutex<Fetching>,
    /// For all else.
    telling: Mutex<Link>,
}

impl RedisSource {
    pub(super) fn new(holder: Holder, fetching: Fetching, telling: Link) -> Self {
        let (fetching, telling) = (Mutex::new(fetching), Mutex::new(telling));
        RedisSource { shared: Arc::new(RedisQueue { holder, fetching, telling }) }
    }

    /// Asks something on the connection for all but fetching.
    fn tell<R>(&self, ask: impl FnOnce(&Holder, &mut Link) -> R) -> R {
        ask(&self.shared.holder, &mut self.shared.telling.lock())
    }
}

impl Drop for RedisQueue {
    fn drop(&mut self) {
        let link = &mut *self.telling.lock();
        if link.is_up() {
            // A name that stays harms nobody.
            let _ = self.holder.dismiss(link, &self.holder.name);
        }
    }
}

impl JobSink for RedisSource {
    fn send(&self, jobs: &[NewJob]) -> Result<Vec<Sent>, SourceError> {
        self.tell(|holder, link| sending::send(&holder.keys, link, jobs))
    }
}

impl JobSource for RedisSource {
    fn lease(&self) -> Duration {
        self.shared.holder.lease
    }

    fn fetch(&self, limit: usize, wait: Duration) -> Result<Vec<Delivery>, SourceError> {
        self.shared.fetching.lock().fetch(&self.shared.holder, limit, wait)
    }

    fn acknowledge(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        self.tell(|holder, link| telling::acknowledge(holder, link, receipts))
    }

    fn give_back(&self, receipt: &Receipt, delay: Duration, attempts: u32) -> Result<bool, SourceError> {
        let Some(leaf) = Leaf::read(receipt) else { return Ok(false) };
        self.tell(|holder, link| telling::give_back(holder, link, leaf, delay, attempts))
    }

    fn begin(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        self.tell(|holder, link| telling::extend(holder, link, receipts, true))
    }

    fn extend(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        self.tell(|holder, link| telling::extend(holder, link, receipts, false))
    }

    fn bury(&self, receipt: &Receipt, attempts: u32, reason: &str) -> Result<bool, SourceError> {
        let Some(leaf) = Leaf::read(receipt) else { return Ok(false) };
        self.tell(|holder, link| telling::bury(holder, link, leaf, attempts, reason))
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, SourceError> {
        self.tell(|holder, link| looking::dead_letters(&holder.keys, link, limit))
    }

    fn revive(&self, id: &JobId) -> Result<bool, SourceError> {
        self.tell(|holder, link| looking::take_dead(&holder.keys, link, id, true))
    }

    fn forget(&self, id: &JobId) -> Result<bool, SourceError> {
        self.tell(|holder, link| looking::take_dead(&holder.keys, link, id, false))
    }

    fn depth(&self) -> Result<QueueDepth, SourceError> {
        self.tell(|holder, link| looking::depth(&holder.keys, link))
    }
}

impl fmt::Debug for RedisSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { keys, lease, .. } = &self.shared.holder;
        f.debug_struct("RedisSource").field("queue", keys).field("lease", lease).finish_non_exhaustive()
    }
}
