//! Many pages at once, each call a task of a pool: `cargo run --release --example parallel-fetch`, with
//! `--features client` and URLs behind it, `-- http://example.com/ http://example.org/`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::time::Duration;

use anthill_http::client::{CancelToken, Client, ClientError};
use anthill_pool::WorkerPool;

fn main() {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    if let Err(error) = fetch(&urls) {
        eprintln!("parallel-fetch: {error}");
        std::process::exit(1);
    }
}

fn fetch(urls: &[String]) -> Result<(), Box<dyn Error>> {
    // Eight calls at once, four of them to one host; the others wait for their turn.
    let pool = WorkerPool::builder().name("fetch").max_workers(8).queue_capacity(1024).build_tasks()?;
    let client = Client::builder()
        .max_conns(4)
        .conn_wait_timeout(Duration::from_secs(30))
        .timeout(Duration::from_secs(60))
        .build()?;
    // Cancelled, it ends all of them wherever they are: by Ctrl-C, or when one of them has what was looked for.
    let token = CancelToken::new();
    let calls = urls.iter().map(|url| {
        let (client, token, url) = (client.clone(), token.clone(), url.clone());
        pool.spawn(move || -> Result<usize, ClientError> {
            Ok(client.get(url).cancel_with(&token).send()?.read_body()?.len())
        })
    });
    let calls: Vec<_> = calls.collect::<Result<_, _>>()?;
    for (url, call) in urls.iter().zip(calls) {
        // A handle is a future, too: `call.await` in asynchronous code.
        match call.join()? {
            Ok(bytes) => println!("{url}: {bytes} bytes"),
            Err(error) => println!("{url}: {error}"),
        }
    }
    Ok(())
}
