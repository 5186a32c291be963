//! A WebSocket that says back what it is told, and holds no thread while nothing is said:
//! `cargo run --release --example websocket-echo` with `--features ws`, then open http://localhost:8080.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::websocket::{
    Message, WebSocketEnd, WebSocketHandler, WebSocketOptions, WebSocketResult, WebSocketSender,
};
use anthill_http::{RequestCtx, Server};
use std::time::Duration;

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Echo</title>
<input id=text autofocus placeholder='say something'><pre id=heard></pre><script>
const socket = new WebSocket(`ws://${location.host}/echo`)
socket.onmessage = event => heard.textContent += event.data + '\\n'
socket.onclose = event => heard.textContent += `closed: ${event.code} ${event.reason}`
text.onchange = () => { socket.send(text.value); text.value = '' }
</script>";

fn main() {
    if let Err(error) = serve() {
        eprintln!("websocket-echo: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let options = WebSocketOptions::builder()
        .max_message_size(64 * 1024)
        .idle_timeout(Duration::from_secs(600))
        .build()?;
    let running = Server::new(move |ctx| answer(ctx, &options))?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM; sockets are closed with 1001 then
    Ok(())
}

fn answer(ctx: &mut RequestCtx, options: &WebSocketOptions) {
    match ctx.path() {
        "/" => ctx.success("text/html; charset=utf-8", PAGE),
        "/echo" => drop(ctx.upgrade_websocket_handler(options, Echo::default())),
        _ => ctx.not_found(),
    }
}

#[derive(Default)]
struct Echo {
    messages: u64,
}

impl WebSocketHandler for Echo {
    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        self.messages += 1;
        Ok(socket.send(message)?) // it may sleep, or ask a database, before it answers
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        println!("{} messages, then {end}", self.messages);
    }
}
