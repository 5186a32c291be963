//! Clients that are answered in time, whatever handlers wait for: `cargo run --release --example timeout`, then
//! `curl -i localhost:8080/hangs`, `curl -i localhost:8080/report?parts=3` and
//! `curl -i localhost:8080/report?parts=300`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::thread;
use std::time::Duration;

use anthill_http::{Handler, HttpError, RequestCtx, Server, TimeLimit, timeout};

fn main() {
    if let Err(error) = serve() {
        eprintln!("timeout: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    // Each such request takes two threads, so these two handlers have a limit, and others do not. For all of them there
    // is `ServerBuilder::handler_timeout`, for some of them by their requests `RequestConfig::handler_timeout`.
    let hangs = timeout(hangs, TimeLimit::new(Duration::from_millis(300)).message("try again later\n"));
    let report = timeout(report, Duration::from_secs(1));
    let server = Server::builder().build(move |ctx| match ctx.path() {
        "/hangs" => hangs.handle(ctx),
        "/report" => report.handle(ctx),
        _ => ctx.set_body("at once\n"),
    })?;
    let running = server.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM; handlers that nobody waits for end with the process
    Ok(())
}

/// Waits for something that does not come. Its client is answered 503 meanwhile.
fn hangs(ctx: &mut RequestCtx) {
    thread::sleep(Duration::from_secs(5));
    ctx.set_body("nobody reads this");
}

/// Looks at the time, and at whether the client is still there, and so does no work for nobody.
fn report(ctx: &mut RequestCtx) -> Result<(), HttpError> {
    let parts = ctx.query_arg_str("parts").and_then(|parts| parts.parse::<u64>().ok()).unwrap_or(1);
    for part in 1..=parts {
        let left = ctx.time_left().unwrap_or(Duration::MAX); // what a database would be given as its limit
        if left < Duration::from_millis(100) || ctx.is_cancelled() {
            return Err(HttpError::new(503, format!("no time for more than {} parts\n", part - 1)));
        }
        thread::sleep(Duration::from_millis(20));
    }
    ctx.set_body(format!("a report of {parts} parts\n"));
    Ok(())
}
