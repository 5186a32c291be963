//! Figures and readiness on an address of their own: what our example of that name does, by axum and axum-prometheus.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum_prometheus::PrometheusMetricLayer;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[derive(Clone, Default)]
struct Shop {
    orders: Arc<AtomicU64>,
    is_ending: Arc<AtomicBool>,
}

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("metrics: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = |name, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let state = Shop::default();
    let (layer, recorder) = PrometheusMetricLayer::pair();
    let shop = Router::new().route("/order", get(order)).layer(layer).with_state(state.clone());
    let operators = Router::new()
        .route("/metrics", get(async move || recorder.render()))
        .route("/livez", get(async || "alive"))
        .route("/readyz", get(ready))
        .with_state(state.clone());
    let shop_listener = TcpListener::bind(address("ADDRESS", "localhost:8080")).await?;
    let operators_listener = TcpListener::bind(address("METRICS_ADDRESS", "localhost:9090")).await?;
    println!("listening on http://{}", shop_listener.local_addr()?);
    println!("figures at http://{}/metrics", operators_listener.local_addr()?);
    let (over, is_over) = watch::channel(false);
    let operators = tokio::spawn(
        axum::serve(operators_listener, operators).with_graceful_shutdown(told(is_over)).into_future(),
    );
    axum::serve(shop_listener, shop).with_graceful_shutdown(ended(state)).await?;
    let _ = over.send(true);
    Ok(operators.await??)
}

// Whoever asks for `/readyz` each second hears of the end before it comes.
async fn ended(shop: Shop) {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    shop.is_ending.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(2)).await;
}

async fn told(mut is_over: watch::Receiver<bool>) {
    let _ = is_over.wait_for(|is_over| *is_over).await;
}

async fn order(State(shop): State<Shop>) -> String {
    let order = shop.orders.fetch_add(1, Ordering::Relaxed) + 1;
    metrics::counter!("shop_orders_total").increment(1);
    format!("order {order}\n")
}

async fn ready(State(shop): State<Shop>) -> (StatusCode, &'static str) {
    match shop.is_ending.load(Ordering::Relaxed) {
        true => (StatusCode::SERVICE_UNAVAILABLE, "ending"),
        false => (StatusCode::OK, "ready"),
    }
}
