//! JSON there and back: `cargo run --release --example post-json`, with `--features client,json` and
//! `-- http://localhost:8080/orders` behind it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::Duration;

use anthill_http::client::Client;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Order<'a> {
    item: &'a str,
    count: u32,
}

#[derive(Deserialize)]
struct Receipt {
    number: u64,
    total: f64,
}

fn main() {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("post-json: say the URL");
        std::process::exit(2);
    };
    match order(&url, &Order { item: "anthill", count: 2 }) {
        Ok(receipt) => println!("order {}: {:.2} in all", receipt.number, receipt.total),
        Err(error) => {
            eprintln!("post-json: {error}");
            std::process::exit(1);
        }
    }
}

fn order(url: &str, order: &Order<'_>) -> Result<Receipt, Box<dyn std::error::Error>> {
    // One for the whole program: its clones share connections and may go to any thread.
    let client = Client::builder()
        .timeout(Duration::from_secs(10)) // from here to the last byte, whatever happens in between
        .max_response_body_size(64 * 1024)
        .build()?;
    let mut response = client.post(url).bearer_auth("a-token").json(order).send()?;
    if !response.is_success() {
        return Err(format!("{}: {}", response.status_code(), response.text()?).into());
    }
    Ok(response.json()?)
}
