//! On the sockets of a systemd unit: what our example of that name does, by axum.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use axum::Router;
use axum::routing::get;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("systemd-socket: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let listener = ListenFd::from_env().take_tcp_listener(0)?.ok_or("there are no sockets from systemd")?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    sd_notify::notify(&[NotifyState::Ready])?;
    println!("listening on {}", listener.local_addr()?);
    let router = Router::new().route("/", get(async || "hello\n"));
    Ok(axum::serve(listener, router).with_graceful_shutdown(ended()).await?)
}

async fn ended() {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}
