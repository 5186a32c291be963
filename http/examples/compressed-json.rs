//! Compressed JSON, to clients that take it: `cargo run --release --example compressed-json`, then `curl --compressed
//! -i localhost:8080/cities`, `curl -i localhost:8080/cities`, `curl --compressed -N localhost:8080/feed` and `curl
//! --compressed -i localhost:8080/form`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;
use std::time::Duration;

use anthill_http::body::ContentCoding;
use anthill_http::{CompressPolicy, RequestCtx, Server, compress};

fn main() {
    if let Err(error) = serve() {
        eprintln!("compressed-json: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    // All codings that this program is made with, if nothing else is said. These are quick; what is small is left
    // alone.
    let policy = CompressPolicy::new().level(ContentCoding::Gzip, 4).min_bytes(500);
    let server = Server::builder().build_handler(compress(answer, policy))?;
    let running = server.start(address)?;
    println!("listening on http://{}", running.local_addr());
    running.run()?; // until Ctrl-C or SIGTERM
    Ok(())
}

fn answer(ctx: &mut RequestCtx) {
    ctx.set_content_type("application/json");
    match ctx.path() {
        "/cities" => {
            let cities = (1..=2000)
                .map(|id| format!("{{\"id\":{id},\"name\":\"city {id}\",\"country\":\"somewhere\"}}"));
            let body = format!("[{}]", cities.collect::<Vec<_>>().join(","));
            ctx.response.set_header("ETag", "\"cities-1\""); // weak when it is compressed
            ctx.set_body(body);
        }
        // Each line is with the client when it is flushed, compressed or not.
        "/feed" => ctx.response.set_body_writer(|out| {
            for number in 1..=5 {
                writeln!(out, "{{\"number\":{number}}}")?;
                out.flush()?;
                std::thread::sleep(Duration::from_millis(200));
            }
            Ok(())
        }),
        // A secret beside what the client has sent: compressed, its length would tell of it. The field is not sent.
        "/form" => {
            ctx.response.set_content_encoding("identity");
            let said = ctx.query_arg_str("said").unwrap_or_default().escape_default().to_string();
            ctx.set_body(format!("{{\"token\":\"{}\",\"said\":\"{said}\"}}", "8d777f38".repeat(100)));
        }
        _ => ctx.error("try /cities, /feed or /form\n", 404),
    }
}
