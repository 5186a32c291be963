//! A program that has its files in it, so that it is all there is to deploy: `cargo run --release --example embedded`,
//! then `curl -i localhost:8080/`. With the crate `include_dir` the list of a whole folder is made by the compiler;
//! with a build script that makes tags as well (`EmbeddedFiles::with_tags`) none is computed when the program starts.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::Server;
use anthill_http::files::{EmbeddedFiles, Files};

/// Paths and contents.
static ASSETS: [(&str, &[u8]); 4] = [
    ("index.html", include_bytes!("embedded.rs")),
    ("css/site.css", b"body { font-family: sans-serif }\n"),
    ("licence.txt", include_bytes!("../LICENSE-MIT")),
    ("robots.txt", b"User-agent: *\nDisallow:\n"),
];

fn main() {
    if let Err(error) = serve() {
        eprintln!("embedded: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    // Each has a tag of its bytes, so that clients keep what a new version of the program has not changed.
    let files =
        Files::over(EmbeddedFiles::new(ASSETS)).listing(true).media_type("html", "text/plain").build()?;
    let running = Server::builder().build_handler(files)?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}
