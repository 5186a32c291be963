//! A file, or what another program gives, sent while it is read: `cargo run --release --example upload`, with
//! `--features client` and `-- http://localhost:8080/file notes.txt` behind it; `-` instead of a file is the standard
//! input.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::fs::File;
use std::time::Duration;

use anthill_http::client::{Client, SendBody};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, path] = &arguments[..] else {
        eprintln!("upload: say the URL and the file");
        std::process::exit(2);
    };
    if let Err(error) = upload(url, path) {
        eprintln!("upload: {error}");
        std::process::exit(1);
    }
}

fn upload(url: &str, path: &str) -> Result<(), Box<dyn Error>> {
    let body = match path {
        // Nobody knows how much it is, so it goes in chunks, and once.
        "-" => SendBody::new(std::io::stdin()),
        // Its length is announced, and it can be sent again: behind a redirect, or over another connection.
        path => SendBody::file(File::open(path)?)?,
    };
    let client = Client::builder().write_timeout(Duration::from_secs(30)).build()?;
    let mut response = client
        .put(url)
        .header("Content-Type", "application/octet-stream")
        .expect_continue(Duration::from_secs(1)) // a server that does not want it says so before it is sent
        .send_body(body)
        .send()?;
    let said = response.text()?;
    if !response.is_success() {
        return Err(format!("the server says {}: {said}", response.status_code()).into());
    }
    println!("{said}");
    Ok(())
}
