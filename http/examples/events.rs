//! A chat: `cargo run --release --example events`, then open http://localhost:8080 in some windows, or
//! `curl -N localhost:8080/events` and `curl -d hello localhost:8080/say`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use anthill_http::events::{Event, EventHub};
use anthill_http::{HttpError, RequestCtx, Server};

type Error = Box<dyn std::error::Error + Send + Sync>;

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Chat</title>
<form onsubmit=\"fetch('/say', {method: 'POST', body: text.value}); text.value = ''; return false\">
<input id=text autofocus placeholder='say something'></form><pre id=said></pre><script>
new EventSource('/events').onmessage = event => said.textContent = event.data + '\\n' + said.textContent
</script>";

fn main() {
    if let Err(error) = serve() {
        eprintln!("events: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Error> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let (hub, log) = (EventHub::new(), Mutex::new(VecDeque::new()));
    let running = Server::builder().build(move |ctx| answer(ctx, &hub, &log))?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM; streams end then, and browsers connect again
}

fn answer(ctx: &mut RequestCtx, hub: &EventHub, log: &Mutex<VecDeque<(u64, String)>>) -> Result<(), Error> {
    // Sending under the lock keeps the messages in the order of their numbers; it waits for no client.
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    match (ctx.method(), ctx.path()) {
        ("GET", "/") => ctx.success("text/html; charset=utf-8", PAGE),
        ("GET", "/events") => {
            let mut stream = hub.subscribe();
            let last = ctx.last_event_id().and_then(|id| id.parse().ok()).unwrap_or(u64::MAX);
            for (id, text) in log.iter().filter(|(id, _)| *id > last) {
                stream.send_first(Event::data(text).id(id.to_string()))?;
            }
            ctx.set_event_stream(stream);
        }
        ("POST", "/say") => {
            let text = ctx.body_str().ok_or(HttpError::new(400, "say it in UTF-8"))?.to_owned();
            let id = log.back().map_or(1, |(id, _)| id + 1);
            let heard = hub.send(Event::data(&text).id(id.to_string()))?;
            ctx.set_body(format!("{heard} heard it\n"));
            log.push_back((id, text));
            if log.len() > 100 {
                log.pop_front(); // so many are kept for those who lost their connection for a while
            }
        }
        _ => return Err(HttpError::new(404, "not here").into()),
    }
    Ok(())
}
