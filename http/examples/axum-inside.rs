//! An axum `Router` on this server's workers, beside what has moved already:
//! `cargo run --release --example axum-inside` with `--features tower`, then `curl localhost:8080/users/7`,
//! `curl -d "some text" localhost:8080/count`, `curl localhost:8080/report`.
//! Nothing here starts a runtime: the router's futures are polled by the threads that run handlers.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anthill_http::adapters::tower_service;
use anthill_http::{Handler, Server};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};

fn main() {
    if let Err(error) = serve() {
        eprintln!("axum-inside: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let visits = Arc::new(AtomicU64::new(0));
    let router =
        Router::new().route("/users/{id}", get(user)).route("/count", post(count)).with_state(visits);
    // What needs tokio's timers, sockets or tasks is polled within a runtime: `tower_service(router).entering(..)`.
    let router = tower_service(router);
    let server = Server::builder().build(move |ctx| match ctx.path() {
        "/report" => {
            thread::sleep(Duration::from_millis(20)); // or a database; it holds up nobody else
            ctx.set_body("a report\n");
        }
        _ => router.handle(ctx),
    })?;
    let running = server.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}

async fn user(State(visits): State<Arc<AtomicU64>>, Path(id): Path<u32>) -> String {
    format!("user {id}, visit {}\n", visits.fetch_add(1, Ordering::Relaxed) + 1)
}

async fn count(text: String) -> String {
    format!("{} letters\n", text.chars().count())
}
