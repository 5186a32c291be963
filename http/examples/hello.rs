//! The smallest server: `cargo run --release --example hello`, then `curl -i localhost:8080`.
#![allow(clippy::print_stdout)]

fn main() -> std::io::Result<()> {
    println!("listening on http://localhost:8080");
    anthill_http::listen_and_serve("localhost:8080", |ctx| ctx.set_body("Hello, World!\n"))
}
