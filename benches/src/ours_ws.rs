//! Our server with WebSockets, for the benchmarks: an event handler for each, and a group.

use crate::http::LANES;
use crate::ws::{QUEUE, READY, RECEIVE};
use anthill_http::websocket::{
    Message, WebSocketGroup, WebSocketHandler, WebSocketOptions, WebSocketResult, WebSocketSender,
};
use anthill_http::{RequestCtx, Server};
use std::error::Error;
use std::net::TcpListener;

pub(crate) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let options = WebSocketOptions::builder().queue(QUEUE).build()?;
    let all = WebSocketGroup::new();
    let open = move |ctx: &mut RequestCtx| {
        if ctx.path() == RECEIVE {
            ctx.upgrade_websocket_handler(&options, Receiver(all.clone()));
        } else {
            ctx.upgrade_websocket_handler(&options, Speaker(all.clone()));
        }
    };
    Server::builder().shards(LANES).build(open)?.serve(listener)?;
    Ok(())
}

struct Receiver(WebSocketGroup);

impl WebSocketHandler for Receiver {
    fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
        self.0.join(socket);
        Ok(socket.send(READY)?)
    }
}

struct Speaker(WebSocketGroup);

impl WebSocketHandler for Speaker {
    fn on_message(&mut self, _: &WebSocketSender, message: Message) -> WebSocketResult {
        self.0.send(message);
        Ok(())
    }
}
