//! A folder of pages for whoever knows a password, and a page for all: `cargo run --release --example basic-auth`, then
//! `curl -i localhost:8080/private`, `curl -u 'ann:open sesame' localhost:8080/private`. Behind plain HTTP everybody on
//! the way can read the password.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::middleware::{CsrfPolicy, basic_auth, csrf, same_secret};
use anthill_http::{RequestCtx, Router, Server};

fn main() {
    if let Err(error) = serve() {
        eprintln!("basic-auth: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let router = Router::new().get("/", |ctx: &mut RequestCtx| ctx.set_body("for all\n")).nest(
        "/private",
        |private| {
            private
                .wrap(|next| csrf(next, CsrfPolicy::new())) // browsers send a password along by themselves
                .wrap(|next| basic_auth(next, "the anthill", is_known))
                .get("/", hello)
        },
    );
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = Server::builder().build_router(router)?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM
}

/// Users of a real service have hashes of their passwords, such as argon2's, in a table.
fn is_known(user: &str, password: &str, _: &mut RequestCtx) -> bool {
    const USERS: [(&str, &str); 2] = [("ann", "open sesame"), ("bob", "correct horse")];
    // All are compared, so the time it takes tells nothing.
    USERS.iter().fold(false, |found, (name, secret)| {
        found | (same_secret(user, name) & same_secret(password, secret))
    })
}

fn hello(ctx: &mut RequestCtx) {
    let text = format!("hello {}\n", ctx.auth_user().unwrap_or("nobody"));
    ctx.set_body(text);
}
