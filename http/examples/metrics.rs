//! Figures for Prometheus, and whether the server is ready, on an address of their own that clients do not reach:
//! `cargo run --release --example metrics`, then `curl localhost:8080/order` and `curl localhost:9090/metrics`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anthill_http::prometheus::{CONTENT_TYPE, Exposition};
use anthill_http::{Probe, Server};

fn main() {
    if let Err(error) = serve() {
        eprintln!("metrics: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = |name, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let orders = Arc::new(AtomicU64::new(0));
    let counter = orders.clone();
    let shop = Server::builder()
        // Whoever asks for `/readyz` each second hears of the end before it comes.
        .shutdown_delay(Duration::from_secs(2))
        .build(move |ctx| match ctx.path() {
            "/order" => ctx.set_body(format!("order {}\n", counter.fetch_add(1, Ordering::Relaxed) + 1)),
            _ => ctx.not_found(),
        })?;

    let (probe, watched) = (Probe::new(), shop.clone());
    probe.watch(&shop);
    let operators = Server::new(move |ctx| match ctx.path() {
        "/metrics" => {
            let mut page = Exposition::new();
            watched.stats().add_to(&mut page, &[("server", "shop")]);
            page.add_counter("shop_orders_total", "Orders taken.", &[], orders.load(Ordering::Relaxed));
            ctx.success(CONTENT_TYPE, page.to_string());
        }
        "/livez" => probe.live(ctx),
        "/readyz" => probe.ready(ctx),
        _ => ctx.not_found(),
    })?;

    let shop = shop.start(address("ADDRESS", "localhost:8080"))?;
    let operators = operators.start(address("METRICS_ADDRESS", "localhost:9090"))?;
    println!("listening on http://{}", shop.local_addr());
    println!("figures at http://{}/metrics", operators.local_addr());
    shop.run()?; // until Ctrl-C or SIGTERM, and operators see it end
    operators.shutdown(Duration::from_secs(1))?;
    Ok(operators.join()?)
}
