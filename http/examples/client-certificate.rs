//! Clients that show certificates: some paths are for those alone, and what they have shown is seen.
//!
//! `ADDRESS`, `CERTIFICATE` and `KEY` are as in the example `https`; `CLIENTS` is a file of PEM with the authorities
//! whose certificates are good. With `--features tls`: `cargo run --release --example client-certificate`, then
//! `curl --cacert cert.pem --cert me.pem --key me.key https://localhost:8443/members`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::error::Error;
use std::process::ExitCode;

use anthill_http::{ClientAuth, HttpError, RequestCtx, Server, TlsConfig};

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client-certificate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let variable = |name: &str, or: &str| env::var(name).unwrap_or_else(|_| or.to_owned());
    let tls = TlsConfig::builder()
        .certificate(variable("CERTIFICATE", "cert.pem"), variable("KEY", "key.pem"))
        .client_ca(variable("CLIENTS", "clients.pem"))
        // Who shows none is let in, and stands before closed doors.
        .client_auth(ClientAuth::Optional)
        .build()?;
    let running = Server::new(answer)?.start_tls(&*variable("ADDRESS", "localhost:8443"), &tls)?;
    println!("listening on https://{}", running.local_addr());
    running.run()?;
    Ok(())
}

fn answer(ctx: &mut RequestCtx) -> Result<(), HttpError> {
    let shown = ctx.tls().and_then(|tls| tls.peer_certificates().next());
    // In DER: a crate that reads X.509 finds its names.
    let text = match (ctx.path(), shown) {
        ("/members", Some(certificate)) => format!("you have shown {} bytes\n", certificate.len()),
        ("/members", None) => return Err(HttpError::new(403, "members show a certificate\n")),
        (_, shown) => {
            format!("you have shown {}\n", if shown.is_some() { "a certificate" } else { "nothing" })
        }
    };
    ctx.set_body(text);
    Ok(())
}
