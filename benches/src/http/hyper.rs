//! hyper 1.x with a current-thread tokio runtime per lane: no work stealing and no shared queue, which is the fastest
//! set-up it has for connections of equal weight. With certificates its streams are those of tokio-rustls, with
//! tickets as rustls recommends them.

use super::routes::{self, Chore};
use super::{LANES, certificate, compressing, spread};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::{LocalSet, spawn_blocking, spawn_local};
use tokio_rustls::TlsAcceptor;
use tower_http::compression::Compression;
use tower_http::services::ServeDir;
use tower_service::Service;

pub(super) fn serve(listener: &TcpListener, acceptor: Option<TlsAcceptor>) -> Result<(), Box<dyn Error>> {
    in_lanes(listener, move |stream| {
        let acceptor = acceptor.clone();
        async move {
            match acceptor {
                None => speak(stream).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        speak(stream).await;
                    }
                }
            }
        }
    })
}

/// The files of a folder, as tower-http serves them.
pub(super) fn serve_files(listener: &TcpListener, root: &Path) -> Result<(), Box<dyn Error>> {
    let files = ServeDir::new(root);
    in_lanes(listener, move |stream| {
        let files = files.clone();
        let answer = service_fn(move |request| {
            let mut files = files.clone();
            async move { files.try_call(request).await }
        });
        async move {
            // As below.
            let _ = protocol().serve_connection(TokioIo::new(stream), answer).await;
        }
    })
}

/// Bodies that are compressed for each request, as tower-http does it.
pub(super) fn serve_compressing(listener: &TcpListener, root: &Path) -> Result<(), Box<dyn Error>> {
    let bodies = compressing::bodies(root)?.into_iter().map(|(path, body)| (path, Bytes::from(body)));
    let service = Compression::new(BodyService(Arc::new(bodies.collect())));
    in_lanes(listener, move |stream| {
        let service = service.clone();
        let answer = service_fn(move |request| service.clone().call(request));
        async move {
            // As below.
            let _ = protocol().serve_connection(TokioIo::new(stream), answer).await;
        }
    })
}

/// Answers with bodies by their paths.
#[derive(Debug, Clone)]
struct BodyService(Arc<HashMap<String, Bytes>>);

impl Service<Request<Incoming>> for BodyService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        ready(Ok(match self.0.get(request.uri().path()) {
            Some(body) => {
                let mut response = Response::new(Full::new(body.clone()));
                let kind = HeaderValue::from_static(compressing::CONTENT_TYPE);
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
            None => without_body(StatusCode::NOT_FOUND),
        }))
    }
}

/// Deals connections out to the lanes; each is a task of its own.
fn in_lanes<F: Future<Output = ()> + 'static>(
    listener: &TcpListener,
    converse: impl Fn(TcpStream) -> F + Clone + Send + 'static,
) -> Result<(), Box<dyn Error>> {
    let mut lanes = Vec::new();
    for _ in 0..LANES {
        let (give, mut given) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let converse = converse.clone();
        let drive = async move {
            while let Some(stream) = given.recv().await {
                let stream = TcpStream::from_std(stream).expect("the lane's runtime takes the connection");
                spawn_local(converse(stream));
            }
        };
        thread::spawn(move || LocalSet::new().block_on(&runtime, drive));
        lanes.push(move |stream| assert!(give.send(stream).is_ok(), "a lane of the hyper server has ended"));
    }
    match spread::accept_in_turn(listener, &lanes)? {}
}

/// What encrypts connections.
pub(super) fn acceptor() -> Result<TlsAcceptor, Box<dyn Error>> {
    let (certificate, key) = certificate::make()?;
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
    let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin) {
    // An error is the end of that connection; the load generator notices one that was not its own doing.
    let _ = protocol().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

fn protocol() -> http1::Builder {
    let mut protocol = http1::Builder::new();
    // Pipelined answers leave in one write, as with the others.
    protocol.pipeline_flush(true);
    protocol
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
