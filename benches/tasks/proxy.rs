//! In front of another server: what our example of that name does, by axum and hyper's client.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// RFC 9110 section 7.6.1.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

#[derive(Clone)]
struct Upstream {
    client: Client<HttpConnector, Body>,
    authority: Authority,
}

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("proxy: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let upstream: Uri = variable("UPSTREAM", "http://localhost:3000").parse()?;
    let authority = upstream.authority().ok_or("the upstream has no host")?.clone();
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(2)));
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let router = Router::new()
        .route("/healthz", get(async || "the proxy is there\n"))
        .fallback(forward)
        .with_state(Upstream { client, authority });
    let listener = TcpListener::bind(variable("ADDRESS", "localhost:8080")).await?;
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

async fn forward(State(upstream): State<Upstream>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(upstream.authority).path_and_query(path).build();
    let Ok(uri) = uri else { return StatusCode::BAD_REQUEST.into_response() };
    *request.uri_mut() = uri;
    end_to_end(request.headers_mut());
    request.headers_mut().append(header::VIA, HeaderValue::from_static("1.1 edge"));
    // The head only: a body that stalls behind it is not noticed here.
    match timeout(Duration::from_secs(60), upstream.client.request(request)).await {
        Ok(Ok(response)) => {
            let mut response = response.map(Body::new);
            end_to_end(response.headers_mut());
            response.headers_mut().append(header::VIA, HeaderValue::from_static("1.1 edge"));
            response
        }
        Ok(Err(_)) => StatusCode::BAD_GATEWAY.into_response(),
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

fn end_to_end(headers: &mut HeaderMap) {
    let named: Vec<_> = headers.get_all(header::CONNECTION).iter().cloned().collect();
    let named = named.iter().filter_map(|names| names.to_str().ok()).flat_map(|names| names.split(','));
    for name in named.map(str::trim).chain(HOP_BY_HOP) {
        headers.remove(name);
    }
}
