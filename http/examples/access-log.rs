//! A line for each request when its last byte was sent: `cargo run --release --example access-log`, then
//! `curl localhost:8080/users/7 localhost:8080/slow localhost:8080/missing`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::Duration;

use anthill_http::{AccessLog, RequestCtx, Server};

fn main() {
    if let Err(error) = serve() {
        eprintln!("access-log: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let server = Server::builder()
        // Or to a file, or in the forms of `AccessLog::common` and `AccessLog::json`.
        .access_log(AccessLog::combined(std::io::stdout()))
        // What the log's forms do not tell can be told here.
        .on_complete(|done| {
            if done.handled() > Duration::from_millis(200) {
                let (route, took) = (done.route().unwrap_or("?"), done.handled().as_millis());
                eprintln!("slow: {route} took {took} ms, waited {} us", done.waited().as_micros());
            }
        })
        .build(answer)?;
    let running = server.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}

fn answer(ctx: &mut RequestCtx) {
    let path = ctx.path().to_owned();
    if let Some(user) = path.strip_prefix("/users/") {
        ctx.set_route("/users/{id}"); // one name for many paths
        ctx.set_body(format!("user {user}\n"));
    } else if path == "/slow" {
        ctx.set_route("/slow");
        std::thread::sleep(Duration::from_millis(300));
        ctx.set_body("done\n");
    } else {
        ctx.not_found();
    }
}
