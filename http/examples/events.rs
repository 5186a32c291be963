//! A chat: `cargo run --release --example events`, then open http://localhost:8080 in some windows, or
//! `curl -N localhost:8080/events` and `curl -d hello localhost:8080/say`.
#![allow(clippy::print_stdout)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anthill_http::events::{Event, EventHub};
use anthill_http::{HttpError, Server};

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Chat</title>
<form onsubmit=\"fetch('/say', {method: 'POST', body: text.value}); text.value = ''; return false\">
<input id=text autofocus placeholder='say something'></form><pre id=said></pre>
<script>
new EventSource('/events').onmessage = event => said.textContent = event.data + '\\n' + said.textContent
</script>";

/// So many messages are kept for those who lost their connection for a while.
const KEPT: usize = 100;

/// What was said last, and the number of the next message.
#[derive(Default)]
struct Log {
    messages: VecDeque<(u64, String)>,
    next: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (hub, log) = (EventHub::new(), Arc::new(Mutex::new(Log::default())));
    let server = Server::builder().build(move |ctx| {
        // Sending under the lock keeps the messages in the order of their numbers; it waits for no client.
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        match (ctx.method(), ctx.path()) {
            ("GET", "/") => ctx.success("text/html; charset=utf-8", PAGE),
            ("GET", "/events") => {
                let mut stream = hub.subscribe();
                if let Some(last) = ctx.last_event_id().and_then(|id| id.parse::<u64>().ok()) {
                    for (id, text) in log.messages.iter().filter(|(id, _)| *id > last) {
                        stream.send_first(Event::data(text).id(id.to_string())).map_err(internal)?;
                    }
                }
                ctx.set_event_stream(stream);
            }
            ("POST", "/say") => {
                let text = ctx.body_str().ok_or(HttpError::new(400, "say it in UTF-8"))?.to_owned();
                let id = log.next;
                log.next += 1;
                let heard = hub.send(Event::data(&text).id(id.to_string())).map_err(internal)?;
                log.messages.push_back((id, text));
                if log.messages.len() > KEPT {
                    log.messages.pop_front();
                }
                ctx.set_body(format!("{heard} heard it\n"));
            }
            _ => return Err(HttpError::new(404, "not here")),
        }
        Ok(())
    })?;
    let running = server.start("localhost:8080")?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM; streams end then, and browsers connect again
    Ok(())
}

fn internal(error: impl std::fmt::Display) -> HttpError {
    HttpError::new(500, error.to_string())
}
