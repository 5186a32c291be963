//! axum as its documentation has it: `axum::serve` on one multi-thread tokio runtime, with as many workers as lanes.

use super::{LANES, routes};
use axum::Router;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::routing::get;
use axum::serve::ListenerExt;
use std::error::Error;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;
use tokio::task::spawn_blocking;

pub(super) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(LANES).enable_io().build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
            // Without it the answers are merely later, which the figures would show.
            let _ = stream.set_nodelay(true);
        });
        let routes = Router::new().route("/", get(async || routes::HELLO)).route(routes::SLEEP, get(sleep));
        Ok(axum::serve(listener, routes).await?)
    })
}

async fn sleep(RawQuery(query): RawQuery) -> Result<String, StatusCode> {
    let millis = query.as_deref().and_then(routes::millis).ok_or(StatusCode::BAD_REQUEST)?;
    let sleep = spawn_blocking(move || thread::sleep(Duration::from_millis(millis)));
    sleep.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(millis.to_string())
}
