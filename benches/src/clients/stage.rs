//! The time of a run: warming up, measured, over. An answer counts when it comes in the time that is measured.

use crate::latency::Histogram;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MEASURED: u8 = 1;
const OVER: u8 = 2;

/// What callers look at between two calls.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    phase: AtomicU8,
    failure: Mutex<Option<String>>,
}

impl Stage {
    /// Calls again and again until the stage is closed or a call fails; how long those took that count.
    pub(crate) fn drive(&self, mut call: impl FnMut() -> Result<(), String>) -> Histogram {
        let mut latency = Histogram::new();
        while !self.is_over() {
            let begun = Instant::now();
            let called = call();
            self.note(begun, called, &mut latency);
        }
        latency
    }

    /// The same for calls that are awaited.
    pub(crate) async fn drive_tasks<F: Future<Output = Result<(), String>>>(
        &self,
        call: &(dyn Fn() -> F + Send + Sync),
    ) -> Histogram {
        let mut latency = Histogram::new();
        while !self.is_over() {
            let begun = Instant::now();
            let called = call().await;
            self.note(begun, called, &mut latency);
        }
        latency
    }

    fn note(&self, begun: Instant, called: Result<(), String>, latency: &mut Histogram) {
        match called {
            Ok(()) if self.phase.load(Ordering::Relaxed) == MEASURED => latency.record(begun.elapsed()),
            Ok(()) => {}
            Err(reason) => self.fail(&reason),
        }
    }

    fn is_over(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == OVER
    }

    /// From now on answers count.
    pub(super) fn measure(&self) {
        // What has failed stays over.
        let _ = self.phase.compare_exchange(0, MEASURED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Nobody calls any more.
    pub(super) fn close(&self) {
        self.phase.store(OVER, Ordering::Relaxed);
    }

    /// A call has failed: nobody calls any more.
    pub(super) fn fail(&self, reason: &str) {
        if let Ok(mut failure) = self.failure.lock() {
            failure.get_or_insert_with(|| reason.to_owned());
        }
        self.close();
    }

    /// Why a call has failed, if one has.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().ok()?.clone()
    }

    /// Waits for so long, unless a call fails.
    pub(super) fn pause(&self, pause: Duration) {
        let begun = Instant::now();
        while !self.is_over() && begun.elapsed() < pause {
            thread::sleep(pause.saturating_sub(begun.elapsed()).min(Duration::from_millis(50)));
        }
    }
}
