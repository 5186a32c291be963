//! A server that is busy is asked again, and nobody waits for longer than he has time:
//! `cargo run --release --example retry`, with `--features client` and `-- http://localhost:8080/` behind it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::time::Duration;

use anthill_http::client::{Client, ClientErrorKind, FailedAttempt};

fn main() {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("retry: say the URL");
        std::process::exit(2);
    };
    if let Err(error) = ask(&url) {
        eprintln!("retry: {error}");
        std::process::exit(1);
    }
}

fn ask(url: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::builder()
        .max_attempts(4)
        .retry_statuses([429, 503]) // `Retry-After` is kept to
        .retry_backoff(Duration::from_millis(100), Duration::from_secs(2)) // twice as long each time, by chance
        .retry_if(is_worth_it)
        .timeout(Duration::from_secs(5)) // all attempts and pauses together
        .connect_timeout(Duration::from_secs(1))
        .build()?;
    let mut response = client.get(url).send()?;
    println!("{}: {}", response.status_code(), response.text()?);
    Ok(())
}

/// As by default, and when nobody listens: it may just be starting.
fn is_worth_it(failed: &FailedAttempt<'_>) -> bool {
    let kind = failed.error().map(|error| error.kind());
    let is_known = matches!(kind, None | Some(ClientErrorKind::ConnectionClosed | ClientErrorKind::Connect));
    match (failed.error(), failed.response()) {
        (Some(error), _) => eprintln!("attempt {}: {error}", failed.number()),
        (_, Some(response)) => eprintln!("attempt {}: {}", failed.number(), response.status_code()),
        _ => {}
    }
    // What may have been done already is not asked for twice.
    failed.is_safe() && is_known
}
