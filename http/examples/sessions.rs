//! A login by form, a session in memory, a message that is shown once, a logout; forged requests are refused.
//! `cargo run --release --example sessions` with `--features sessions`, then open http://localhost:8080; the password
//! is `open sesame`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::middleware::{CsrfPolicy, MemoryStore, SessionError, Sessions};
use anthill_http::middleware::{csrf, same_secret, sessions};
use anthill_http::{RequestCtx, Router, Server, html_escape};

const LOGIN: &str =
    "<form method=post action=/login><input name=user><input name=password type=password><button>Log in";

fn main() {
    if let Err(error) = serve() {
        eprintln!("sessions: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let kept = Sessions::builder(MemoryStore::new(100_000)).build()?;
    let router = Router::new()
        .wrap(|next| csrf(next, CsrfPolicy::new()))
        .wrap(|next| sessions(next, kept))
        .get("/", home)
        .post("/login", login)
        .post("/logout", |ctx: &mut RequestCtx| {
            ctx.redirect("/", 303);
            ctx.session().map(|session| session.end())
        });
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = Server::builder().build_router(router)?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM
}

fn home(ctx: &mut RequestCtx) -> Result<(), SessionError> {
    let session = ctx.session()?;
    let notice = session.take("notice").unwrap_or_default();
    let page = session.get("user").map_or(LOGIN.to_owned(), |user| {
        format!("Hello, {}.<form method=post action=/logout><button>Log out", html_escape(user))
    });
    ctx.success("text/html; charset=utf-8", format!("<!doctype html><title>Ants</title><p>{notice} {page}"));
    Ok(())
}

fn login(ctx: &mut RequestCtx) -> Result<(), SessionError> {
    let mut field = |name| ctx.form_value_str(name).map(|text| text.into_owned()).unwrap_or_default();
    let (user, password) = (field("user"), field("password"));
    let session = ctx.session()?;
    if same_secret(password, "open sesame") {
        session.renew(); // a number that somebody has planted is worth nothing now
        session.set("user", user);
    } else {
        session.set("notice", "That was not the password.");
    }
    ctx.redirect("/", 303);
    Ok(())
}
