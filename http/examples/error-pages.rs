//! Every error in the application's own form, whoever finds it: `cargo run --release --example error-pages`, then
//! `curl -i localhost:8080/missing`, `/teapot`, `/panic`, and `curl -i -H 'Host: a b' localhost:8080/`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::{Handler, HttpError, RequestCtx, Server, ServerBuilder};

fn main() {
    if let Err(error) = serve() {
        eprintln!("error-pages: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = options().build_handler(with_pages(answer))?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}

fn options() -> ServerBuilder {
    Server::builder()
        // What is refused before there is a handler: malformed, too large, too late. `error` says why.
        .error_handler(|ctx, error| show(ctx, &format!("{error}.")))
        // Logged in any case; the client is told what it can do.
        .panic_handler(|ctx, _panic| show(ctx, "This is our fault. We have been told of it."))
}

/// A page for whatever a handler answers from 400 on: errors that it returns, and statuses without a body of its own.
fn with_pages(next: impl Handler) -> impl Handler {
    move |ctx: &mut RequestCtx| {
        next.handle(ctx);
        let is_ready = ctx.response.header("content-type") == Some(b"text/html; charset=utf-8");
        if ctx.response.status_code() >= 400 && !is_ready {
            let message = String::from_utf8_lossy(ctx.response.body()).into_owned();
            show(ctx, &message);
        }
    }
}

/// Keeps status and fields.
fn show(ctx: &mut RequestCtx, message: &str) {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    let status = ctx.response.status_code();
    ctx.set_content_type("text/html; charset=utf-8");
    ctx.set_body(format!("<!doctype html><title>{status}</title><h1>Sorry ({status})</h1><p>{message}\n"));
}

fn answer(ctx: &mut RequestCtx) -> Result<(), HttpError> {
    match ctx.path() {
        "/" => ctx.set_body("all is well\n"),
        "/teapot" => return Err(HttpError::new(418, "I am <short> and stout")),
        "/panic" => panic!("a bug"),
        path => return Err(HttpError::new(404, format!("There is no {path} here"))),
    }
    Ok(())
}
