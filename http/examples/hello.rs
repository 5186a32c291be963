//! The smallest server that says where it listens, or why it cannot: `cargo run --release --example hello`, then
//! `curl -i localhost:8080`.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use anthill_http::Server;

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // As other programs do it: with their name. An error that `main` returns is shown behind `Error: `.
            let _ = writeln!(io::stderr(), "hello: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let server = Server::new(|ctx| ctx.set_body("Hello, World!\n"))?;
    let running = server.start(address)?;
    for address in running.local_addrs() {
        writeln!(io::stdout(), "listening on http://{address}")?;
    }
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}
