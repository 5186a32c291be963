//! Another protocol on a connection: `cargo run --release --example hijack`, then
//! `curl -T. -N -H 'Connection: Upgrade' -H 'Upgrade: echo' localhost:8080/echo`, and whatever is typed comes back.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;

use anthill_http::{HijackedConn, RequestCtx, Server};

fn main() {
    if let Err(error) = serve() {
        eprintln!("hijack: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = Server::builder().max_hijacked_conns(100).build(answer)?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // a shutdown waits for those who talk, and cuts them off when its time is up
    Ok(())
}

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        // A client that does not ask for this protocol is told so, by a 426.
        "/echo" => {
            ctx.upgrade("echo", |conn| {
                if let Err(error) = converse(&conn) {
                    println!("{:?} has gone: {error}", conn.remote_addr());
                }
            });
        }
        _ => ctx.not_found(),
    }
}

/// Says line by line what the client says.
fn converse(mut conn: &HijackedConn) -> io::Result<()> {
    // When the server stops the client is told, and what it says then is read no more.
    let ending = conn.try_clone()?;
    ending.set_write_timeout(Duration::from_secs(1))?; // nobody else waits for a client that takes nothing
    let _hook = conn.stop_signal().on_stop(move || {
        let _ = (&ending).write_all(b"the server ends\n").and_then(|()| ending.shutdown_write());
        ending.close();
    });
    for line in BufReader::new(conn).lines() {
        writeln!(conn, "{}", line?)?;
    }
    Ok(())
}
