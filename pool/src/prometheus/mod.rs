//! Figures as Prometheus reads them: the text format, version 0.0.4.
//!
//! An [`Exposition`] gathers the figures of any number of pools, told apart by labels, and is the page that a scraper
//! gets. The crate serves no page and keeps none: make one whenever it is asked for.
//!
//! ```
//! use anthill_pool::prometheus::Exposition;
//! use anthill_pool::{ObjectPool, WorkerPool};
//!
//! let mail = WorkerPool::builder().measure_times(true).build(|_: u8| {})?;
//! let buffers = ObjectPool::builder().build(Vec::<u8>::new);
//! mail.submit(1)?;
//! mail.wait_idle()?;
//!
//! let mut page = Exposition::new();
//! page.add(&mail.stats(), &[("pool", "mail")]);
//! page.add(&mail.times().unwrap(), &[("pool", "mail")]);
//! page.add(&buffers.stats(), &[("pool", "buffers")]);
//! let text = page.to_string();
//! assert!(text.contains("# TYPE anthill_pool_finished_total counter\n"));
//! assert!(text.contains("anthill_pool_finished_total{pool=\"mail\"} 1\n"));
//! assert!(text.contains("anthill_pool_run_seconds_bucket{pool=\"mail\",le=\"+Inf\"} 1\n"));
//! assert!(text.contains("anthill_object_pool_hits_total{pool=\"buffers\"} 0\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Counters end in `_total`, times are in seconds, and figures that there are none of (the cap of a pool without one)
//! are left out. Histograms have 15 buckets, from 1 us up to 67 s, each four times as long as the one before, and one
//! for what is longer. (What a pool measures is twice as fine and reaches further: a page gets all of it by
//! [`add_histogram`](Exposition::add_histogram) with [`Histogram::buckets`](crate::times::Histogram::buckets).) The
//! content type of such a page is [`CONTENT_TYPE`].

mod figures;
mod series;
pub(crate) mod sink;

use std::fmt;
use std::time::Duration;

use self::series::{Families, Series};
use self::sink::{Shown, Sink};

/// What a page says it is in its `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of figures, in the text format of Prometheus.
///
/// Its `Display` is the page: each family of figures once, with its `HELP` and `TYPE`, in the order in which they came.
///
/// ```
/// use anthill_pool::prometheus::Exposition;
///
/// let mut page = Exposition::new();
/// assert_eq!(page.to_string(), "");
/// page.add(&anthill_pool::WorkerPool::new(4, |_: u8| {})?.stats(), &[("pool", "mail")]);
/// page.add(&anthill_pool::WorkerPool::new(8, |_: u8| {})?.stats(), &[("pool", "news")]);
/// assert_eq!(page.to_string().matches("# TYPE anthill_pool_max_workers gauge").count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    families: Families,
}

/// Figures that an [`Exposition`] can show: [`PoolStats`](crate::PoolStats), [`PoolTimes`](crate::times::PoolTimes),
/// [`SubPoolStats`](crate::SubPoolStats) and [`ObjectPoolStats`](crate::ObjectPoolStats).
pub trait Figures: Shown {
    /// A page of these alone, see [`Exposition`].
    ///
    /// ```
    /// use anthill_pool::prometheus::Figures;
    ///
    /// let pool = anthill_pool::WorkerPool::new(4, |_: u8| {})?;
    /// let text = pool.stats().to_prometheus(&[("pool", "mail")]);
    /// assert!(text.contains("anthill_pool_max_workers{pool=\"mail\"} 4\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn to_prometheus(&self, labels: &[(&str, &str)]) -> String
    where
        Self: Sized,
    {
        let mut page = Exposition::new();
        page.add(self, labels);
        page.to_string()
    }
}

impl<F: Shown> Figures for F {}

impl Exposition {
    /// An empty page.
    pub fn new() -> Self {
        Exposition::default()
    }

    /// Adds figures, with labels that tell them from others of their kind on the page.
    ///
    /// In names of labels everything but letters, digits and `_` becomes `_`, and one that begins with a digit gets a
    /// `_` in front; a name that the format or a figure uses itself (`le`, `reason`) gets `exported_` in front. Of
    /// several labels of one name the first is taken. Values may be any text.
    ///
    /// ```
    /// use anthill_pool::prometheus::Exposition;
    ///
    /// let mut page = Exposition::new();
    /// page.add(&anthill_pool::WorkerPool::new(4, |_: u8| {})?.stats(), &[("le", "a \"word\"")]);
    /// assert!(page.to_string().contains("anthill_pool_max_workers{exported_le=\"a \\\"word\\\"\"} 4\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add(&mut self, figures: &impl Figures, labels: &[(&str, &str)]) {
        figures.show(&mut Series::new(&mut self.families, labels));
    }

    /// Adds a sample of a counter of your own. What is added by one name becomes one family, whose help is that of the
    /// first. The name has to be one that the format allows, which is not checked; labels are as in [`add`](Self::add).
    ///
    /// ```
    /// let mut page = anthill_pool::prometheus::Exposition::new();
    /// page.add_counter("mails_total", "Mails sent.", &[("kind", "news")], 3);
    /// assert_eq!(
    ///     page.to_string(),
    ///     "# HELP mails_total Mails sent.\n# TYPE mails_total counter\nmails_total{kind=\"news\"} 3\n"
    /// );
    /// ```
    pub fn add_counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        count: u64,
    ) {
        Series::new(&mut self.families, labels).counter(name, help, None, count);
    }

    /// The same for a figure that goes up and down.
    ///
    /// ```
    /// let mut page = anthill_pool::prometheus::Exposition::new();
    /// page.add_gauge("mails_waiting", "Mails not sent yet.", &[], 7);
    /// assert!(page.to_string().ends_with("# TYPE mails_waiting gauge\nmails_waiting 7\n"));
    /// ```
    pub fn add_gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: usize,
    ) {
        Series::new(&mut self.families, labels).gauge(name, help, value);
    }

    /// The same for a histogram of times: `buckets` are upper ends, shortest first, with what is in each bucket alone;
    /// the last end is [`Duration::MAX`]. `sum` is all times together.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut page = anthill_pool::prometheus::Exposition::new();
    /// let buckets = [(Duration::from_millis(1), 2), (Duration::MAX, 1)];
    /// page.add_histogram("mail_seconds", "Sending.", &[], buckets, Duration::from_millis(5));
    /// let page = page.to_string();
    /// assert!(page.contains("mail_seconds_bucket{le=\"0.001\"} 2\nmail_seconds_bucket{le=\"+Inf\"} 3\n"), "{page}");
    /// ```
    pub fn add_histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        buckets: impl IntoIterator<Item = (Duration, u64)>,
        sum: Duration,
    ) {
        Series::new(&mut self.families, labels).buckets(name, help, buckets, sum);
    }
}

impl fmt::Display for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.families, f)
    }
}
