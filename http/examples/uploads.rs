//! Files that come by a form, of up to a gigabyte, and go in any parts: `cargo run --release --example uploads`, then
//! `curl -i -F file=@photo.jpg localhost:8080`, and what `Location` says, also with `curl -r 0-99`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anthill_http::files::Files;
use anthill_http::form::Form;
use anthill_http::router::Route;
use anthill_http::{RequestConfig, RequestCtx, Router, Server};

type Error = Box<dyn std::error::Error + Send + Sync>; // what is wrong with a form has its status in it

const BYTES_MAX: u64 = 1 << 30;

fn main() {
    if let Err(error) = serve() {
        eprintln!("uploads: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Error> {
    let folder = std::env::var_os("FOLDER").map_or("uploads".into(), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    // Read as it arrives, so that it is in memory at no time.
    let streamed = RequestConfig::new().stream_request_body(true).max_request_body_size(BYTES_MAX);
    // To be saved and not shown: a page or a picture of a stranger's may have a script in it, which would run as ours.
    let files = Files::builder(&folder).strip_prefix("/files").attachments("*");
    let files = files.sniff(false).nosniff(true).build()?;
    let router =
        Router::with(folder).route(Route::post("/", receive).config(streamed)).mount("/files", files);
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = Server::builder().build_router(router)?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM
}

fn receive(ctx: &mut RequestCtx, folder: &PathBuf) -> Result<(), Error> {
    // Written beside where it is to stay, so that it need not be copied.
    let form = ctx.form_with(&Form::options().max_body_bytes(BYTES_MAX).temp_dir(folder))?;
    let file = form.file("file")?;
    let name = name(file.file_name());
    let bytes = file.persist(folder.join(&name))?;
    ctx.set_status_code(201);
    ctx.response.set_header("Location", format!("/files/{name}"));
    ctx.set_body(format!("{bytes} bytes\n"));
    Ok(())
}

/// A name of our own; of the client's, a stranger's, no more than what kind of file it says it is.
fn name(theirs: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let kind = Path::new(theirs).extension().and_then(|kind| kind.to_str());
    let kind =
        kind.filter(|kind| kind.len() <= 8 && kind.bytes().all(|letter| letter.is_ascii_alphanumeric()));
    format!("{now:x}.{}", kind.unwrap_or("bin"))
}
