//! axum as its documentation has it: `axum::serve` on one multi-thread tokio runtime, with as many workers as lanes.

use super::LANES;
use super::routes::{self, Chore};
use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use axum::serve::ListenerExt;
use std::error::Error;
use std::net::TcpListener;
use tokio::task::spawn_blocking;

pub(super) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(LANES).enable_io().build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
            // Without it the answers are merely later, which the figures would show.
            let _ = stream.set_nodelay(true);
        });
        let routes = Router::new()
            .route("/", get(async || routes::HELLO))
            .route(routes::SLEEP, get(work))
            .route(routes::SPIN, get(work));
        Ok(axum::serve(listener, routes).await?)
    })
}

async fn work(uri: Uri) -> Result<String, StatusCode> {
    let chore = Chore::of(uri.path(), uri.query().unwrap_or_default()).ok_or(StatusCode::BAD_REQUEST)?;
    spawn_blocking(move || chore.run()).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
