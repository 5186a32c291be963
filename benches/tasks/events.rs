//! A chat by server-sent events: what our example of that name does, by axum.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Html;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::BroadcastStream;

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Chat</title>
<form onsubmit=\"fetch('/say', {method: 'POST', body: text.value}); text.value = ''; return false\">
<input id=text autofocus placeholder='say something'></form><pre id=said></pre><script>
new EventSource('/events').onmessage = event => said.textContent = event.data + '\\n' + said.textContent
</script>";

#[derive(Clone)]
struct Chat {
    hub: broadcast::Sender<(u64, String)>,
    log: Arc<Mutex<VecDeque<(u64, String)>>>,
    end: watch::Receiver<bool>,
}

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("events: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let (ends, end) = watch::channel(false);
    let chat = Chat { hub: broadcast::channel(64).0, log: Arc::default(), end };
    let router = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/events", get(events))
        .route("/say", post(say))
        .with_state(chat);
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).with_graceful_shutdown(ended(ends)).await?)
}

// Streams have to be told, or the server waits for them for ever.
async fn ended(ends: watch::Sender<bool>) {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    let _ = ends.send(true);
}

async fn events(
    State(mut chat): State<Chat>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let last = last.unwrap_or(u64::MAX);
    // Under the lock, so that nothing is missed between the log and the stream, and nothing comes twice.
    let (missed, stream) = {
        let log = chat.log.lock().unwrap_or_else(PoisonError::into_inner);
        let missed: Vec<_> = log.iter().filter(|(id, _)| *id > last).cloned().collect();
        (missed, BroadcastStream::new(chat.hub.subscribe()))
    };
    let stream = stream::iter(missed).chain(stream.filter_map(async |said| said.ok()));
    let stream = stream.map(|(id, text)| Ok(Event::default().id(id.to_string()).data(text)));
    let end = async move { drop(chat.end.wait_for(|is_over| *is_over).await) };
    Sse::new(stream.take_until(end)).keep_alive(KeepAlive::default())
}

async fn say(State(chat): State<Chat>, text: String) -> String {
    let mut log = chat.log.lock().unwrap_or_else(PoisonError::into_inner);
    let id = log.back().map_or(1, |(id, _)| id + 1);
    let heard = chat.hub.send((id, text.clone())).unwrap_or(0);
    log.push_back((id, text));
    if log.len() > 100 {
        log.pop_front();
    }
    format!("{heard} heard it\n")
}
