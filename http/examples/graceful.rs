//! An end that loses nothing: `cargo run --release --example graceful`, ask for `/slow` or `/ticks`, then send SIGTERM.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;
use std::time::Duration;

use anthill_http::{RequestCtx, Server};

fn main() {
    if let Err(error) = serve() {
        eprintln!("graceful: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = Server::builder()
        .shutdown_delay(Duration::from_millis(500)) // a proxy that asks for `/ready` hears of it before anything ends
        .shutdown_timeout(Duration::from_secs(10)) // whatever takes longer ends with the process
        .build(answer)?
        .start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.stop_signal().on_stop(|| println!("no more requests; the last ones are being answered")).keep();
    running.run()?; // until SIGINT or SIGTERM, and until all have their answers
    println!("done");
    Ok(())
}

fn answer(ctx: &mut RequestCtx) {
    let stop = ctx.stop_signal();
    match ctx.path() {
        "/ready" => ctx.set_status_code(if ctx.is_ready() { 200 } else { 503 }),
        // Whoever waits for long waits for the end as well.
        "/slow" => {
            let has_waited = !stop.wait(Duration::from_secs(60));
            ctx.set_body(if has_waited {
                "a minute has passed\n"
            } else {
                "not a minute, but the server ends\n"
            });
        }
        "/ticks" => ctx.response.set_body_writer(move |out| {
            while !out.is_stopping() {
                writeln!(out, "tick")?;
                out.flush()?;
                stop.wait(Duration::from_secs(1));
            }
            writeln!(out, "that was the last one")
        }),
        _ => ctx.not_found(),
    }
}
