//! A page, in one line: `cargo run --release --example get`, with `--features client` and `-- http://example.com/`
//! behind it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::client::{ClientError, get};

fn main() {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("get: say the URL");
        std::process::exit(2);
    };
    if let Err(error) = show(&url) {
        eprintln!("get: {error}");
        std::process::exit(1);
    }
}

fn show(url: &str) -> Result<(), ClientError> {
    // A status like 404 is no error: the server has answered.
    let mut response = get(url)?;
    eprintln!("{} from {}", response.status_code(), response.remote_addr());
    println!("{}", response.text()?);
    Ok(())
}
