//! What does a handler cost that sleeps for a millisecond?
//!
//! 256 connections, every handler blocks. We and the thread per connection simply sleep in the handler; the async
//! stacks have the sleep where their users must put it, in `spawn_blocking` or `web::block`.

use anthill_benches::http::{self, Server};
use anthill_benches::load::{Exchange, Load};
use anthill_benches::report::{self, Table};
use anthill_benches::settings::Settings;

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    let servers = [Server::Ours, Server::Hyper, Server::Actix, Server::Threads];
    let servers = settings.choose(&servers, Server::name);
    let load = Load::new(&settings, 256, vec![Exchange { target: "/sleep?ms=1", body: "1", weight: 1 }]);

    let question = format!("What does a handler cost that sleeps 1 ms? {} connections", load.connections);
    report::headline(&question, &["hyper", "tokio", "actix-web"], settings.quick);
    let standings = http::compete(&servers, settings.rounds_or(5), &load);

    let hyper = standings.iter().find(|standing| standing.server == Server::Hyper);
    let mut table = Table::new(&[
        "server",
        "requests/s",
        "spread",
        "CPU us/req",
        "user us/req",
        "p50 us",
        "p99 us",
        "threads",
        "req/s : hyper",
        "CPU : hyper",
    ]);
    for standing in &standings {
        table.row(vec![
            standing.server.name().to_owned(),
            format!("{:.0}", standing.rate()),
            format!("{:.0} %", standing.rate_spread()),
            format!("{:.2}", standing.cpu()),
            format!("{:.2}", standing.user_cpu()),
            format!("{:.0}", standing.latency(0, 0.5)),
            format!("{:.0}", standing.latency(0, 0.99)),
            standing.threads().to_string(),
            hyper.map_or("-".into(), |other| format!("{:.3}", standing.rate_ratio(other))),
            hyper.map_or("-".into(), |other| format!("{:.3}", standing.cpu_ratio(other))),
        ]);
    }
    table.print();
}
