//! fastwebsockets behind hyper, on one multi-thread runtime: a task for each connection, and a broadcast channel
//! between them. The bytes of a message are shared, and each connection writes a header of its own.

use super::{QUEUE, READY, RECEIVE};
use crate::http::LANES;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, WebSocketError};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::net::TcpListener;
use tokio::sync::broadcast::{Sender, channel};

pub(crate) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(LANES).enable_io().build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (all, _) = channel(QUEUE);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let all = all.clone();
            let answer = service_fn(move |request| {
                let all = all.clone();
                async move { open(request, all) }
            });
            tokio::spawn(async move {
                // An error is the end of that connection; the load generator notices one that was not its own doing.
                drop(
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .with_upgrades()
                        .await,
                );
            });
        }
    })
}

fn open(
    mut request: Request<Incoming>,
    all: Sender<Bytes>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let receives = request.uri().path() == RECEIVE;
    let (response, socket) = upgrade(&mut request)?;
    tokio::spawn(async move { drop(converse(socket, receives, all).await) });
    Ok(response)
}

async fn converse(
    socket: UpgradeFut,
    receives: bool,
    all: Sender<Bytes>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut socket = FragmentCollector::new(socket.await?);
    if !receives {
        loop {
            let frame = socket.read_frame().await?;
            if frame.opcode == OpCode::Close {
                return Ok(());
            }
            drop(all.send(Bytes::copy_from_slice(&frame.payload)));
        }
    }
    let mut messages = all.subscribe();
    socket.write_frame(Frame::text(Payload::Borrowed(READY.as_bytes()))).await?;
    loop {
        let message = messages.recv().await?;
        socket.write_frame(Frame::text(Payload::Borrowed(&message))).await?;
    }
}
