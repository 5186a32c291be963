//! Tasks behind routes: parameters, a group with a wrapper, state, a limit of one route, URLs from names.
//! `cargo run --release --example router`, then `curl -i -d 'buy milk' localhost:8080/tasks`, `curl
//! localhost:8080/tasks/1`, `curl -H 'Authorization: Bearer ants' localhost:8080/admin/count`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anthill_http::router::{Route, TrailingSlash};
use anthill_http::{Handler, HttpError, RequestConfig, RequestCtx, Router, Server};

type Error = Box<dyn std::error::Error + Send + Sync>; // an `HttpError` in it is answered as it says, the rest by 500
type Tasks = Mutex<BTreeMap<u32, String>>;

fn main() {
    if let Err(error) = serve() {
        eprintln!("router: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Error> {
    let count = |ctx: &mut RequestCtx, tasks: &Tasks| ctx.set_body(lock(tasks).len().to_string());
    let router = Router::with(Tasks::default())
        .trailing_slash(TrailingSlash::Redirect)
        .route(Route::post("/tasks", add).config(RequestConfig::new().max_request_body_size(1024)))
        .route(Route::get("/tasks/{id}", show).name("task"))
        .nest("/admin", |admin| admin.wrap(with_token).get("/count", count));
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = Server::builder().build_router(router)?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM
}

fn with_token(next: impl Handler) -> impl Handler {
    move |ctx: &mut RequestCtx| match ctx.header_str("authorization") {
        Some("Bearer ants") => next.handle(ctx),
        _ => ctx.error("a token is needed", 401),
    }
}

fn lock(tasks: &Tasks) -> MutexGuard<'_, BTreeMap<u32, String>> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(ctx: &mut RequestCtx, tasks: &Tasks) -> Result<(), Error> {
    let text = ctx.body_str().ok_or(HttpError::new(400, "a task is text in UTF-8"))?.to_owned();
    let mut tasks = lock(tasks);
    let id = tasks.last_key_value().map_or(1, |(last, _)| last + 1);
    tasks.insert(id, text);
    let url = ctx.url_for("task", &[("id", &id.to_string())])?;
    ctx.redirect(url, 303);
    Ok(())
}

fn show(ctx: &mut RequestCtx, tasks: &Tasks) -> Result<(), HttpError> {
    let task = lock(tasks).get(&ctx.parse_param("id")?).cloned();
    ctx.set_body(task.ok_or(HttpError::new(404, "no such task"))?);
    Ok(())
}
