//! A to-do list with forms, kept in SQLite: the shape of a whole service. `cargo run --release --example todo`, then
//! open http://localhost:8080.
//!
//! `store` has the database, `pages` the HTML, this file the routes and what is around them. Forms are plain HTML, so
//! it works without a script. `ADDRESS` and `DATABASE` say where it is served and where it is kept.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod pages;
mod store;

use std::path::PathBuf;

use anthill_http::middleware::{
    CatchErrors, CsrfPolicy, RequestIds, SecurityHeaders, catch_errors, csrf, request_id, security_headers,
};
use anthill_http::router::Route;
use anthill_http::{AccessLog, HttpError, RequestCtx, Router, Server};

use crate::store::{Filter, Store};

/// What may go wrong: an `HttpError` in it is answered as it says, the rest is logged and answered by 500.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Letters of a title, at most.
const TITLE_MAX: usize = 200;

fn main() {
    if let Err(error) = serve() {
        eprintln!("todo: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Error> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let database = std::env::var_os("DATABASE").map_or("todo.db".into(), PathBuf::from);
    let running = Server::builder()
        .name("todo")
        .access_log(AccessLog::combined(std::io::stderr()))
        .max_request_body_size(16 * 1024)
        .build_router(routes(Store::open(&database)?)?)?
        .start(address)?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM
}

fn routes(store: Store) -> Result<Router<Store>, Error> {
    let headers = SecurityHeaders::builder().content_security_policy("default-src 'self'").build()?;
    Ok(Router::with(store)
        .wrap(|next| request_id(next, RequestIds::new()))
        .wrap(|next| security_headers(next, headers))
        .wrap(|next| catch_errors(next, CatchErrors::new(|ctx, _| pages::error(ctx))))
        .wrap(|next| csrf(next, CsrfPolicy::new()))
        .get("/", list)
        .get("/style.css", pages::style)
        .post("/todos", add)
        .route(Route::get("/todos/{id}", edit).name("todo"))
        .post("/todos/{id}", rename)
        .post("/todos/{id}/toggle", toggle)
        .post("/todos/{id}/delete", delete)
        .post("/clear", clear))
}

fn list(ctx: &mut RequestCtx, store: &Store) -> Result<(), Error> {
    let filter = Filter::named(ctx.query_arg_str("show").as_deref().unwrap_or("all"));
    let filter = filter.ok_or(HttpError::new(400, "show is one of all, open, done"))?;
    pages::list(ctx, &store.list(filter)?, store.open_count()?, filter);
    Ok(())
}

fn add(ctx: &mut RequestCtx, store: &Store) -> Result<(), Error> {
    store.add(&title(ctx)?)?;
    ctx.redirect("/", 303);
    Ok(())
}

fn edit(ctx: &mut RequestCtx, store: &Store) -> Result<(), Error> {
    let todo = store.get(ctx.parse_param("id")?)?.ok_or(not_there())?;
    pages::edit(ctx, &todo);
    Ok(())
}

fn rename(ctx: &mut RequestCtx, store: &Store) -> Result<(), Error> {
    let title = title(ctx)?;
    let is_there = store.rename(ctx.parse_param("id")?, &title)?;
    back(ctx, is_there)
}

fn toggle(ctx: &mut RequestCtx, store: &Store) -> Result<(), Error> {
    let is_there = store.toggle(ctx.parse_param("id")?)?;
    back(ctx, is_there)
}

fn delete(ctx: &mut RequestCtx, store: &Store) -> Result<(), Error> {
    let is_there = store.delete(ctx.parse_param("id")?)?;
    back(ctx, is_there)
}

fn clear(ctx: &mut RequestCtx, store: &Store) -> Result<(), Error> {
    store.clear_done()?;
    back(ctx, true)
}

fn back(ctx: &mut RequestCtx, is_there: bool) -> Result<(), Error> {
    if !is_there {
        return Err(not_there().into());
    }
    ctx.redirect("/", 303);
    Ok(())
}

fn not_there() -> HttpError {
    HttpError::new(404, "There is no such thing to do. Perhaps it was done in another window.")
}

/// The title in the form, without blanks around it.
fn title(ctx: &mut RequestCtx) -> Result<String, HttpError> {
    let title = ctx.form_value_str("title").ok_or(HttpError::new(400, "The form has no title."))?;
    let title = title.trim();
    match title.chars().count() {
        0 => Err(HttpError::new(422, "What is to be done? The title is empty.")),
        length if length > TITLE_MAX => {
            Err(HttpError::new(422, format!("A title has at most {TITLE_MAX} letters, this one {length}.")))
        }
        _ => Ok(title.to_owned()),
    }
}
