//! Behind a proxy on the same machine, by a Unix socket: `cargo run --release --example unix-socket`, then
//! `curl --unix-socket anthill.sock http://localhost/`. For nginx: `proxy_pass http://unix:/path/to/anthill.sock;`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anthill_http::{RequestCtx, Server};

fn main() {
    if let Err(error) = serve() {
        eprintln!("unix-socket: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::var("SOCKET").unwrap_or("anthill.sock".to_owned());
    // This user and this group may connect; `UnixAccess` can name others. What a dead server has left behind at the
    // path is replaced, a living one's socket and other files are not, and at the end the file is removed.
    let socket = Server::listen_unix(&path, 0o660)?;
    let server = Server::builder()
        .trusted_proxies(["unix"]) // whoever may connect is a proxy of ours: what it says of clients is believed
        .build(answer)?;
    let running = server.start_unix(socket)?;
    println!("listening on {path}");
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}

fn answer(ctx: &mut RequestCtx) {
    let client = ctx.remote_addr().ip(); // 0.0.0.0 when nobody said who it is
    let by = match ctx.peer_credentials() {
        Some(peer) => format!("user {}", peer.uid()),
        None => "somebody".to_owned(), // not every system tells
    };
    ctx.set_body(format!("{client} came by {by}\n"));
}
