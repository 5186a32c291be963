//! What do a few slow handlers cost all the fast ones?
//!
//! 64 connections; 99 of 100 requests are for the tiny text, one sleeps for 20 ms. The async stacks are told which
//! (their sleep is in `spawn_blocking`); we are not. The quantiles of the fast requests show who waited for the slow.

use anthill_benches::http::{self, Server};
use anthill_benches::load::{Exchange, Load};
use anthill_benches::report::{self, Table};
use anthill_benches::settings::Settings;

const FAST: usize = 0;
const SLOW: usize = 1;

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    let servers = settings.choose(&[Server::Ours, Server::Axum, Server::Hyper], Server::name);
    let exchanges = vec![
        Exchange { target: "/", body: "Hello, World!", weight: 99 },
        Exchange { target: "/sleep?ms=20", body: "20", weight: 1 },
    ];
    let load = Load::new(&settings, 64, exchanges);

    let question = format!(
        "What do a few slow handlers cost the fast ones? {} connections, 1 % sleep 20 ms",
        load.connections
    );
    report::headline(&question, &["axum", "hyper", "tokio"], settings.quick);
    let standings = http::compete(&servers, settings.rounds_or(5), &load);

    let axum = standings.iter().find(|standing| standing.server == Server::Axum);
    let mut table = Table::new(&[
        "server",
        "requests/s",
        "spread",
        "CPU us/req",
        "user us/req",
        "fast p50 us",
        "fast p99 us",
        "slow p99 us",
        "threads",
        "req/s : axum",
        "CPU : axum",
    ]);
    for standing in &standings {
        table.row(vec![
            standing.server.name().to_owned(),
            format!("{:.0}", standing.rate()),
            format!("{:.0} %", standing.rate_spread()),
            format!("{:.2}", standing.cpu()),
            format!("{:.2}", standing.user_cpu()),
            format!("{:.0}", standing.latency(FAST, 0.5)),
            format!("{:.0}", standing.latency(FAST, 0.99)),
            format!("{:.0}", standing.latency(SLOW, 0.99)),
            standing.threads().to_string(),
            axum.map_or("-".into(), |other| format!("{:.3}", standing.rate_ratio(other))),
            axum.map_or("-".into(), |other| format!("{:.3}", standing.cpu_ratio(other))),
        ]);
    }
    table.print();
}
