//! Messages that come back, encrypted: what our example of that name does, by axum and axum-server.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::routing::get;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("secure-echo: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let tls =
        RustlsConfig::from_pem_file(variable("CERTIFICATE", "cert.pem"), variable("KEY", "key.pem")).await?;
    let (ends, end) = watch::channel(false);
    let router = Router::new()
        .route("/", get(async || "hello, privately\n"))
        .route("/echo", get(upgrade))
        .with_state(end);
    let listener = tokio::net::TcpListener::bind(variable("ADDRESS", "localhost:8443")).await?.into_std()?;
    println!("listening on https://{}", listener.local_addr()?);
    let handle: Handle<SocketAddr> = Handle::new();
    tokio::spawn(ended(ends, handle.clone()));
    Ok(axum_server::from_tcp_rustls(listener, tls)?.handle(handle).serve(router.into_make_service()).await?)
}

async fn ended(ends: watch::Sender<bool>, handle: Handle<SocketAddr>) {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    let _ = ends.send(true);
    handle.graceful_shutdown(Some(Duration::from_secs(25)));
}

async fn upgrade(State(end): State<watch::Receiver<bool>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(64 * 1024).on_upgrade(|socket| echo(socket, end))
}

async fn echo(mut socket: WebSocket, mut end: watch::Receiver<bool>) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            _ = end.changed() => {
                let frame = CloseFrame { code: close_code::AWAY, reason: "".into() };
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
        };
        match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {} // pings are answered by the library
            Some(Err(_)) | None => return,
        }
    }
}
