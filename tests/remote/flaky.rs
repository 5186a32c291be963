//! A source that cannot be reached at times, before or after it has done what it was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use anthill_pool::remote::{
    DeadLetter, Delivery, JobId, JobSource, MemorySource, QueueDepth, Receipt, SourceError,
};
use anthill_tests::planned_panic;

#[derive(Clone, Debug)]
pub(crate) struct Flaky {
    inner: MemorySource,
    /// One call in so many fails.
    one_in: u64,
    calls: Arc<AtomicU64>,
    is_down: Arc<AtomicBool>,
    refuses_settlements: Arc<AtomicBool>,
    refuses_beginnings: Arc<AtomicBool>,
    refuses_burials: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
    panics_at_beginning: Arc<AtomicBool>,
}

impl Flaky {
    pub(crate) fn new(inner: MemorySource, one_in: u64) -> Self {
        Flaky {
            inner,
            one_in,
            calls: Arc::default(),
            is_down: Arc::default(),
            refuses_settlements: Arc::default(),
            refuses_beginnings: Arc::default(),
            refuses_burials: Arc::default(),
            panics: Arc::default(),
            panics_at_beginning: Arc::default(),
        }
    }

    /// From now on every call panics, or again none.
    pub(crate) fn set_panicking(&self, panics: bool) {
        self.panics.store(panics, SeqCst);
    }

    /// The next time when it is told that something has begun it panics.
    pub(crate) fn panic_at_beginning(&self) {
        self.panics_at_beginning.store(true, SeqCst);
    }

    /// From now on nothing becomes a dead letter, or again.
    pub(crate) fn refuse_burials(&self, refuses: bool) {
        self.refuses_burials.store(refuses, SeqCst);
    }

    /// From now on nothing is acknowledged, or again.
    pub(crate) fn refuse_settlements(&self, refuses: bool) {
        self.refuses_settlements.store(refuses, SeqCst);
    }

    /// From now on it cannot be told that something has begun, or again.
    pub(crate) fn refuse_beginnings(&self, refuses: bool) {
        self.refuses_beginnings.store(refuses, SeqCst);
    }

    /// From now on nothing is reached, or again.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, SeqCst);
    }

    fn panic_if_set(&self) {
        if self.panics.load(SeqCst) {
            planned_panic();
        }
    }

    fn call<R>(&self, call: impl FnOnce(&MemorySource) -> Result<R, SourceError>) -> Result<R, SourceError> {
        self.panic_if_set();
        let number = self.calls.fetch_add(1, SeqCst);
        let fails = number % self.one_in == self.one_in - 1;
        let loses_answer = fails && (number / self.one_in).is_multiple_of(2);
        if self.is_down.load(SeqCst) || (fails && !loses_answer) {
            return Err(SourceError::Unreachable("planned".into()));
        }
        let answer = call(&self.inner)?;
        if loses_answer {
            Err(SourceError::Unreachable("planned, the answer is lost".into()))
        } else {
            Ok(answer)
        }
    }
}

impl JobSource for Flaky {
    fn lease(&self) -> Duration {
        self.panic_if_set();
        self.inner.lease()
    }

    fn fetch(&self, limit: usize, wait: Duration) -> Result<Vec<Delivery>, SourceError> {
        self.call(|source| source.fetch(limit, wait.min(Duration::from_millis(5))))
    }

    fn acknowledge(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        if self.refuses_settlements.load(SeqCst) {
            return Err(SourceError::Failed("planned: no settlements".into()));
        }
        self.call(|source| source.acknowledge(receipts))
    }

    fn give_back(&self, receipt: &Receipt, delay: Duration, attempts: u32) -> Result<bool, SourceError> {
        self.call(|source| source.give_back(receipt, delay, attempts))
    }

    fn begin(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        if self.panics_at_beginning.swap(false, SeqCst) {
            planned_panic();
        }
        if self.refuses_beginnings.load(SeqCst) {
            return Err(SourceError::Unreachable("planned: no beginnings".into()));
        }
        self.call(|source| source.begin(receipts))
    }

    fn extend(&self, receipts: &[Receipt]) -> Result<usize, SourceError> {
        self.call(|source| source.extend(receipts))
    }

    fn bury(&self, receipt: &Receipt, attempts: u32, reason: &str) -> Result<bool, SourceError> {
        if self.refuses_burials.load(SeqCst) {
            return Err(SourceError::Failed("planned: no burials".into()));
        }
        self.call(|source| source.bury(receipt, attempts, reason))
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, SourceError> {
        self.inner.dead_letters(limit)
    }

    fn revive(&self, id: &JobId) -> Result<bool, SourceError> {
        self.inner.revive(id)
    }

    fn forget(&self, id: &JobId) -> Result<bool, SourceError> {
        self.inner.forget(id)
    }

    fn depth(&self) -> Result<QueueDepth, SourceError> {
        self.inner.depth()
    }
}
