//! What is put around handlers, in order: ids of requests, careful browsers, other origins, limits, errors as JSON and
//! as pages. `cargo run --release --example middleware`, then `curl -i localhost:8080/`, `curl -i localhost:8080/none`,
//! `curl -i -H 'Origin: https://app.example' localhost:8080/api/fail`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::Duration;

use anthill_http::middleware::*;
use anthill_http::{AccessLog, HttpError, RequestCtx, Router, Server, html_escape};

fn main() {
    if let Err(error) = serve() {
        eprintln!("middleware: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let (ids, headers) = (RequestIds::new(), SecurityHeaders::new());
    let app = Cors::builder().origins(["https://app.example"]).expose(["X-Request-Id"]).build()?;
    let often = RateLimit::builder().requests(10).per(Duration::from_secs(60)).build()?;
    let refused = (ids.clone(), headers.clone());
    let router = Router::new()
        .wrap(|next| request_id(next, ids))
        .wrap(|next| security_headers(next, headers))
        .wrap(|next| catch_errors(next, CatchErrors::new(|ctx, _| as_page(ctx))))
        .get("/", etag(|ctx: &mut RequestCtx| ctx.success("text/html", "<h1>Hello</h1>"), EtagPolicy::new()))
        .nest("/api", |api| {
            api.wrap(|next| cors(next, app))
                .wrap(|next| catch_errors(next, CatchErrors::new(|ctx, _| as_json(ctx))))
                .wrap(|next| rate_limit(next, often))
                .get("/report", |ctx: &mut RequestCtx| ctx.success("application/json", "{\"ants\":20000}"))
                .get("/fail", |_: &mut RequestCtx| Err::<(), _>(HttpError::new(500, "the queen is away")))
        });
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = Server::builder()
        .access_log(AccessLog::json(std::io::stdout()))
        .error_handler(move |ctx, _| {
            refused.0.apply(ctx); // what reaches no handler
            refused.1.apply(ctx);
        })
        .build_router(router)?
        .start(address)?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM
}

fn as_page(ctx: &mut RequestCtx) {
    if ctx.response.content_type_str() != Some("application/json") {
        let text = html_escape(ctx.response.body_str().unwrap_or_default()).into_owned();
        ctx.success("text/html; charset=utf-8", format!("<h1>{}</h1><p>{text}", ctx.response.status_code()));
    }
}

fn as_json(ctx: &mut RequestCtx) {
    let (status, id) = (ctx.response.status_code(), ctx.request_id().unwrap_or("none"));
    let text = format!("{{\"status\":{status},\"request\":\"{id}\"}}");
    ctx.success("application/json", text);
}
