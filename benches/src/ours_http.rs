//! Our server, for the benchmarks: plain blocking handlers, nothing tuned but the number of shards.

use crate::http::LANES;
use crate::http::routes;
use anthill_http::{RequestCtx, Server};
use std::error::Error;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

pub(crate) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    Server::builder().shards(LANES).build(answer)?.serve(listener)?;
    Ok(())
}

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/" => ctx.set_body(routes::HELLO),
        routes::SLEEP => sleep(ctx),
        _ => ctx.not_found(),
    }
}

fn sleep(ctx: &mut RequestCtx) {
    let query = std::str::from_utf8(ctx.request.query()).unwrap_or_default();
    let Some(millis) = routes::millis(query) else {
        return ctx.error("the query is not ms=N", 400);
    };
    thread::sleep(Duration::from_millis(millis));
    ctx.set_body(millis.to_string());
}
