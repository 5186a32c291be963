//! A handler within an axum application, on hyper and tokio: `cargo run --release --example tower-outside` with
//! `--features tower`, then `curl localhost:8080/`, `curl localhost:8080/report`, `curl localhost:8080/ticks`.
//! The handler blocks, and the one thread that tokio has goes on meanwhile.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;
use std::thread;
use std::time::Duration;

use anthill_http::adapters::HandlerService;
use anthill_http::{RequestCtx, Server};
use axum::Router;
use axum::routing::get;

fn main() {
    if let Err(error) = serve() {
        eprintln!("tower-outside: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let listener = Server::listen(address)?;
    listener.set_nonblocking(true)?;
    // With limits, timeouts and hooks of one's own it is `HandlerService::of_server(&server)`.
    let moved = HandlerService::new(answer)?;
    let app = Router::new().route("/", get(|| async { "axum\n" })).fallback_service(moved);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        println!("listening on http://{}", listener.local_addr()?);
        axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await
    })?;
    Ok(())
}

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/report" => {
            thread::sleep(Duration::from_millis(20)); // or a database
            ctx.set_body("a report\n");
        }
        "/ticks" => ctx.response.set_body_writer(|out| {
            for tick in 1..=3 {
                writeln!(out, "tick {tick}")?;
                out.flush()?; // it is on its way now
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }),
        _ => ctx.not_found(),
    }
}
