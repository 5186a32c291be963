//! An application of one page, whose views have paths of their own, with its API beside it.
//! `cargo run --release --example spa`, then `curl -i localhost:8080/users/7` and `localhost:8080/api/time`. The folder
//! that a bundler has made is `ROOT`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::files::{EmbeddedFiles, Files, FilesBuilder};
use anthill_http::{Handler, RequestCtx, Server};
use std::time::{SystemTime, UNIX_EPOCH};

const PAGE: &[u8] = b"<!doctype html><title>app</title><script type=module src=/app.3f2a9c1b.js></script>\n";
const SCRIPT: &[u8] = b"document.body.append('This view is ' + location.pathname)\n";

fn main() {
    if let Err(error) = serve() {
        eprintln!("spa: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let app = source()
        // The page for each path that is no file, so that a view can be reloaded; a script that is missing stays a 404.
        .fallback("index.html")
        .cache_control("*.html", "no-cache")
        .immutable_names(true)
        .build()?;
    let server = Server::builder().build(move |ctx| match ctx.path() {
        path if path.starts_with("/api/") => api(ctx),
        _ => app.handle(ctx),
    })?;
    let running = server.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}

/// The bundler's folder, or a small application that is here.
fn source() -> FilesBuilder {
    match std::env::var("ROOT") {
        Ok(root) => Files::builder(root),
        Err(_) => Files::over(EmbeddedFiles::new([("index.html", PAGE), ("app.3f2a9c1b.js", SCRIPT)])),
    }
}

fn api(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/api/time" => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            ctx.success("application/json", format!("{{\"unix\": {now}}}\n"));
        }
        _ => ctx.error("no such call\n", 404),
    }
}
