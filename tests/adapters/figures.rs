//! What the facade `metrics` is given.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anthill_http::{HttpError, RequestCtx, Router};
use anthill_tests::server::{Running, plain};
use anthill_tests::{Gate, eventually, planned_panic, quiet_panics};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// What was recorded, by name and labels.
#[derive(Default)]
struct Recorded(Mutex<BTreeMap<String, Vec<f64>>>);

static RECORDED: OnceLock<Recorded> = OnceLock::new();

struct Figure(String);

impl Figure {
    fn change(&self, change: impl FnOnce(&mut Vec<f64>)) {
        if self.0.contains("/recorder-panics") {
            planned_panic();
        }
        let recorded = RECORDED.get_or_init(Recorded::default);
        let mut figures = recorded.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(figures.entry(self.0.clone()).or_default());
    }

    fn add(&self, value: f64) {
        self.change(|values| match values.first_mut() {
            Some(sum) => *sum += value,
            None => values.push(value),
        });
    }
}

impl CounterFn for Figure {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Figure {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, _: f64) {}
}

impl HistogramFn for Figure {
    fn record(&self, value: f64) {
        self.change(|values| values.push(value));
    }
}

struct Keeping;

fn named(key: &Key) -> Arc<Figure> {
    let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
    Arc::new(Figure(format!("{}{{{}}}", key.name(), labels.join(","))))
}

impl Recorder for Keeping {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(named(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(named(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(named(key))
    }
}

fn values(name: &str) -> Vec<f64> {
    let recorded = RECORDED.get_or_init(Recorded::default);
    recorded.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
}

fn names() -> Vec<String> {
    let recorded = RECORDED.get_or_init(Recorded::default);
    recorded.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
}

#[test]
fn requests_are_counted_by_route_and_never_by_path() {
    quiet_panics();
    metrics::set_global_recorder(Keeping).map_err(drop).expect("nobody else has one");
    let gate = Gate::new();
    let (in_handler, in_body) = (gate.clone(), gate.clone());
    let router = Router::new()
        .get("/figures/{id}", |ctx: &mut RequestCtx| ctx.set_body("five!"))
        .get("/figures/{id}/panics", |_: &mut RequestCtx| -> () { planned_panic() })
        .get("/figures/{id}/fails", |_: &mut RequestCtx| Err::<(), _>(HttpError::new(422, "no")))
        .get("/recorder-panics/{id}", |ctx: &mut RequestCtx| ctx.set_body("served"))
        .get("/figures/{id}/waits", move |_: &mut RequestCtx| in_handler.pass())
        .get("/figures/{id}/streams", move |ctx: &mut RequestCtx| {
            let gate = in_body.clone();
            ctx.response.set_body_writer(move |out| {
                out.flush()?;
                gate.pass();
                Ok(())
            });
        });
    let server = plain().record_metrics().build_router(router).expect("a server");
    let running = Running::serving(server);
    let mut client = running.client();
    for id in 0..20 {
        assert_eq!(client.get(&format!("/figures/{id}")).text(), "five!");
    }
    assert_eq!(client.get("/figures/1/panics").status, 500);
    assert_eq!(client.get("/figures/1/fails").status, 422);
    assert_eq!(client.get("/unknown/1").status, 404);
    assert_eq!(client.exchange("BREW /figures/1 HTTP/1.1\r\nHost: h\r\n\r\n").status, 405);
    assert_eq!(client.get("/recorder-panics/1").text(), "served");
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.response().status, 400);
    let of = |name: &str, method: &str, route: &str, status: &str| {
        values(&format!("anthill_http_{name}{{method={method},route={route},status={status}}}"))
    };
    let told = || -> f64 {
        let counters = names().into_iter().filter(|name| name.starts_with("anthill_http_requests_total"));
        counters.flat_map(|name| values(&name)).sum()
    };
    eventually("all are told but of the one whose recorder panics", || told() == 25.0);
    let route = "/figures/{id}";
    assert_eq!(of("requests_total", "GET", route, "2xx"), [20.0]);
    assert_eq!(of("requests_total", "GET", "/figures/{id}/panics", "5xx"), [1.0]);
    assert_eq!(of("requests_total", "GET", "/figures/{id}/fails", "4xx"), [1.0]);
    let durations = of("request_duration_seconds", "GET", route, "2xx");
    assert!(
        durations.len() == 20 && durations.iter().all(|&time| (0.0..60.0).contains(&time)),
        "{durations:?}"
    );
    let received = of("request_size_bytes", "GET", route, "2xx");
    assert_eq!(
        (received.len(), received[0]),
        (20, "GET /figures/0 HTTP/1.1\r\nHost: h\r\n\r\n".len() as f64)
    );
    assert!(of("response_size_bytes", "GET", route, "2xx").iter().all(|&size| size > 5.0));
    assert!(
        names().iter().all(|name| !name.contains("/figures/1") && !name.contains("BREW")),
        "{:?}",
        names()
    );

    let active = || values("anthill_http_requests_active{}").first().copied().unwrap_or_default();
    eventually("nothing is under way", || active() == 0.0);
    let mut clients = running.clients(2);
    clients[0].send("GET /figures/1/waits HTTP/1.1\r\nHost: h\r\n\r\n");
    clients[1].send("GET /figures/1/streams HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("both are under way", || active() == 2.0);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status, 200));
    eventually("nothing is under way again", || active() == 0.0);
}
