//! What is shown of each kind of figures, and how it is called.

use super::series::{Series, Shown};
use crate::objects::ObjectPoolStats;
use crate::stats::{PoolState, PoolStats};
use crate::tasks::SubPoolStats;
use crate::times::PoolTimes;

impl Shown for PoolStats {
    fn show(&self, page: &mut Series<'_>) {
        let is_open = usize::from(self.state == PoolState::Open);
        page.gauge("anthill_pool_open", "Whether the pool accepts payloads.", is_open);
        page.gauge("anthill_pool_workers", "Workers: busy, idle or being started.", self.workers);
        page.gauge("anthill_pool_busy_workers", "Workers that run a payload.", self.busy);
        page.gauge("anthill_pool_idle_workers", "Workers without a payload.", self.idle);
        if let Some(capacity) = self.capacity {
            page.gauge("anthill_pool_max_workers", "The cap on workers.", capacity);
        }
        page.gauge("anthill_pool_peak_workers", "The most workers at one time.", self.peak_workers);
        page.gauge("anthill_pool_queued", "Accepted payloads that no worker has taken yet.", self.queued);
        page.gauge("anthill_pool_blocked_submitters", "Submitters that wait for room.", self.blocked);
        page.gauge("anthill_pool_scheduled", "Payloads whose time has not come.", self.scheduled);
        page.counter("anthill_pool_accepted_total", "Payloads accepted.", self.accepted);
        page.counter("anthill_pool_finished_total", "Payloads whose run has ended.", self.finished);
        page.counter("anthill_pool_panicked_total", "Payloads whose run ended by a panic.", self.panicked);
        page.counter(
            "anthill_pool_handed_back_total",
            "Payloads accepted and handed back.",
            self.handed_back,
        );
        page.counter("anthill_pool_discarded_total", "Payloads accepted and discarded.", self.discarded);
        page.counter("anthill_pool_ran_by_caller_total", "Payloads run by submitters.", self.ran_by_caller);
        page.counter("anthill_pool_rejected_total", "Submissions refused.", self.rejected);
        page.counter("anthill_pool_workers_spawned_total", "Threads started for workers.", self.spawned);
        page.counter("anthill_pool_workers_expired_total", "Workers let go after idling.", self.expired);
    }
}

impl Shown for PoolTimes {
    fn show(&self, page: &mut Series<'_>) {
        let wait = "From the submission of a payload to its start.";
        page.histogram("anthill_pool_wait_seconds", wait, &self.wait);
        page.histogram("anthill_pool_run_seconds", "From the start of a payload to its end.", &self.run);
    }
}

impl Shown for SubPoolStats {
    fn show(&self, page: &mut Series<'_>) {
        page.gauge("anthill_sub_pool_max_running", "The most tasks that may run at a time.", self.max);
        page.gauge("anthill_sub_pool_running", "Tasks that run.", self.running);
        page.gauge("anthill_sub_pool_queued", "Tasks that wait in the queue.", self.queued);
        page.gauge("anthill_sub_pool_peak_running", "The most tasks at one time.", self.peak_running);
        page.counter("anthill_sub_pool_accepted_total", "Tasks accepted.", self.accepted);
        page.counter("anthill_sub_pool_finished_total", "Tasks whose run has ended.", self.finished);
        page.counter("anthill_sub_pool_panicked_total", "Tasks whose run ended by a panic.", self.panicked);
        page.counter("anthill_sub_pool_lost_total", "Tasks that the parent dropped.", self.lost);
        page.counter("anthill_sub_pool_handed_back_total", "Tasks handed back.", self.handed_back);
    }
}

impl Shown for ObjectPoolStats {
    fn show(&self, page: &mut Series<'_>) {
        page.gauge("anthill_object_pool_resident", "Idle objects in the pool.", self.resident);
        page.gauge("anthill_object_pool_resident_weight", "What they weigh together.", self.resident_weight);
        page.counter("anthill_object_pool_hits_total", "Gets that found an idle object.", self.hits);
        page.counter("anthill_object_pool_misses_total", "Gets that made an object.", self.misses);
        let help = "Objects dropped instead of kept, by reason.";
        page.counter_by_reason("anthill_object_pool_dropped_total", help, self.dropped());
    }
}
