//! Our server, for the benchmarks: plain blocking handlers, nothing tuned but the number of shards.

use crate::http::LANES;
use crate::http::routes::{self, Chore};
use anthill_http::{RequestCtx, Server, ServerBuilder};
use std::error::Error;
use std::net::TcpListener;

pub(crate) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    options().build(answer)?.serve(listener)?;
    Ok(())
}

/// What ours is told beyond its defaults, in all benchmarks alike.
fn options() -> ServerBuilder {
    // `http_idle` has 9,000 requests wait at once: a limit on how many may wait, or for how long, is to be raised here.
    Server::builder().shards(LANES)
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
