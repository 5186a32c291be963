//! An application with its tests: what our example of that name does, by axum and axum-test.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::SystemTime;

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// What time it is, which a test moves.
type Clock = fn() -> SystemTime;

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app(SystemTime::now)).with_graceful_shutdown(ended()).await?)
}

async fn ended() {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn app(clock: Clock) -> Router {
    Router::new().route("/login", post(login)).route("/", get(home)).with_state(clock)
}

fn seconds(clock: Clock) -> u64 {
    clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

async fn login(State(clock): State<Clock>, Form(Login { name }): Form<Login>) -> Response {
    let session = format!("session={name}.{}", seconds(clock) + 3600); // a real one is signed
    ([(header::SET_COOKIE, session)], Redirect::to("/")).into_response()
}

async fn home(State(clock): State<Clock>, cookies: CookieJar) -> Result<String, (StatusCode, &'static str)> {
    let session = cookies.get("session").and_then(|cookie| cookie.value().rsplit_once('.'));
    let (name, until) = session.ok_or((StatusCode::UNAUTHORIZED, "log in"))?;
    if seconds(clock) >= until.parse().unwrap_or(0) {
        return Err((StatusCode::UNAUTHORIZED, "log in again"));
    }
    Ok(format!("hello {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum_test::TestServer;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    static AHEAD: AtomicU64 = AtomicU64::new(0);

    fn ahead() -> SystemTime {
        SystemTime::now() + Duration::from_secs(AHEAD.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn who_has_not_logged_in_is_told_so() {
        let server = TestServer::new(app(SystemTime::now));
        let answer = server.get("/").await;
        answer.assert_status(StatusCode::UNAUTHORIZED);
        answer.assert_text("log in");
    }

    #[tokio::test]
    async fn a_session_lasts_for_an_hour() {
        let server = TestServer::builder().save_cookies().build(app(ahead));
        server.post("/login").form(&[("name", "ann")]).await.assert_status_see_other();
        server.get("/").await.assert_text("hello ann");
        AHEAD.store(3590, Ordering::Relaxed);
        server.get("/").await.assert_text("hello ann");
        AHEAD.store(3610, Ordering::Relaxed);
        let answer = server.get("/").await;
        answer.assert_status(StatusCode::UNAUTHORIZED);
        answer.assert_text("log in again");
    }
}
