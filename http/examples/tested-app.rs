//! An application with its tests, which take no port and no time: `cargo run --release --example tested-app`, with
//! `--features cookies,testing`, and `cargo test -p anthill-http --example tested-app` with the same.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::{Duration, SystemTime};

use anthill_http::router::{RouterError, Routes};
use anthill_http::{Cookie, HttpError, RequestCtx, Router, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = Server::builder().build_router(app()?)?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM
}

fn app() -> Result<Routes, RouterError> {
    Router::new().post("/login", login).get("/", home).build()
}

fn login(ctx: &mut RequestCtx) {
    let now = ctx.time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let name = ctx.form_value_str("name").unwrap_or_default().into_owned();
    let session = format!("{name}.{}", now.as_secs() + 3600); // a real one is signed
    ctx.response.set_cookie(&Cookie::new("session", session));
    ctx.redirect("/", 303);
}

fn home(ctx: &mut RequestCtx) -> Result<(), HttpError> {
    let session = ctx.request.cookie_str("session").and_then(|text| text.rsplit_once('.'));
    let (name, until) = session.ok_or(HttpError::new(401, "log in"))?;
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(until.parse().unwrap_or(0));
    if ctx.time() >= until {
        return Err(HttpError::new(401, "log in again"));
    }
    ctx.set_body(format!("hello {name}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anthill_http::testing::{TestServer, answer, ctx};

    #[test]
    fn who_has_not_logged_in_is_told_so() {
        answer(&home, ctx("GET /")).assert_status(401).assert_text("log in");
    }

    #[test]
    fn a_session_lasts_for_an_hour() {
        let server = TestServer::router(app().expect("routes"));
        let ann = server.client().keep_cookies().follow_redirects(1);
        ann.post("/login").form([("name", "ann")]).send().assert_status(200).assert_text("hello ann");
        server.clock().advance(Duration::from_secs(3590));
        ann.get("/").send().assert_text("hello ann");
        server.clock().advance(Duration::from_secs(20));
        ann.get("/").send().assert_status(401).assert_text("log in again");
    }
}
