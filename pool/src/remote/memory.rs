//! A queue of jobs in memory, with the contract of a durable one, for tests.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use super::error::SourceError;
use super::job::{DeadLetter, Delivery, JobId, NewJob, QueueDepth, Receipt, Sent, levels_in_turn};
use super::source::{JobSink, JobSource};
use crate::config::clock::{Clock, Expire, ManualClock};
use crate::core::Priority;
use crate::sync::{Arc, Condvar, Instant, Mutex};

const DEFAULT_LEASE: Duration = Duration::from_secs(30);

/// A queue of jobs in this process's memory: as a durable one in all but being durable. For tests of handlers,
/// producers and consumers without a server; a clone is the same queue.
///
/// ```
/// use std::time::Duration;
/// use anthill_pool::ManualClock;
/// use anthill_pool::remote::{JobSource, MemorySource, Payload, Producer};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Reminder(String);
/// impl Payload for Reminder {}
///
/// let clock = ManualClock::new();
/// let queue = MemorySource::new().clock(&clock);
/// let producer = Producer::new(queue.clone());
/// producer.prepare(&Reminder("tea".to_owned())).delay(Duration::from_secs(300)).send()?;
/// assert_eq!(queue.depth()?.delayed, 1);
/// clock.advance(Duration::from_secs(300));
/// assert_eq!(queue.fetch(1, Duration::ZERO)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MemorySource {
    queue: Arc<MemoryQueue>,
    lease: Duration,
}

struct MemoryQueue {
    state: Mutex<MemoryState>,
    /// Something may be had that was not to be had before.
    arrivals: Condvar,
}

struct MemoryState {
    clock: Clock,
    /// What was held too long: before all else, the one first that was held too long first.
    again: VecDeque<Entry>,
    ready: [VecDeque<Entry>; 3],
    delayed: BTreeMap<(Instant, u64), Entry>,
    leased: BTreeMap<u64, Leased>,
    keys: HashMap<String, (JobId, Instant)>,
    dead: Vec<DeadLetter>,
    /// The number of the next thing that needs one.
    next: u64,
    turn: u64,
}

/// A job of the queue.
#[derive(Clone)]
struct Entry {
    id: JobId,
    version: u32,
    body: Vec<u8>,
    priority: Priority,
    attempts: u32,
    /// Since it was put into the queue.
    deliveries: u32,
}

struct Leased {
    entry: Entry,
    until: Instant,
    has_begun: bool,
}

impl MemorySource {
    /// An empty queue with leases of 30 s.
    pub fn new() -> Self {
        let state = MemoryState {
            clock: Clock::System,
            again: VecDeque::new(),
            ready: Default::default(),
            delayed: BTreeMap::new(),
            leased: BTreeMap::new(),
            keys: HashMap::new(),
            dead: Vec::new(),
            next: 0,
            turn: 0,
        };
        let queue = MemoryQueue { state: Mutex::new(state), arrivals: Condvar::new() };
        MemorySource { queue: Arc::new(queue), lease: DEFAULT_LEASE }
    }

    /// Sets for how long a job that was fetched by this handle is out of the others' reach.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Has delays, leases and keys go by a clock that is moved by hand; that a fetch waits stays real.
    #[must_use]
    pub fn clock(self, clock: &ManualClock) -> Self {
        self.queue.state.lock().clock = Clock::Manual(clock.clone());
        let expire: Arc<dyn Expire> = self.queue.clone();
        clock.subscribe(Arc::downgrade(&expire));
        self
    }
}

impl Default for MemorySource {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = self.queue.state.lock().depth();
        f.debug_struct("MemorySource").field("depth", &depth).field("lease", &self.lease).finish()
    }
}

impl Expire for MemoryQueue {
    fn time_moved(self: Arc<Self>) {
        self.arrivals.notify_all();
    }
}

/// Where jobs of this priority wait.
fn level(priority: Priority) -> usize {
    priority as usize
}

/// The point so far ahead; one that cannot be represented is never.
fn ahead(now: Instant, by: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now.checked_add(by.min(CENTURY)).unwrap_or(now)
}

impl MemoryState {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn put(&mut self, mut entry: Entry, delay: Duration) {
        entry.deliveries = 0;
        if delay.is_zero() {
            self.ready[level(entry.priority)].push_back(entry);
        } else {
            let due = ahead(self.clock.now(), delay);
            let number = self.number();
            self.delayed.insert((due, number), entry);
        }
    }

    fn send(&mut self, job: &NewJob) -> Sent {
        let now = self.clock.now();
        if let Some((key, span)) = &job.key {
            self.keys.retain(|_, (_, until)| *until > now);
            if let Some((first, _)) = self.keys.get(key) {
                return Sent::Double(first.clone());
            }
            self.keys.insert(key.clone(), (job.id.clone(), ahead(now, *span)));
        }
        let NewJob { id, version, body, priority, .. } = job.clone();
        self.put(Entry { id, version, body, priority, attempts: 0, deliveries: 0 }, job.delay);
        Sent::Queued(job.id.clone())
    }

    /// Makes ready what has come to its time, and what its holder has held for too long: that first.
    fn catch_up(&mut self) {
        let now = self.clock.now();
        while let Some(first) = self.delayed.first_entry() {
            if first.key().0 > now {
                break;
            }
            let entry = first.remove();
            self.ready[level(entry.priority)].push_back(entry);
        }
        let overdue = self.leased.iter().filter(|(_, lease)| lease.until <= now);
        let mut overdue: Vec<_> = overdue.map(|(number, lease)| (lease.until, *number)).collect();
        overdue.sort_unstable();
        for (_, number) in overdue {
            let Leased { mut entry, has_begun, .. } = self.leased.remove(&number).expect("it was just seen");
            entry.attempts += u32::from(has_begun);
            self.again.push_back(entry);
        }
    }

    fn take(&mut self, limit: usize, lease: Duration) -> Vec<Delivery> {
        self.catch_up();
        let mut entries = Vec::new();
        let levels = levels_in_turn(self.turn).map(level);
        while entries.len() < limit {
            let next = self.again.pop_front();
            let next = next.or_else(|| levels.iter().find_map(|level| self.ready[*level].pop_front()));
            let Some(entry) = next else { break };
            entries.push(entry);
        }
        let taken: Vec<_> = entries.into_iter().map(|entry| self.deliver(entry, lease)).collect();
        self.turn += u64::from(!taken.is_empty());
        taken
    }

    fn deliver(&mut self, mut entry: Entry, lease: Duration) -> Delivery {
        entry.deliveries += 1;
        let (number, until) = (self.number(), ahead(self.clock.now(), lease));
        let delivery = Delivery {
            id: entry.id.clone(),
            receipt: Receipt::new(number.to_string()),
            version: entry.version,
            body: entry.body.clone(),
            attempt: entry.attempts + 1,
            deliveries: entry.deliveries,
            priority: entry.priority,
            fault: None,
        };
        self.leased.insert(number, Leased { entry, until, has_begun: false });
        delivery
    }

    /// When something is to be had next without anybody sending it.
    fn next_event(&self) -> Option<Instant> {
        let leases = self.leased.values().map(|lease| lease.until);
        leases.chain(self.delayed.keys().map(|(due, _)| *due)).min()
    }

    /// What is held with this receipt, if it is held still.
    fn take_leased(&mut self, receipt: &Receipt) -> Option<Entry> {
        self.catch_up();
        let number = receipt.as_str().parse().ok()?;
        self.leased.remove(&number).map(|lease| lease.entry)
    }

    /// Begins leases anew, of jobs that have begun or not; says how many are held still.
    fn extend(&mut self, receipts: &[Receipt], lease: Duration, has_begun: bool) -> usize {
        self.catch_up();
        let until = ahead(self.clock.now(), lease);
        let mut extended = 0;
        for number in receipts.iter().filter_map(|receipt| receipt.as_str().parse().ok()) {
            if let Some(lease) = self.leased.get_mut(&number) {
                lease.until = until;
                lease.has_begun |= has_begun;
                extended += 1;
            }
        }
        extended
    }

    fn take_dead(&mut self, id: &JobId) -> Option<DeadLetter> {
        let place = self.dead.iter().position(|letter| letter.id == *id)?;
        Some(self.dead.remove(place))
    }

    fn depth(&mut self) -> QueueDepth {
        self.catch_up();
        QueueDepth {
            ready: self.again.len() + self.ready.iter().map(VecDeque::len).sum::<usize>(),
            delayed: self.delayed.len(),
            in_flight: self.leased.len(),
            dead: self.dead.len(),
        }
    }
}

impl JobSink for MemorySource {
    fn send(&self, jobs: &[NewJob]) -> Result<Vec<Sent>, SourceError> {
        let mut state = self.queue.state.lock();
        let sent = jobs.iter().map(|job| state.send(job)).collect();
        drop(state);
        self.queue.arrivals.notify_all();
        Ok(sent)
    }
}

impl JobSource for MemorySource {
    fn lease(&self) -> Duration {
        self.lease
    }

    fn fetch(&self, limit: usize, wait: Duration) -> Result<Vec<Delivery>, SourceError> {
        let deadline = ahead(Instant::now(), wait);
        let mut state = self.queue.state.lock();
        loop {
            let taken = state.take(limit, self.lease);
            if !taken.is_empty() || limit == 0 || Instant::now() >= deadline {
                return Ok(taken);
            }
            // What a manual clock brings is told by the clock.
            let due = if state.clock.is_manual() { None } else { state.next_event() };
            (state, _) = self.queue.arrivals.wait_until(state, due.map_or(deadline, |due| due.min(deadline)));
        }
    }

    fn acknowledge(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        let mut state = self.queue.state.lock();
        Ok(receipts.iter().filter(|receipt| state.take_leased(receipt).is_some()).count())
    }

    fn give_back(&self, receipt: &Receipt, delay: Duration, attempts: u32) -> Result<bool, SourceError> {
        let mut state = self.queue.state.lock();
        let Some(mut entry) = state.take_leased(receipt) else { return Ok(false) };
        entry.attempts = attempts;
        state.put(entry, delay);
        drop(state);
        self.queue.arrivals.notify_all();
        Ok(true)
    }

    fn begin(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        Ok(self.queue.state.lock().extend(receipts, self.lease, true))
    }

    fn extend(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        Ok(self.queue.state.lock().extend(receipts, self.lease, false))
    }

    fn bury(&self, receipt: &Receipt, attempts: u32, reason: &str) -> Result<bool, SourceError> {
        let mut state = self.queue.state.lock();
        let Some(entry) = state.take_leased(receipt) else { return Ok(false) };
        let Entry { id, version, body, priority, .. } = entry;
        state.dead.push(DeadLetter { id, version, body, priority, attempts, reason: reason.to_owned() });
        Ok(true)
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, SourceError> {
        Ok(self.queue.state.lock().dead.iter().take(limit).cloned().collect())
    }

    fn revive(&self, id: &JobId) -> Result<bool, SourceError> {
        let mut state = self.queue.state.lock();
        let Some(letter) = state.take_dead(id) else { return Ok(false) };
        let DeadLetter { id, version, body, priority, .. } = letter;
        state.put(Entry { id, version, body, priority, attempts: 0, deliveries: 0 }, Duration::ZERO);
        drop(state);
        self.queue.arrivals.notify_all();
        Ok(true)
    }

    fn forget(&self, id: &JobId) -> Result<bool, SourceError> {
        Ok(self.queue.state.lock().take_dead(id).is_some())
    }

    fn depth(&self) -> Result<QueueDepth, SourceError> {
        Ok(self.queue.state.lock().depth())
    }
}
