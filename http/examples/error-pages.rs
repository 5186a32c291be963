//! Every error in the application's own form, whoever finds it: `cargo run --release --example error-pages`, then
//! `curl -i localhost:8080/missing`, `/teapot`, `/panic`, and `curl -i -H 'Host: a b' localhost:8080/`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::error_body::{ErrorCause, ErrorReport};
use anthill_http::{HttpError, RequestCtx, Response, Server, html_escape};

fn main() {
    if let Err(error) = serve() {
        eprintln!("error-pages: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = Server::builder().error_body(page).build(answer)?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}

/// A page for whatever is an error: what handlers fail with, panics, and what is refused before there is a handler.
fn page(response: &mut Response, report: &ErrorReport) {
    let message = match report.cause() {
        // Malformed, too large, too late: it says why.
        ErrorCause::Refused(error) => format!("{error}."),
        // Logged in any case; the client is told what it can do.
        ErrorCause::Panicked(_) => "This is our fault. We have been told of it.".to_owned(),
        _ => report.message().to_owned(),
    };
    let (status, message) = (report.status(), html_escape(&message));
    response.set_content_type("text/html; charset=utf-8");
    response
        .set_body(format!("<!doctype html><title>{status}</title><h1>Sorry ({status})</h1><p>{message}\n"));
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
