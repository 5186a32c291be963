//! Messages that come back, encrypted: WebSockets over TLS. `cargo run --release --example secure-echo` with
//! `--features tls,ws`, and `CERTIFICATE` and `KEY`, then `wss://localhost:8443/echo`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::websocket::{WebSocket, WebSocketOptions, WebSocketResult};
use anthill_http::{RequestCtx, Router, Server, TlsConfig};

fn main() {
    if let Err(error) = serve() {
        eprintln!("secure-echo: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let tls = TlsConfig::from_files(variable("CERTIFICATE", "cert.pem"), variable("KEY", "key.pem"))?;
    let options = WebSocketOptions::builder().max_message_size(64 * 1024).build()?;
    let router = Router::with(options)
        .get("/", |ctx: &mut RequestCtx| ctx.set_body("hello, privately\n"))
        .get("/echo", |ctx: &mut RequestCtx, options: &WebSocketOptions| {
            ctx.upgrade_websocket(options, echo);
        });
    let running =
        Server::builder().build_router(router)?.start_tls(variable("ADDRESS", "localhost:8443"), &tls)?;
    println!("listening on https://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM; sockets are closed with 1001 then
}

fn echo(mut socket: WebSocket) -> WebSocketResult {
    while let Some(message) = socket.read()? {
        socket.send(message)?;
    }
    Ok(())
}
