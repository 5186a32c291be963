//! A folder as a site: `cargo run --release --example static-site`, then `curl -i localhost:8080/`; another folder by
//! `ROOT=public`. With an index in each folder, or a list, and a page of its own for what is not there; with
//! `COPIES=/var/cache/site` what compresses is compressed once, and kept there.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::body::CompressionLevel;
use anthill_http::files::Files;
use anthill_http::{RequestCtx, Server};
use std::time::Duration;

fn main() {
    if let Err(error) = serve() {
        eprintln!("static-site: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let root = std::env::var("ROOT").unwrap_or(".".to_owned());
    let mut files = Files::builder(root)
        .listing(true)
        // Pages are asked for again each time, which costs a 304; what has a hash in its name never changes.
        .cache_control("*.html", "no-cache")
        .immutable_names(true)
        // `site.css.br`, `.zst` or `.gz` beside `site.css` is sent instead, to clients that take it.
        .compressed_copies()
        .nosniff(true)
        .not_found(missing);
    if let Some(copies) = std::env::var_os("COPIES") {
        // Files are moved into place here, and never written to in their place.
        files = files.compress(CompressionLevel::Best).compress_root(copies).compress_min_age(Duration::ZERO);
    }
    let running = Server::builder().build_handler(files.build()?)?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}

fn missing(ctx: &mut RequestCtx) {
    ctx.success("text/html; charset=utf-8", "<!doctype html><title>404</title><p>There is no such page.\n");
}
