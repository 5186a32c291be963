//! What is shown of each kind of figures, and how it is called.

use super::sink::{Shown, Sink};
use crate::objects::ObjectPoolStats;
use crate::stats::{PoolState, PoolStats};
use crate::tasks::SubPoolStats;
use crate::times::PoolTimes;

impl Shown for PoolStats {
    fn show(&self, sink: &mut dyn Sink) {
        let is_open = usize::from(self.state == PoolState::Open);
        sink.gauge("anthill_pool_open", "Whether the pool accepts payloads.", is_open);
        sink.gauge("anthill_pool_workers", "Workers: busy, idle or being started.", self.workers);
        sink.gauge("anthill_pool_busy_workers", "Workers that run a payload.", self.busy);
        sink.gauge("anthill_pool_idle_workers", "Workers without a payload.", self.idle);
        if let Some(capacity) = self.capacity {
            sink.gauge("anthill_pool_max_workers", "The cap on workers.", capacity);
        }
        sink.gauge("anthill_pool_peak_workers", "The most workers at one time.", self.peak_workers);
        sink.gauge("anthill_pool_queued", "Accepted payloads that no worker has taken yet.", self.queued);
        sink.gauge("anthill_pool_blocked_submitters", "Submitters that wait for room.", self.blocked);
        sink.gauge("anthill_pool_scheduled", "Payloads whose time has not come.", self.scheduled);
        sink.counter("anthill_pool_accepted_total", "Payloads accepted.", None, self.accepted);
        sink.counter("anthill_pool_finished_total", "Payloads whose run has ended.", None, self.finished);
        sink.counter(
            "anthill_pool_panicked_total",
            "Payloads whose run ended by a panic.",
            None,
            self.panicked,
        );
        sink.counter(
            "anthill_pool_handed_back_total",
            "Payloads accepted and handed back.",
            None,
            self.handed_back,
        );
        sink.counter(
            "anthill_pool_discarded_total",
            "Payloads accepted and discarded.",
            None,
            self.discarded,
        );
        sink.counter(
            "anthill_pool_ran_by_caller_total",
            "Payloads run by submitters.",
            None,
            self.ran_by_caller,
        );
        sink.counter("anthill_pool_rejected_total", "Submissions refused.", None, self.rejected);
        sink.counter(
            "anthill_pool_workers_spawned_total",
            "Threads started for workers.",
            None,
            self.spawned,
        );
        sink.counter(
            "anthill_pool_workers_expired_total",
            "Workers let go after idling.",
            None,
            self.expired,
        );
        sink.counter("anthill_pool_items_total", "Items of maps that have run.", None, self.items);
    }
}

impl Shown for PoolTimes {
    fn show(&self, sink: &mut dyn Sink) {
        let wait = "From the submission of a payload to its start.";
        sink.histogram("anthill_pool_wait_seconds", wait, &self.wait);
        sink.histogram("anthill_pool_run_seconds", "From the start of a payload to its end.", &self.run);
    }
}

impl Shown for SubPoolStats {
    fn show(&self, sink: &mut dyn Sink) {
        sink.gauge("anthill_sub_pool_max_running", "The most tasks that may run at a time.", self.max);
        sink.gauge("anthill_sub_pool_running", "Tasks that run.", self.running);
        sink.gauge("anthill_sub_pool_queued", "Tasks that wait in the queue.", self.queued);
        sink.gauge("anthill_sub_pool_peak_running", "The most tasks at one time.", self.peak_running);
        sink.counter("anthill_sub_pool_accepted_total", "Tasks accepted.", None, self.accepted);
        sink.counter("anthill_sub_pool_finished_total", "Tasks whose run has ended.", None, self.finished);
        sink.counter(
            "anthill_sub_pool_panicked_total",
            "Tasks whose run ended by a panic.",
            None,
            self.panicked,
        );
        sink.counter("anthill_sub_pool_lost_total", "Tasks that the parent dropped.", None, self.lost);
        sink.counter("anthill_sub_pool_handed_back_total", "Tasks handed back.", None, self.handed_back);
    }
}

impl Shown for ObjectPoolStats {
    fn show(&self, sink: &mut dyn Sink) {
        sink.gauge("anthill_object_pool_resident", "Idle objects in the pool.", self.resident);
        sink.gauge("anthill_object_pool_resident_weight", "What they weigh together.", self.resident_weight);
        sink.counter("anthill_object_pool_hits_total", "Gets that found an idle object.", None, self.hits);
        sink.counter("anthill_object_pool_misses_total", "Gets that made an object.", None, self.misses);
        let help = "Objects dropped instead of kept, by reason.";
        for (count, reason) in self.dropped() {
            sink.counter("anthill_object_pool_dropped_total", help, Some(reason), count);
        }
    }
}
