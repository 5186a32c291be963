//! Our server, for the benchmarks: plain blocking handlers, nothing tuned but the number of shards.

use crate::clients;
use crate::http::routes::{self, Chore};
use crate::http::{LANES, certificate, compressing};
use anthill_http::files::Files;
use anthill_http::{CompressPolicy, Listener, RequestCtx, Server, ServerBuilder, TlsConfig, compress};
use std::collections::HashMap;
use std::error::Error;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    options().build(answer)?.serve(listener)?;
    Ok(())
}

/// The same, encrypted.
pub(crate) fn serve_tls(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let (certificate, key) = certificate::make()?;
    let config = TlsConfig::from_pem(certificate, key)?;
    options().build(answer)?.serve(Listener::from(listener).tls(&config))?;
    Ok(())
}

/// The files of a folder.
pub(crate) fn serve_files(listener: TcpListener, root: &Path) -> Result<(), Box<dyn Error>> {
    options().build_handler(Files::builder(root).build()?)?.serve(listener)?;
    Ok(())
}

/// Bodies that are compressed for each request.
pub(crate) fn serve_compressing(listener: TcpListener, root: &Path) -> Result<(), Box<dyn Error>> {
    let bodies: HashMap<String, Arc<[u8]>> =
        compressing::bodies(root)?.into_iter().map(|(path, body)| (path, body.into())).collect();
    let answer = move |ctx: &mut RequestCtx| match bodies.get(ctx.path()) {
        Some(body) => {
            ctx.set_content_type(compressing::CONTENT_TYPE);
            ctx.response.set_body_shared(body.clone());
        }
        None => ctx.not_found(),
    };
    options().build_handler(compress(answer, CompressPolicy::new()))?.serve(listener)?;
    Ok(())
}

/// What clients ask for that are compared.
pub(crate) fn serve_clients(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let large: Arc<[u8]> = clients::large().into();
    let answer = move |ctx: &mut RequestCtx| match ctx.path() {
        clients::TEXT => ctx.set_body(clients::WORD),
        clients::BODY if ctx.body().is_empty() => ctx.response.set_body_shared(large.clone()),
        clients::BODY if *ctx.body() == *large => ctx.set_body(clients::WORD),
        _ => ctx.error("that is not what was to come", 400),
    };
    options().build(answer)?.serve(listener)?;
    Ok(())
}

/// What ours is told beyond its defaults, in all benchmarks alike.
fn options() -> ServerBuilder {
    // `http_idle` has 9,000 requests wait at once.
    Server::builder().shards(LANES).max_waiting_requests(16_384)
}

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/" => ctx.set_body(routes::HELLO),
        _ => work(ctx),
    }
}

fn work(ctx: &mut RequestCtx) {
    let query = std::str::from_utf8(ctx.request.query()).unwrap_or_default();
    match Chore::of(ctx.path(), query) {
        Some(chore) => ctx.set_body(chore.run()),
        None => ctx.not_found(),
    }
}
