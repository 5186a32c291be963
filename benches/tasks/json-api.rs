//! Ants as JSON, whose errors are JSON too: what our example of that name does, by axum.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Clone, Deserialize, Serialize)]
struct Ant {
    name: String,
    legs: u8,
}

#[derive(Deserialize)]
struct Wanted {
    name: Option<String>,
}

type Ants = Arc<Mutex<BTreeMap<u64, Ant>>>;

#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
struct Json<T>(T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
struct Path<T>(T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
struct Query<T>(T);

struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(status, detail) = self;
        let title = status.canonical_reason();
        let body =
            json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("json-api: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let nowhere = async || Problem(StatusCode::NOT_FOUND, "not here".to_owned());
    let wrong = async || Problem(StatusCode::METHOD_NOT_ALLOWED, "not by this method".to_owned());
    let router = Router::new()
        .route("/ants", get(list).post(add))
        .route("/ants/{id}", delete(remove))
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong)
        .with_state(Ants::default());
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

async fn list(State(ants): State<Ants>, Query(wanted): Query<Wanted>) -> axum::Json<BTreeMap<u64, Ant>> {
    let mut found = ants.lock().unwrap_or_else(PoisonError::into_inner).clone();
    found.retain(|_, ant| wanted.name.as_ref().is_none_or(|name| ant.name == *name));
    axum::Json(found)
}

async fn add(State(ants): State<Ants>, Json(ant): Json<Ant>) -> Result<Response, Problem> {
    if ant.legs != 6 {
        return Err(Problem(StatusCode::UNPROCESSABLE_ENTITY, "an ant has six legs".to_owned()));
    }
    let mut ants = ants.lock().unwrap_or_else(PoisonError::into_inner);
    let id = ants.last_key_value().map_or(1, |(last, _)| last + 1);
    let location = [(header::LOCATION, format!("/ants/{id}"))];
    Ok((StatusCode::CREATED, location, axum::Json(ants.entry(id).or_insert(ant).clone())).into_response())
}

async fn remove(State(ants): State<Ants>, Path(id): Path<u64>) -> Result<StatusCode, Problem> {
    let found = ants.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    let missing = || Problem(StatusCode::NOT_FOUND, "there is no such ant".to_owned());
    found.map(|_| StatusCode::NO_CONTENT).ok_or_else(missing)
}
