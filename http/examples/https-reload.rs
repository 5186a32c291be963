//! Certificates that become others while the server runs: when their files do, at SIGHUP, and by `POST /reload`.
//!
//! `ADDRESS`, `CERTIFICATE` and `KEY` are as in the example `https`, with `--features tls`:
//! `cargo run --release --example https-reload`. Put other files in the place of the two (certbot and Kubernetes do it
//! by a symbolic link), and whoever connects five seconds later at the latest is shown what is in them. When they do
//! not go together, or have expired, the last good ones stay, and the log says why; here that is written to standard
//! error.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::error::Error;
use std::process::ExitCode;

use anthill_http::{RequestCtx, Server, TlsConfig};

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("https-reload: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    log::set_logger(&ToStderr).map_err(|error| error.to_string())?;
    log::set_max_level(log::LevelFilter::Info);
    let variable = |name: &str, or: &str| env::var(name).unwrap_or_else(|_| or.to_owned());
    let tls = TlsConfig::from_files(variable("CERTIFICATE", "cert.pem"), variable("KEY", "key.pem"))?;
    let again = tls.clone();
    let server = Server::new(move |ctx: &mut RequestCtx| match (ctx.method(), ctx.path()) {
        ("POST", "/reload") => match again.reload() {
            Ok(()) => ctx.set_body("they are in use\n"),
            Err(error) => ctx.error(format!("the last good ones stay: {error}\n"), 500),
        },
        _ => ctx.set_body("hello\n"),
    })?;
    let running = server.start_tls(&*variable("ADDRESS", "localhost:8443"), &tls)?;
    println!("listening on https://{}", running.local_addr());
    running.run()?;
    Ok(())
}

/// What programs use a crate for.
struct ToStderr;

impl log::Log for ToStderr {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!("{}: {}", record.level(), record.args());
    }

    fn flush(&self) {}
}
