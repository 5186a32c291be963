//! A file of any size, with a bar that says how far it is: `cargo run --release --example download`, with
//! `--features client` and `-- http://example.com/big.iso big.iso` behind it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, Write};
use std::time::Duration;

use anthill_http::client::Client;

const WIDTH: u64 = 40;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, path] = &arguments[..] else {
        eprintln!("download: say the URL and the file");
        std::process::exit(2);
    };
    match download(url, path) {
        Ok(bytes) => println!("{bytes} bytes"),
        Err(error) => {
            eprintln!("download: {error}");
            std::process::exit(1);
        }
    }
}

fn download(url: &str, path: &str) -> Result<u64, Box<dyn Error>> {
    let client = Client::builder()
        .read_timeout(Duration::from_secs(30)) // a silence, however long all of it takes
        .decompress(false) // so that its length is known
        .build()?;
    let mut response = client.get(url).send()?;
    if !response.is_success() {
        return Err(format!("the server says {}", response.status_code()).into());
    }
    // Nobody takes a part for the whole: it gets its name when it is complete.
    let part = format!("{path}.part");
    let mut file = File::create(&part)?;
    let (total, mut done) = (response.remaining(), 0);
    loop {
        let piece = response.fill_buf()?; // one that breaks off is an error, and no end
        if piece.is_empty() {
            break;
        }
        file.write_all(piece)?;
        let count = piece.len();
        response.consume(count);
        done += count as u64;
        let filled = total.map_or(0, |total| done * WIDTH / total.max(1)) as usize;
        eprint!("\r[{:<width$}] {done} bytes", "#".repeat(filled), width = WIDTH as usize);
    }
    eprintln!();
    fs::rename(part, path)?;
    Ok(done)
}
