//! Behind a proxy that ends TLS (nginx, HAProxy, a cloud's): who the client is, and an end that the proxy hears of
//! before it comes. `cargo run --release --example behind-proxy`, then
//! ```sh
//! curl -H 'X-Forwarded-For: 192.0.2.1' -H 'X-Forwarded-Proto: https' -H 'X-Forwarded-Host: shop.example' \
//!     localhost:8080
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::Duration;

use anthill_http::{RequestCtx, Server};

fn main() {
    if let Err(error) = serve() {
        eprintln!("behind-proxy: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let server = Server::builder()
        // Who is believed. From others the same fields are what a client has made up.
        .trusted_proxies(variable("PROXIES", "127.0.0.1,::1").split(','))
        // Longer than the proxy keeps connections that rest (nginx: keepalive_timeout of its upstream, 60 s), so that
        // it sends no request into one that is just being closed.
        .idle_timeout(Duration::from_secs(75))
        // Longer than some of the proxy's checks: so long before the end `/readyz` is 503, and responses say that their
        // connections end, but everybody is served.
        .shutdown_delay(Duration::from_millis(variable("DELAY_MS", "5000").parse()?))
        .build(answer)?;
    let running = server.start(variable("ADDRESS", "localhost:8080"))?;
    for address in running.local_addrs() {
        println!("listening on http://{address}");
    }
    running.run()?; // until SIGTERM, the delay, and the last answer
    Ok(())
}

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/readyz" => ctx.set_status_code(if ctx.is_ready() { 200 } else { 503 }),
        // Sent as it is: the browser knows by which scheme and host it came.
        "/old" => ctx.redirect("/", 308),
        path => {
            let host = String::from_utf8_lossy(ctx.host());
            let seen = format!("{} asked for {}://{host}{path}\n", ctx.remote_addr().ip(), ctx.scheme());
            ctx.set_body(seen);
        }
    }
}
