//! Files to be saved, and a report that is made when it is asked for and can be resumed.
//! `cargo run --release --example downloads`, then `curl -OJ localhost:8080/report` and
//! `curl -OJ localhost:8080/files/Cargo.toml`; another folder by `ROOT=...`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::files::{Content, Files};
use anthill_http::{Handler, RequestCtx, Server};
use std::fmt::Write;

fn main() {
    if let Err(error) = serve() {
        eprintln!("downloads: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let root = std::env::var("ROOT").unwrap_or(".".to_owned());
    // `Content-Disposition: attachment` for all of them, under the names that they have.
    let files = Files::builder(&root).strip_prefix("/files").attachments("*").listing(true).build()?;
    let report = report();
    let server = Server::builder().build(move |ctx| match ctx.path() {
        "/report" => {
            ctx.set_content_type("text/csv; charset=utf-8");
            ctx.response.set_attachment("Jahresbericht für alle.csv");
            ctx.serve_content(&report); // all of it, a part, or 304
        }
        // A file of the program's own choice, whatever is asked for.
        "/latest" => send_latest(ctx, &root),
        _ => files.handle(ctx),
    })?;
    let running = server.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}

/// A tag that is of this content is what lets clients resume: a part of another one would be refused.
fn report() -> Content {
    let mut rows = String::from("day,visitors\n");
    for day in 1..=365_u32 {
        let _ = writeln!(rows, "{day},{}", day.pow(2) % 1009);
    }
    Content::from_bytes(rows.into_bytes()).etag("\"report-1\"")
}

fn send_latest(ctx: &mut RequestCtx, root: &str) {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.is_file()));
    match files.max_by_key(|entry| entry.metadata().and_then(|metadata| metadata.modified()).ok()) {
        Some(latest) => ctx.send_file(latest.path()),
        None => ctx.not_found(),
    }
}
