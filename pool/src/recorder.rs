//! Figures for the recorder of the [`metrics`](https://docs.rs/metrics) facade (feature `metrics`).
//!
//! What pools count is read and [published](publish) whenever the application likes, by a task of its own or before a
//! scrape; so counting costs nothing more than it does anyway. Figures are called as on a page for
//! [Prometheus](crate::prometheus).
//!
//! Times are recorded payload by payload, by pools that
//! [measure them](crate::WorkerPoolBuilder::measure_times): the histograms `anthill_pool_wait_seconds` and
//! `anthill_pool_run_seconds`, with the label `pool`, which is the pool's [name](crate::WorkerPoolBuilder::name).

use metrics::Label;

use crate::prometheus::Figures;
use crate::prometheus::sink::Sink;
use crate::times::Histogram;

/// Gives figures to the recorder of the `metrics` facade, with labels that tell them from others of their kind: gauges
/// are set, and counters set to what they are now. Without a recorder nothing happens. Of
/// [`PoolTimes`](crate::times::PoolTimes) nothing is given, because times are recorded when they are measured.
///
/// ```
/// use anthill_pool::{WorkerPool, recorder};
///
/// let pool = WorkerPool::new(4, |_: u8| {})?;
/// recorder::publish(&pool.stats(), &[("pool", "mail")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn publish(figures: &impl Figures, labels: &[(&str, &str)]) {
    let labels = labels.iter().map(|(name, value)| Label::new((*name).to_owned(), (*value).to_owned()));
    figures.show(&mut Facade { labels: labels.collect() });
}

/// The recorder that is installed.
struct Facade {
    labels: Vec<Label>,
}

impl Sink for Facade {
    fn counter(&mut self, name: &'static str, help: &'static str, reason: Option<&'static str>, count: u64) {
        let mut labels = self.labels.clone();
        labels.extend(reason.map(|reason| Label::new("reason", reason)));
        metrics::describe_counter!(name, help);
        metrics::counter!(name, labels).absolute(count);
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, value: usize) {
        metrics::describe_gauge!(name, help);
        metrics::gauge!(name, self.labels.clone()).set(value as f64);
    }

    fn histogram(&mut self, _: &'static str, _: &'static str, _: &Histogram) {}
}
