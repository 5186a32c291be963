//! Notes in SQLite: what handlers share, and plain blocking calls. `cargo run --release --example state`, then
//! `curl -d 'buy milk' localhost:8080/notes`, `curl localhost:8080/notes`, `curl localhost:8080/notes/1`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::sync::{Mutex, PoisonError};

use anthill_http::{HttpError, RequestCtx, Server};
use rusqlite::{Connection, OptionalExtension};

type Error = Box<dyn std::error::Error + Send + Sync>; // an `HttpError` in it is answered as it says, the rest by 500

fn main() {
    if let Err(error) = serve() {
        eprintln!("state: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Error> {
    let variable = |name, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let notes = Connection::open(variable("DATABASE", "notes.db"))?;
    notes.execute_batch("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")?;
    // SQLite does one thing after the other in any case, so one connection behind a lock will do; for a database
    // elsewhere it would be a pool of them. Whoever waits for either does so on a thread of their own.
    let notes = Mutex::new(notes);
    let running = Server::builder()
        .build(move |ctx| answer(ctx, &notes.lock().unwrap_or_else(PoisonError::into_inner)))?
        .start(variable("ADDRESS", "localhost:8080"))?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM
}

fn answer(ctx: &mut RequestCtx, notes: &Connection) -> Result<(), Error> {
    let path = ctx.path().strip_prefix("/notes").ok_or(HttpError::new(404, "not here"))?;
    match (ctx.method(), path.strip_prefix('/')) {
        ("POST", None) => {
            let text = ctx.body_str().ok_or(HttpError::new(400, "a note is text in UTF-8"))?;
            notes.execute("INSERT INTO notes (text) VALUES (?1)", [text])?;
            ctx.redirect(format!("/notes/{}", notes.last_insert_rowid()), 303);
        }
        ("GET", None) => {
            let mut all = notes.prepare_cached("SELECT id, text FROM notes ORDER BY id")?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                ctx.append_body(format!("{}: {}\n", row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
            }
        }
        ("GET", Some(id)) => {
            let select = "SELECT text FROM notes WHERE id = ?1";
            let note = notes.query_row(select, [id], |row| row.get::<_, String>(0)).optional()?;
            ctx.set_body(note.ok_or(HttpError::new(404, "no such note"))?);
        }
        _ => return Err(HttpError::new(404, "not here").into()),
    }
    Ok(())
}
