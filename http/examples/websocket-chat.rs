//! A chat by WebSocket: `cargo run --release --example websocket-chat` with `--features ws`, then open
//! http://localhost:8080 in some windows.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::websocket::{Message, WebSocketEnd, WebSocketGroup, WebSocketHandler};
use anthill_http::websocket::{WebSocketOptions, WebSocketResult, WebSocketSender};
use anthill_http::{RequestCtx, Server};

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Chat</title>
<input id=text autofocus placeholder='say something'><pre id=said></pre><script>
const socket = new WebSocket(`ws://${location.host}/chat?name=${prompt('Who are you?')}`)
socket.onmessage = event => said.textContent = event.data + '\\n' + said.textContent
text.onchange = () => { socket.send(text.value); text.value = '' }
</script>";

fn main() {
    if let Err(error) = serve() {
        eprintln!("websocket-chat: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let (options, everybody) = (WebSocketOptions::default(), WebSocketGroup::new());
    let running = Server::new(move |ctx| answer(ctx, &options, &everybody))?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?)
}

fn answer(ctx: &mut RequestCtx, options: &WebSocketOptions, everybody: &WebSocketGroup) {
    let name = ctx.query_arg("name").map(|name| String::from_utf8_lossy(&name).into_owned());
    match ctx.path() {
        "/" => ctx.success("text/html; charset=utf-8", PAGE),
        "/chat" => {
            let guest = Guest(name.unwrap_or("somebody".to_owned()), everybody.clone());
            ctx.upgrade_websocket_handler(options, guest);
        }
        _ => ctx.not_found(),
    }
}

struct Guest(String, WebSocketGroup);

impl WebSocketHandler for Guest {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        self.1.send(format!("{} has come", self.0));
        self.1.join(socket);
        Ok(())
    }

    fn on_message(&mut self, _: &WebSocketSender, message: Message) -> WebSocketResult {
        self.1.send(format!("{}: {}", self.0, message.as_text().unwrap_or("(bytes)")));
        Ok(())
    }

    fn on_close(&mut self, _: &WebSocketEnd) {
        self.1.send(format!("{} has gone", self.0)); // who has gone is no member any more
    }
}
