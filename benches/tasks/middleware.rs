//! What is put around handlers: what our example of that name does, by axum, tower-http and tower_governor.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower::ServiceBuilder;
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;

const ID: HeaderName = HeaderName::from_static("x-request-id");

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("middleware: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let often = GovernorConfigBuilder::default().period(Duration::from_secs(6)).burst_size(10).finish();
    let often = GovernorLayer::new(Arc::new(often.ok_or("an impossible limit")?));
    let app =
        CorsLayer::new().allow_origin("https://app.example".parse::<HeaderValue>()?).expose_headers([ID]);
    let header = |name, value| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let api = Router::new()
        .route("/report", get(async || Json(json!({ "ants": 20000 }))))
        .route("/fail", get(fail))
        .layer(often)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(as_json))
        .layer(app);
    let router = Router::new()
        .route("/", get(async || Html("<h1>Hello</h1>")).layer(from_fn(etag)))
        .nest("/api", api)
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(as_page))
        .layer(
            ServiceBuilder::new()
                .layer(SetRequestIdLayer::new(ID, MakeRequestUuid))
                .layer(from_fn(log))
                .layer(PropagateRequestIdLayer::new(ID))
                .layer(header("x-content-type-options", "nosniff"))
                .layer(header("x-frame-options", "DENY"))
                .layer(header("referrer-policy", "strict-origin-when-cross-origin"))
                .layer(header("cross-origin-opener-policy", "same-origin"))
                .layer(header("cross-origin-resource-policy", "same-origin"))
                .layer(header("content-security-policy", "default-src 'self'; frame-ancestors 'none'")),
        );
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, router).with_graceful_shutdown(ended()).await?)
}

async fn ended() {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn fail() -> StatusCode {
    eprintln!("middleware: the queen is away");
    StatusCode::INTERNAL_SERVER_ERROR
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

async fn log(ConnectInfo(from): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    let (method, path, begun) = (request.method().clone(), request.uri().path().to_owned(), Instant::now());
    let id = request.headers().get(ID).and_then(|id| id.to_str().ok()).unwrap_or("none").to_owned();
    let response = next.run(request).await;
    let line = json!({
        "from": from.ip().to_string(), "method": method.as_str(), "path": path, "request": id,
        "status": response.status().as_u16(), "seconds": begun.elapsed().as_secs_f64(),
    });
    println!("{line}");
    response
}

async fn as_page(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !(response.status().is_client_error() || response.status().is_server_error()) || is_json {
        return response;
    }
    let status = response.status();
    (
        status,
        Html(format!("<h1>{}</h1><p>{}", status.as_u16(), status.canonical_reason().unwrap_or_default())),
    )
        .into_response()
}

async fn as_json(request: Request, next: Next) -> Response {
    let id = request.headers().get(ID).and_then(|id| id.to_str().ok()).unwrap_or("none").to_owned();
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let mut json = (status, Json(json!({ "status": status.as_u16(), "request": id }))).into_response();
    if let Some(after) = response.headers().get(header::RETRY_AFTER) {
        json.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    json
}

async fn etag(request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::IF_NONE_MATCH).cloned();
    let (mut head, body) = next.run(request).await.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let digest: String = Sha256::digest(&body).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = HeaderValue::from_str(&format!("\"{digest}\"")).expect("visible ASCII");
    if asked.is_some_and(|asked| asked == tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    head.headers.insert(header::ETAG, tag);
    Response::from_parts(head, Body::from(body))
}
