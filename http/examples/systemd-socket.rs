//! Serves sockets that systemd has opened: the port is privileged and the program is not, and while it starts again
//! clients wait.
//!
//! `/etc/systemd/system/hello.socket`:
//! ```text
//! [Socket]
//! ListenStream=80
//! ListenStream=/run/hello.sock
//! [Install]
//! WantedBy=sockets.target
//! ```
//! `/etc/systemd/system/hello.service`:
//! ```text
//! [Service]
//! Type=notify
//! ExecStart=/usr/local/bin/systemd-socket
//! DynamicUser=yes
//! ```
//! By hand: `systemd-socket-activate -l 8080 target/release/examples/systemd-socket`; by itself, with
//! `--features systemd`, `cargo run --release --example systemd-socket` says what is missing.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use anthill_http::Server;

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("systemd-socket: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let listeners = Server::inherited_listeners()?;
    let running = Server::new(|ctx| ctx.set_body("hello\n"))?.start_all(listeners)?;
    // `READY=1` has been told to systemd by now; on SIGTERM it is `STOPPING=1`.
    println!("listening on {}", running.local_addr());
    running.run()?;
    Ok(())
}
