//! hyper 1.x without a runtime: its futures never wait here, so they are polled until they are done.

use super::{Connection, HELLO, Job, Protocol, Task, count_handled};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, SERVER};
use hyper::rt::ReadBufCursor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// hyper's HTTP/1 server.
#[derive(Debug)]
pub struct Hyper {
    job: Job,
    protocol: http1::Builder,
}

impl Protocol for Hyper {
    const ANSWERS: bool = true;

    fn start(job: Job) -> Self {
        let mut protocol = http1::Builder::new();
        // Pipelined answers leave in one write, as with the others.
        protocol.pipeline_flush(true);
        // The end comes right behind the last request, which is no reason not to answer it.
        protocol.half_close(true);
        Self { job, protocol }
    }

    fn serve(&self, connection: Connection) {
        let job = self.job;
        let service = service_fn(move |request| answer(request, job));
        let mut serving = pin!(self.protocol.serve_connection(connection, service));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            // It is pending when it has been polled for long, and wants its turn again.
            if let Poll::Ready(served) = serving.as_mut().poll(&mut context) {
                return served.expect("nothing but requests");
            }
        }
    }
}

async fn answer(request: Request<Incoming>, job: Job) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match job.task {
        Task::Greet => {
            assert_eq!(request.method(), Method::GET);
            Bytes::from_static(HELLO.as_bytes())
        }
        Task::Echo => {
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(body, HELLO.as_bytes());
            body
        }
        Task::Measure(bytes) => {
            let mut body = request.into_body();
            let mut length = 0;
            while let Some(frame) = body.frame().await {
                length += frame.expect("a body").data_ref().map_or(0, Bytes::len);
            }
            assert_eq!(length, bytes);
            Bytes::new()
        }
    };
    let is_empty = body.is_empty();
    let mut response = Response::new(Full::new(body));
    let fields = response.headers_mut();
    if !is_empty {
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    // The others send their name too.
    fields.insert(SERVER, HeaderValue::from_static("anthill"));
    if job.closes() {
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    count_handled();
    Ok(response)
}

impl hyper::rt::Read for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut room: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.read_into(room.remaining(), |piece| room.put_slice(piece));
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Connection {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(io::Write::write(&mut *self, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(io::Write::write_vectored(&mut *self, slices))
    }
}
