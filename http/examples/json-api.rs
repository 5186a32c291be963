//! Ants as JSON, whose errors are JSON too: `cargo run --release --example json-api`, then
//! `curl -i localhost:8080/ants --json '{"name": "Anna", "legs": 6}'`, `curl -i 'localhost:8080/ants?name=Anna'`,
//! `curl -i localhost:8080/ants/1 -X DELETE`; and what is wrong: `--json '{"name": 7}'`, `/ants/x`, `/none`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anthill_http::{Problem, RequestCtx, Router, Server, error_body};
use serde::{Deserialize, Serialize};

#[derive(Clone, Deserialize, Serialize)]
struct Ant {
    name: String,
    legs: u8,
}

type Ants = Mutex<BTreeMap<u64, Ant>>;

fn main() {
    if let Err(error) = serve() {
        eprintln!("json-api: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let router =
        Router::with(Ants::default()).get("/ants", list).post("/ants", add).delete("/ants/{id}", remove);
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let running = Server::builder().error_body(error_body::problem).build_router(router)?.start(address)?;
    println!("listening on http://{}", running.local_addr());
    Ok(running.run()?) // until Ctrl-C or SIGTERM
}

fn list(ctx: &mut RequestCtx, ants: &Ants) -> Result<(), Problem> {
    let name: Option<String> = ctx.parse_query_arg_opt("name")?;
    let mut found = ants.lock().unwrap_or_else(PoisonError::into_inner).clone();
    found.retain(|_, ant| name.as_ref().is_none_or(|name| ant.name == *name));
    ctx.send_json(&found);
    Ok(())
}

fn add(ctx: &mut RequestCtx, ants: &Ants) -> Result<(), Problem> {
    let ant: Ant = ctx.json()?;
    if ant.legs != 6 {
        return Err(Problem::new(422).detail("that is no ant").field("legs", "an ant has six"));
    }
    let mut ants = ants.lock().unwrap_or_else(PoisonError::into_inner);
    let id = ants.last_key_value().map_or(1, |(last, _)| last + 1);
    ctx.set_status_code(201);
    ctx.response.set_header("Location", format!("/ants/{id}"));
    ctx.send_json(ants.entry(id).or_insert(ant));
    Ok(())
}

fn remove(ctx: &mut RequestCtx, ants: &Ants) -> Result<(), Problem> {
    let found = ants.lock().unwrap_or_else(PoisonError::into_inner).remove(&ctx.parse_param("id")?);
    found.map(|_| ctx.set_status_code(204)).ok_or_else(|| Problem::new(404).detail("there is no such ant"))
}
