//! A login by form, a session in memory, a message that is shown once, a logout; forged requests are refused: what our
//! example of that name does, by axum and tower-sessions.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use axum::Router;
use axum::extract::{Form, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower_sessions::cookie::SameSite;
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, session};

const LOGIN: &str =
    "<form method=post action=/login><input name=user><input name=password type=password><button>Log in";

#[derive(Deserialize)]
struct Login {
    user: String,
    password: String,
}

struct Failure(session::Error);

impl From<session::Error> for Failure {
    fn from(error: session::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        eprintln!("sessions: {}", self.0);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("sessions: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let kept = SessionManagerLayer::new(MemoryStore::default()).with_same_site(SameSite::Lax);
    let router = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(kept)
        .layer(from_fn(same_site));
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).with_graceful_shutdown(ended()).await?)
}

async fn ended() {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn same_site(request: Request, next: Next) -> Response {
    let is_safe = request.method().is_safe() || is_of_this_site(request.headers());
    if is_safe {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "from another site").into_response()
    }
}

fn is_of_this_site(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    match (text(header::HeaderName::from_static("sec-fetch-site")), text(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) == text(header::HOST),
        (None, None) => true,
    }
}

async fn home(session: Session) -> Result<Html<String>, Failure> {
    let notice: String = session.remove("notice").await?.unwrap_or_default();
    let page = match session.get::<String>("user").await? {
        None => LOGIN.to_owned(),
        Some(user) => format!(
            "Hello, {}.<form method=post action=/logout><button>Log out",
            html_escape::encode_text(&user)
        ),
    };
    Ok(Html(format!("<!doctype html><title>Ants</title><p>{notice} {page}")))
}

async fn login(session: Session, Form(login): Form<Login>) -> Result<Redirect, Failure> {
    if login.password.as_bytes().ct_eq(b"open sesame").into() {
        session.cycle_id().await?; // a number that somebody has planted is worth nothing now
        session.insert("user", login.user).await?;
    } else {
        session.insert("notice", "That was not the password.").await?;
    }
    Ok(Redirect::to("/"))
}

async fn logout(session: Session) -> Result<Redirect, Failure> {
    session.flush().await?;
    Ok(Redirect::to("/"))
}
