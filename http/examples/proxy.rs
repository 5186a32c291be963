//! A reverse proxy, and a page of its own: `cargo run --release --example proxy`, with `--features client`. `UPSTREAM`
//! is where the others are, `http://localhost:3000`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::Duration;

use anthill_http::Server;
use anthill_http::client::{Client, ReverseProxy};

fn main() {
    if let Err(error) = serve() {
        eprintln!("proxy: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let client = Client::builder()
        .connect_timeout(Duration::from_secs(2)) // 504 behind that
        .read_timeout(Duration::from_secs(60)) // a silence; a download may take longer
        .build()?;
    let app = ReverseProxy::new(client, &variable("UPSTREAM", "http://localhost:3000"))?.via("edge");
    let server = Server::builder()
        .stream_request_body(true) // uploads pass as they come, and are not bound here
        .build(move |ctx| match ctx.path() {
            "/healthz" => {
                ctx.set_body("the proxy is there\n");
                Ok(())
            }
            _ => app.forward(ctx),
        })?;
    let running = server.start(variable("ADDRESS", "localhost:8080"))?;
    for address in running.local_addrs() {
        println!("listening on http://{address}");
    }
    running.run()?; // until Ctrl-C or SIGTERM, and the last answer
    Ok(())
}
