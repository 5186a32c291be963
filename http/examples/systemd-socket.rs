//! Serves sockets that systemd has opened: the port is privileged and the program is not, and while it starts again clients wait.
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
//! By hand: `systemd-socket-activate -l 8080 target/debug/examples/systemd-socket`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use anthill_http::Server;

pub(crate) fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let listeners = Server::inherited_listeners()?;
    println!("serving {} sockets", listeners.len());
    let server = Server::new(|ctx| ctx.set_body("hello\n"))?;
    // Says `READY=1` to systemd, and on SIGTERM `STOPPING=1`.
    server.start_all(listeners)?.run()?;
    Ok(())
}
