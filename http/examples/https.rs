//! HTTPS on one port, and a plain port beside it that leads there.
//!
//! `ADDRESS` is where HTTPS is served, `PLAIN` the plain port; `CERTIFICATE` and `KEY` are files of PEM, the server's
//! certificate first in its file. For a try:
//! `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
//!  -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem`, then, with `--features tls`,
//! `cargo run --release --example https` and `curl --cacert cert.pem https://localhost:8443/`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::error::Error;
use std::process::ExitCode;

use anthill_http::{HttpsRedirect, Listener, RequestCtx, Server, TlsConfig};

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("https: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let variable = |name: &str, or: &str| env::var(name).unwrap_or_else(|_| or.to_owned());
    let tls = TlsConfig::from_files(variable("CERTIFICATE", "cert.pem"), variable("KEY", "key.pem"))?;
    let encrypted = Server::listen(&*variable("ADDRESS", "localhost:8443"))?;
    let plain = Server::listen(&*variable("PLAIN", "localhost:8080"))?;

    let redirect = HttpsRedirect::new().port(encrypted.local_addr()?.port());
    let server = Server::builder().build_handler(redirect.before(hello))?;
    let running = server.start_all([Listener::from(encrypted).tls(&tls), Listener::from(plain)])?;
    println!("listening on https://{}", running.local_addr());
    println!("redirecting http://{}", running.local_addrs()[1]);
    running.run()?;
    Ok(())
}

fn hello(ctx: &mut RequestCtx) {
    let text = match ctx.tls() {
        Some(tls) => format!("hello by {}, {}\n", tls.version(), tls.cipher_suite()),
        None => "hello\n".to_owned(),
    };
    ctx.set_body(text);
}
