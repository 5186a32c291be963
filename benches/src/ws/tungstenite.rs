//! tokio-tungstenite on one multi-thread runtime: a task for each connection, and a broadcast channel between them, as
//! in its users' chats. Its messages share their bytes, and each connection writes a header of its own.

use super::{QUEUE, READY, RECEIVE};
use crate::http::LANES;
use futures_util::{SinkExt, StreamExt};
use std::error::Error;
use std::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::broadcast::{Sender, channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

pub(crate) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(LANES).enable_io().build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (all, _) = channel(QUEUE);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // An error is the end of that connection; the load generator notices one that was not its own doing.
            let all = all.clone();
            tokio::spawn(async move { drop(converse(stream, all).await) });
        }
    })
}

async fn converse(stream: TcpStream, all: Sender<Message>) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut receives = false;
    // The type of its own errors is large, and not ours to choose.
    #[allow(clippy::result_large_err)]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        receives = request.uri().path() == RECEIVE;
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, look).await?;
    if !receives {
        while let Some(message) = socket.next().await {
            drop(all.send(message?));
        }
        return Ok(());
    }
    let mut messages = all.subscribe();
    socket.send(Message::text(READY)).await?;
    loop {
        socket.send(messages.recv().await?).await?;
    }
}
