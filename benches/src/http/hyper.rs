//! hyper 1.x with a current-thread tokio runtime per lane: no work stealing and no shared queue, which is the fastest
//! set-up it has for connections of equal weight.

use super::routes::{self, Chore};
use super::{LANES, spread};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::thread;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

pub(super) fn serve(listener: &TcpListener) -> Result<(), Box<dyn Error>> {
    let mut lanes = Vec::new();
    for _ in 0..LANES {
        let (give, given) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        thread::spawn(move || LocalSet::new().block_on(&runtime, drive(given)));
        lanes.push(move |stream| assert!(give.send(stream).is_ok(), "a lane of the hyper server has ended"));
    }
    match spread::accept_in_turn(listener, &lanes)? {}
}

async fn drive(mut given: UnboundedReceiver<TcpStream>) {
    while let Some(stream) = given.recv().await {
        let stream =
            tokio::net::TcpStream::from_std(stream).expect("the lane's runtime takes the connection");
        spawn_local(async move {
            let mut protocol = hyper::server::conn::http1::Builder::new();
            // Pipelined answers leave in one write, as with the others.
            protocol.pipeline_flush(true);
            // An error is the end of that connection; the load generator notices one that was not its own doing.
            let _ = protocol.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let uri = request.uri();
    let body = match uri.path() {
        "/" => Bytes::from_static(routes::HELLO.as_bytes()),
        path => match Chore::of(path, uri.query().unwrap_or_default()) {
            Some(chore) => {
                let work = spawn_blocking(move || chore.run());
                Bytes::from(work.await.expect("what there is to do does not panic"))
            }
            None => return Ok(without_body(StatusCode::NOT_FOUND)),
        },
    };
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(routes::CONTENT_TYPE));
    Ok(response)
}

fn without_body(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
