//! What a subscriber of `tracing` and a recorder of `metrics` get to see. Run with the features of these names, by
//! themselves: what is installed here is the process's.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use anthill_pool::{ManualClock, ObjectPool, WorkerPool, recorder};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};

const PATIENCE: Duration = Duration::from_secs(20);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what it is told, with the thread; panics in a span of the pool `broken`.
#[derive(Default)]
struct Listener {
    next: AtomicU64,
    told: Mutex<Vec<(ThreadId, String)>>,
    spans: Mutex<BTreeMap<u64, String>>,
}

impl Listener {
    fn tell(&self, what: String) {
        lock(&self.told).push((std::thread::current().id(), what));
    }
}

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for &'static Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("anthill_pool::")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        let name = format!("{} {}{}", span.metadata().target(), span.metadata().name(), fields.0);
        let id = self.next.fetch_add(1, Ordering::SeqCst) + 1;
        lock(&self.spans).insert(id, name);
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.tell(format!("{} {}{}", event.metadata().level(), event.metadata().target(), fields.0));
    }

    fn enter(&self, span: &Id) {
        let name = lock(&self.spans)[&span.into_u64()].clone();
        assert!(!name.contains("broken"), "planned: a subscriber that panics");
        self.tell(format!("enter {name}"));
    }

    fn exit(&self, span: &Id) {
        let name = lock(&self.spans)[&span.into_u64()].clone();
        self.tell(format!("exit {name}"));
    }
}

/// The process's listener.
fn listener() -> &'static Listener {
    static LISTENER: OnceLock<&'static Listener> = OnceLock::new();
    LISTENER.get_or_init(|| {
        let listener: &'static Listener = Box::leak(Box::default());
        tracing::subscriber::set_global_default(listener).unwrap();
        listener
    })
}

/// What was told of a pool, in its order, by which threads.
fn told_of(pool: &str) -> (Vec<String>, Vec<ThreadId>) {
    let marks = [format!("pool=\"{pool}\"")];
    let told = lock(&listener().told);
    let (threads, told) =
        told.iter().filter(|(_, what)| marks.iter().any(|mark| what.contains(mark))).cloned().unzip();
    (told, threads)
}

#[test]
fn tracing_has_a_span_for_each_payload_and_events_of_what_goes_wrong() {
    listener();
    let pool = WorkerPool::builder()
        .name("spans")
        .max_workers(1)
        .build(|fails: bool| {
            tracing::info!(target: "anthill_pool::test", pool = "spans", "inside");
            assert!(!fails, "planned");
        })
        .unwrap();
    for fails in [false, true] {
        pool.submit(fails).unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    pool.submit(false).unwrap_err();
    let (told, threads) = told_of("spans");
    let payload = "anthill_pool::payload payload pool=\"spans\" worker=0";
    assert_eq!(
        told,
        [
            "DEBUG anthill_pool::worker message=a worker has started pool=\"spans\" worker=0",
            &format!("enter {payload}"),
            "INFO anthill_pool::test message=inside pool=\"spans\"",
            &format!("exit {payload}"),
            &format!("enter {payload}"),
            "INFO anthill_pool::test message=inside pool=\"spans\"",
            "ERROR anthill_pool::payload message=a payload panicked pool=\"spans\" worker=0 panic=\"planned\"",
            &format!("exit {payload}"),
            "DEBUG anthill_pool::worker message=a worker has stopped pool=\"spans\" worker=0",
            "DEBUG anthill_pool::submission message=a submission was refused: the pool is stopped pool=\"spans\" refusal=Closed",
        ]
    );
    let here = std::thread::current().id();
    assert!(threads[..9].iter().all(|thread| *thread == threads[0] && *thread != here));
    assert_eq!(threads[9], here);
}

#[test]
fn tracing_a_subscriber_that_panics_harms_no_worker() {
    listener();
    let pool = WorkerPool::builder().name("broken").max_workers(1).build(|_: u8| {}).unwrap();
    for payload in 0..3 {
        pool.submit(payload).unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.panicked, stats.spawned), (3, 0, 1));
}

/// Keeps the last value of each counter and gauge, and all values of histograms.
#[derive(Default)]
struct Ledger {
    values: Mutex<BTreeMap<String, Vec<f64>>>,
    described: Mutex<BTreeMap<String, String>>,
}

struct Series {
    name: String,
    ledger: &'static Ledger,
}

impl Series {
    fn of(ledger: &'static Ledger, key: &Key) -> Arc<Self> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(Series { name: format!("{}{{{}}}", key.name(), labels.join(",")), ledger })
    }

    fn put(&self, value: f64, keep: bool) {
        let mut values = lock(&self.ledger.values);
        let values = values.entry(self.name.clone()).or_default();
        if !keep {
            values.clear();
        }
        values.push(value);
    }
}

impl CounterFn for Series {
    fn increment(&self, _: u64) {
        unreachable!("counters are set");
    }

    fn absolute(&self, value: u64) {
        self.put(value as f64, false);
    }
}

impl GaugeFn for Series {
    fn increment(&self, _: f64) {
        unreachable!("gauges are set");
    }

    fn decrement(&self, _: f64) {
        unreachable!("gauges are set");
    }

    fn set(&self, value: f64) {
        self.put(value, false);
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.put(value, true);
    }
}

impl Recorder for &'static Ledger {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        lock(&self.described).insert(name.as_str().to_owned(), help.into_owned());
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        lock(&self.described).insert(name.as_str().to_owned(), help.into_owned());
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Series::of(self, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Series::of(self, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Series::of(self, key))
    }
}

#[test]
fn metrics_get_what_is_published_and_times_as_they_are_measured() {
    let ledger: &'static Ledger = Box::leak(Box::default());
    metrics::set_global_recorder(ledger).unwrap_or_else(|_| panic!("one recorder"));
    let clock = ManualClock::new();
    let own = clock.clone();
    let pool = WorkerPool::builder()
        .name("mail")
        .max_workers(2)
        .measure_times(true)
        .clock(&clock)
        .build(move |seconds: u32| own.advance(Duration::from_millis(500) * seconds))
        .unwrap();
    let unmeasured = WorkerPool::builder().name("unmeasured").build(|_: u8| {}).unwrap();
    unmeasured.submit(0).unwrap();
    for seconds in [1, 3] {
        pool.submit(seconds).unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
        recorder::publish(&pool.stats(), &[("pool", "mail"), ("host", "a")]);
    }
    recorder::publish(&pool.times().unwrap(), &[("pool", "mail")]);
    let objects = ObjectPool::builder().max_idle(1).shards(1).build(|| 0_u8);
    drop((objects.get(), objects.get()));
    recorder::publish(&objects.stats(), &[]);
    let values = lock(&ledger.values).clone();
    for (series, expected) in [
        ("anthill_pool_finished_total{pool=mail,host=a}", vec![2.0]),
        ("anthill_pool_max_workers{pool=mail,host=a}", vec![2.0]),
        ("anthill_pool_run_seconds{pool=mail}", vec![0.5, 1.5]),
        ("anthill_pool_wait_seconds{pool=mail}", vec![0.0, 0.0]),
        ("anthill_object_pool_dropped_total{reason=bound}", vec![1.0]),
        ("anthill_object_pool_resident{}", vec![1.0]),
    ] {
        assert_eq!(values.get(series), Some(&expected), "{series}");
    }
    assert!(!values.keys().any(|series| series.contains("unmeasured")), "{values:?}");
    let described = lock(&ledger.described);
    assert_eq!(described["anthill_pool_finished_total"], "Payloads whose run has ended.");
}
