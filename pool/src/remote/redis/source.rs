//! The queue on Redis, as producers and consumers see it.

use std::fmt;
use std::time::Duration;

use redis::{Client, Pipeline, Value};

use super::link::{Link, eval, meaning};
use super::names::{GROUP, Keys, Leaf, head, level_of};
use super::{replies, scripts};
use crate::remote::error::SourceError;
use crate::remote::job::{DeadLetter, Delivery, JobId, NewJob, QueueDepth, Receipt, Sent, levels_in_turn};
use crate::remote::source::{JobSink, JobSource};
use crate::sync::{Arc, Instant, Mutex, MutexGuard};

const DEFAULT_LEASE: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often jobs that are due are looked for, when it is not known when the next one is.
const TEND_EVERY: Duration = Duration::from_millis(100);
/// How often leases that have run out are looked for: each eighth of one, and no less often than this.
const LONGEST_CLAIM_PAUSE: Duration = Duration::from_secs(1);
/// For how long an answer may be waited for beyond a planned wait is the timeout; no planned wait is longer than this.
const LONGEST_BLOCK: Duration = Duration::from_secs(1);
/// Names of consumers that have nothing pending are removed when they were not heard of for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// A queue of jobs on Redis Streams, for as many processes as share its name. Redis 6.2 or newer; what others offer under the
/// same protocol (Valkey) does as well.
///
/// How durable jobs are is the server's matter: with `appendonly yes` and `appendfsync always` what was sent survives the
/// end of its machine; with `everysec` the last second may be lost, and without persistence everything. Use an eviction
/// policy of `noeviction`.
///
/// It holds two connections, made when they are first needed and again when they were lost. A clone is the same
/// holder of leases. All processes of a queue should have the same [lease](RedisBuilder::lease).
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
    keys: Keys,
    /// The name under which jobs are pending.
    consumer: String,
    lease: Duration,
    /// For fetching, which waits.
    fetching: Mutex<Fetching>,
    /// For all else.
    telling: Mutex<Link>,
}

struct Fetching {
    link: Link,
    turn: u64,
    tend_at: Option<Instant>,
    claim_at: Option<Instant>,
    /// Where to go on looking for leases that have run out.
    cursors: Vec<String>,
}

/// Options of a [`RedisSource`]; made by [`RedisSource::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `open` is called"]
pub struct RedisBuilder {
    url: String,
    queue: String,
    lease: Duration,
    timeout: Duration,
}

impl RedisBuilder {
    /// For how long a job that was fetched is out of the others' reach: 30 s when not set, counted in whole milliseconds,
    /// at least 1. A [`Consumer`](crate::remote::Consumer) begins it anew while a job runs, so it is not a limit on how long a job may
    /// take, but how long one is left alone whose process was killed.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long the server may take to accept a connection or to answer: 5 s when not set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects, and makes the queue if it is not there.
    ///
    /// # Errors
    /// When the address cannot be read, the server cannot be reached, does not let us in or is too old, or when a key of
    /// the queue holds something else.
    pub fn open(self) -> Result<RedisSource, SourceError> {
        let keys = Keys::of(&self.queue);
        let client = Client::open(self.url.as_str()).map_err(|error| SourceError::Failed(Box::new(error)))?;
        let link = |more| Link::new(client.clone(), self.timeout.saturating_add(more));
        let shared = RedisQueue {
            consumer: format!("{}-{}", std::process::id(), JobId::unique()),
            lease: self.lease,
            fetching: Mutex::new(Fetching {
                link: link(LONGEST_BLOCK),
                turn: 0,
                tend_at: None,
                claim_at: None,
                cursors: vec!["0-0".to_owned(); 3],
            }),
            telling: Mutex::new(link(Duration::ZERO)),
            keys,
        };
        shared.dismiss(&mut shared.telling.lock(), "")?;
        Ok(RedisSource { shared: Arc::new(shared) })
    }
}

impl RedisSource {
    /// The queue of this name on the server at `url`, `redis://[user][:password@]host[:port][/database]` or
    /// `unix:///path?pass=…`, with the default options.
    ///
    /// # Errors
    /// As [`RedisBuilder::open`].
    pub fn open(url: &str, queue: &str) -> Result<Self, SourceError> {
        Self::builder(url, queue).open()
    }

    /// Options, to be finished with [`open`](RedisBuilder::open).
    pub fn builder(url: &str, queue: &str) -> RedisBuilder {
        let (url, queue) = (url.to_owned(), queue.to_owned());
        RedisBuilder { url, queue, lease: DEFAULT_LEASE, timeout: DEFAULT_TIMEOUT }
    }

    fn telling(&self) -> (&Keys, &str, MutexGuard<'_, Link>) {
        (&self.shared.keys, &self.shared.consumer, self.shared.telling.lock())
    }
}

/// Milliseconds, as the server counts.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_micros().div_ceil(1000)).unwrap_or(u64::MAX).min(1 << 48)
}

impl RedisQueue {
    /// Removes the names of consumers that are long gone, and of this one when it is `leaving`.
    fn dismiss(&self, link: &mut Link, leaving: &str) -> Result<(), SourceError> {
        let streams = self.keys.streams.each_ref().map(String::as_str);
        link.eval(&self.keys, scripts::DISMISS, &streams, |command| {
            command.arg(GROUP).arg(millis(FORGOTTEN_AFTER)).arg(leaving);
        })
    }

    /// Moves jobs that are due, and takes over up to `limit` whose lease has run out.
    fn tend(&self, fetching: &mut Fetching, limit: usize) -> Result<Vec<Delivery>, SourceError> {
        let [high, normal, low] = self.keys.streams.each_ref().map(String::as_str);
        let on = [high, normal, low, &self.keys.delayed];
        let now = Instant::now();
        let claims = fetching.claim_at.is_none_or(|at| at <= now);
        let limit = if claims { limit } else { 0 };
        let Fetching { link, cursors, .. } = fetching;
        let value: Value = link.eval(&self.keys, scripts::TEND, &on, |command| {
            command.arg(GROUP).arg(&self.consumer).arg(millis(self.lease).max(1)).arg(limit).arg(&*cursors);
        })?;
        let tended = replies::tended(value).map_err(|error| meaning(error, &self.keys.delayed))?;
        fetching.cursors = tended.cursors;
        let due_in = tended.due_in.map_or(TEND_EVERY, Duration::from_millis).min(TEND_EVERY);
        fetching.tend_at = now.checked_add(due_in);
        // There may be more, when as many came as were asked for.
        if claims && tended.taken.len() < limit {
            fetching.claim_at = now.checked_add((self.lease / 8).min(LONGEST_CLAIM_PAUSE));
        }
        Ok(tended.taken)
    }

    /// Reads up to `limit` new jobs of these levels, the most urgent first but in some turns.
    fn read(
        &self,
        fetching: &mut Fetching,
        limit: usize,
        of: [bool; 3],
    ) -> Result<Vec<Delivery>, SourceError> {
        let mut taken = Vec::new();
        for level in levels_in_turn(fetching.turn).map(level_of) {
            if !of[level] || taken.len() == limit {
                continue;
            }
            let mut command = redis::cmd("XREADGROUP");
            command.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(limit - taken.len());
            command.arg("STREAMS").arg(&self.keys.streams[level]).arg(">");
            let read = fetching
                .link
                .call(&self.keys, |connection| replies::entries(command.query(connection)?, level));
            match read {
                Ok(mut entries) => taken.append(&mut entries),
                // What was read before is not lost for that.
                Err(_) if !taken.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        fetching.turn += u64::from(!taken.is_empty());
        Ok(taken)
    }

    /// Waits for a job nobody has taken, or until `until`; says in which levels there may be some. It takes none, so a
    /// connection that is lost meanwhile takes none along, and no more come than are asked for.
    fn block(&self, fetching: &mut Fetching, until: Instant) -> Result<[bool; 3], SourceError> {
        let until = fetching.tend_at.map_or(until, |tend_at| tend_at.min(until));
        let wait = until.saturating_duration_since(Instant::now()).min(LONGEST_BLOCK);
        if wait.is_zero() {
            return Ok([true; 3]);
        }
        let streams = &self.keys.streams;
        let mut asked = redis::pipe();
        for stream in streams {
            asked.cmd("XINFO").arg("GROUPS").arg(stream);
        }
        fetching.link.call(&self.keys, |connection| {
            let last = replies::last_delivered(asked.query(connection)?, GROUP)?;
            let mut command = redis::cmd("XREAD");
            command.arg("COUNT").arg(1).arg("BLOCK").arg(millis(wait).max(1));
            command.arg("STREAMS").arg(streams).arg(last);
            let news = replies::levels_with_news(command.query(connection)?, streams)?;
            // Nothing new, and time to look at everything again.
            Ok(if news == [false; 3] { [true; 3] } else { news })
        })
    }
}

impl Drop for RedisQueue {
    fn drop(&mut self) {
        let link = &mut *self.telling.lock();
        if link.is_up() {
            // A name that stays harms nobody.
            let _ = self.dismiss(link, &self.consumer);
        }
    }
}

impl JobSink for RedisSource {
    fn send(&self, jobs: &[NewJob]) -> Result<Vec<Sent>, SourceError> {
        let (keys, _, mut link) = self.telling();
        let mut all = redis::pipe();
        // All or nothing, also when the connection is lost in the middle.
        all.atomic();
        for job in jobs {
            add(&mut all, keys, job);
        }
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let answers: Vec<String> = link.pipe(keys, &all)?;
        let sent = jobs.iter().zip(answers).map(|(job, answer)| match job.key {
            Some(_) if answer != job.id.as_str() => Sent::Double(JobId::new(answer)),
            _ => Sent::Queued(job.id.clone()),
        });
        Ok(sent.collect())
    }
}

/// Adds the command that sends a job.
fn add(all: &mut Pipeline, keys: &Keys, job: &NewJob) {
    let NewJob { id, version, body, priority, delay, key } = job;
    let stream = keys.stream(*priority);
    if delay.is_zero() && key.is_none() {
        all.cmd("XADD").arg(stream).arg("*").arg("h").arg(head(id, *version)).arg("b").arg(body.as_slice());
        return;
    }
    let (name, span) = match key {
        Some((name, span)) => (keys.of_double(name), millis(*span).max(1)),
        None => (keys.of_double(""), 0),
    };
    let mut command = eval(scripts::SEND, &[stream, &keys.delayed, &name]);
    command.arg(level_of(*priority)).arg(id.as_str()).arg(*version).arg(body.as_slice());
    command.arg(millis(*delay)).arg(span);
    all.add_command(command);
}

/// Receipts by the level they are of.
fn by_level<'a>(receipts: &'a [Receipt]) -> [Vec<Leaf<'a>>; 3] {
    let mut levels: [Vec<Leaf<'a>>; 3] = Default::default();
    for leaf in receipts.iter().filter_map(Leaf::read) {
        levels[leaf.level].push(leaf);
    }
    levels
}

impl JobSource for RedisSource {
    fn lease(&self) -> Duration {
        self.shared.lease
    }

    fn fetch(&self, limit: usize, wait: Duration) -> Result<Vec<Delivery>, SourceError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let queue = &*self.shared;
        let fetching = &mut *queue.fetching.lock();
        let begun = Instant::now();
        let deadline = begun.checked_add(wait).unwrap_or(begun);
        let mut levels = [true; 3];
        loop {
            if fetching.tend_at.is_none_or(|at| at <= Instant::now()) {
                let taken = queue.tend(fetching, limit)?;
                if !taken.is_empty() {
                    return Ok(taken);
                }
            }
            let taken = queue.read(fetching, limit, levels)?;
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
            levels = queue.block(fetching, deadline)?;
        }
    }

    fn acknowledge(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        let (keys, _, mut link) = self.telling();
        let mut all = redis::pipe();
        all.atomic();
        for (leaves, stream) in by_level(receipts).iter().zip(&keys.streams) {
            if !leaves.is_empty() {
                let entries: Vec<&str> = leaves.iter().map(|leaf| leaf.entry).collect();
                all.cmd("XACK").arg(stream).arg(GROUP).arg(&entries);
                all.cmd("XDEL").arg(stream).arg(&entries).ignore();
            }
        }
        if all.is_empty() {
            return Ok(0);
        }
        let known: Vec<usize> = link.pipe(keys, &all)?;
        Ok(known.into_iter().sum())
    }

    fn give_back(&self, receipt: &Receipt, delay: Duration, attempts: u32) -> Result<bool, SourceError> {
        let Some(leaf) = Leaf::read(receipt) else { return Ok(false) };
        let (keys, consumer, mut link) = self.telling();
        let on = [keys.streams[leaf.level].as_str(), &keys.delayed];
        link.eval(keys, scripts::GIVE_BACK, &on, |command| {
            command.arg(GROUP).arg(consumer).arg(leaf.entry).arg(leaf.count);
            command.arg(millis(delay)).arg(attempts).arg(leaf.level);
        })
    }

    fn extend(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        let (keys, consumer, mut link) = self.telling();
        let mut all = redis::pipe();
        for (leaves, stream) in by_level(receipts).iter().zip(&keys.streams) {
            // Not so many that others have to wait.
            for leaves in leaves.chunks(256) {
                let mut command = eval(scripts::EXTEND, &[stream]);
                command.arg(GROUP).arg(consumer);
                for leaf in leaves {
                    command.arg(leaf.entry).arg(leaf.count);
                }
                all.add_command(command);
            }
        }
        if all.is_empty() {
            return Ok(0);
        }
        let ours: Vec<usize> = link.pipe(keys, &all)?;
        Ok(ours.into_iter().sum())
    }

    fn bury(&self, receipt: &Receipt, attempts: u32, reason: &str) -> Result<bool, SourceError> {
        let Some(leaf) = Leaf::read(receipt) else { return Ok(false) };
        let (keys, consumer, mut link) = self.telling();
        let on = [keys.streams[leaf.level].as_str(), &keys.dead, &keys.letters];
        link.eval(keys, scripts::BURY, &on, |command| {
            command.arg(GROUP).arg(consumer).arg(leaf.entry).arg(leaf.count);
            command.arg(attempts).arg(leaf.level).arg(reason);
        })
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, SourceError> {
        let (keys, _, mut link) = self.telling();
        if limit == 0 {
            return Ok(Vec::new());
        }
        let value: Value =
            link.eval(keys, scripts::DEAD_LETTERS, &[&keys.dead, &keys.letters], |command| {
                command.arg(limit);
            })?;
        replies::dead_letters(value).map_err(|error| meaning(error, &keys.dead))
    }

    fn revive(&self, id: &JobId) -> Result<bool, SourceError> {
        self.take_dead(id, true)
    }

    fn forget(&self, id: &JobId) -> Result<bool, SourceError> {
        self.take_dead(id, false)
    }

    fn depth(&self) -> Result<QueueDepth, SourceError> {
        let (keys, _, mut link) = self.telling();
        let mut all = redis::pipe();
        all.atomic();
        for stream in &keys.streams {
            all.cmd("XLEN").arg(stream);
        }
        for sorted in [&keys.delayed, &keys.dead] {
            all.cmd("ZCARD").arg(sorted);
        }
        for stream in &keys.streams {
            all.cmd("XPENDING").arg(stream).arg(GROUP);
        }
        let values: Vec<Value> = link.pipe(keys, &all)?;
        let (lengths, pending, delayed, dead) =
            replies::depth(values).map_err(|error| meaning(error, &keys.delayed))?;
        Ok(QueueDepth { ready: lengths.saturating_sub(pending), delayed, in_flight: pending, dead })
    }
}

impl RedisSource {
    fn take_dead(&self, id: &JobId, revives: bool) -> Result<bool, SourceError> {
        let (keys, _, mut link) = self.telling();
        let [high, normal, low] = keys.streams.each_ref().map(String::as_str);
        let on = [keys.dead.as_str(), &keys.letters, high, normal, low];
        link.eval(keys, scripts::TAKE_DEAD, &on, |command| {
            command.arg(id.as_str()).arg(u8::from(revives));
        })
    }
}

impl fmt::Debug for RedisSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSource")
            .field("queue", &self.shared.keys)
            .field("lease", &self.shared.lease)
            .finish_non_exhaustive()
    }
}
