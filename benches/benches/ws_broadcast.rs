//! What does it cost to send one message to many WebSockets?
//!
//! 1,000 clients are there; one more sends a text of 64 bytes, which goes to all of them. When the last one has it, the
//! next one is sent; in the second table 16 at once. What the receivers get is compared byte by byte.

use anthill_benches::descriptors;
use anthill_benches::http::{self, Server, ServerProcess};
use anthill_benches::report::{self, Table, complain, median, micros};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use anthill_benches::ws::load::{Broadcasts, Delivered, run};
use std::process;
use std::time::Duration;

const CONTESTANTS: [(&str, Server); 3] = [
    ("ours", Server::OursWs),
    ("tungstenite", Server::Tungstenite),
    ("fastwebsockets", Server::Fastwebsockets),
];

/// Messages that are sent at once.
const CASES: [(&str, usize); 2] = [("one", 1), ("sixteen", 16)];

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    let wanted = settings.connections_or(if settings.quick { 50 } else { 1_000 });
    let receivers = descriptors::for_connections(wanted);
    if receivers < wanted {
        report::say(&format!("{receivers} receivers and not {wanted}: the limit on descriptors is that low"));
    }
    let question = format!(
        "What does it cost to send one message to {receivers} WebSockets? 64 bytes, 2 server threads"
    );
    report::headline(&question, &["tokio-tungstenite", "fastwebsockets", "tokio"], settings.quick);
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    for (_, batch) in settings.choose_cases(&CASES, |(name, _)| name) {
        let load = Broadcasts { receivers, batch, warm_up: settings.warm_up(), measure: settings.measure() };
        let names = contestants.iter().map(|(name, _)| *name).collect();
        let rounds = Rounds::play(settings.rounds_or(7), names, |contestant| {
            let (name, server) = contestants[contestant];
            let measured = ServerProcess::start(server)
                .map_err(|error| error.to_string())
                .and_then(|mut process| run(&load, &mut process));
            measured.unwrap_or_else(|reason| {
                complain(&format!("{name} failed: {reason}"));
                process::exit(1)
            })
        });
        report::say(&format!("\n{batch} at once"));
        print(&rounds);
    }
}

fn print(rounds: &Rounds<Delivered>) {
    let mut table = Table::new(&[
        "server",
        "deliveries/s",
        "spread",
        "CPU us/delivery",
        "user us/delivery",
        "client us/delivery",
        "p50 us to the last",
        "p99",
        "threads",
        "rate : ours",
        "CPU : ours",
        "others' cores",
    ]);
    for (contestant, name) in rounds.contestants() {
        let quantile = |quantile: f64| {
            median(rounds.of(contestant).iter().map(|run| micros(run.latency.quantile(quantile))))
        };
        let all = rounds.of(contestant).iter();
        let user: Duration = all.clone().map(|run| run.server.user).sum();
        let deliveries: u64 = all.map(|run| run.deliveries).sum();
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", rounds.median(contestant, Delivered::rate)),
            format!("{:.0} %", rounds.spread(contestant, Delivered::rate)),
            format!("{:.2}", rounds.median(contestant, Delivered::server_cpu)),
            format!("{:.2}", micros(user) / deliveries as f64),
            format!("{:.2}", rounds.median(contestant, Delivered::client_cpu)),
            format!("{:.0}", quantile(0.5)),
            format!("{:.0}", quantile(0.99)),
            format!("{:.0}", rounds.median(contestant, |run| run.threads as f64)),
            rounds.ratio_to_ours(contestant, Delivered::rate),
            rounds.ratio_to_ours(contestant, Delivered::server_cpu),
            format!("{:.2}", rounds.median(contestant, Delivered::other_cores)),
        ]);
    }
    table.print();
}
