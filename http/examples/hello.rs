//! The smallest server: `cargo run --release --example hello`, then `curl -i localhost:8080`.

fn main() -> std::io::Result<()> {
    anthill_http::run("localhost:8080", |ctx| ctx.set_body("Hello, World!\n")) // until Ctrl-C or SIGTERM
}
