//! How many requests per second does a client make, and at what CPU time?
//!
//! Ours beside ureq, reqwest's two and hyper-util's, against the same server in a process of its own: a tiny text on
//! connections that are kept, by 1, 16 and 64 callers, a large body in each direction, and a connection for each
//! request. The row `bare` is a socket for each caller and a canned request, for what the system's part is. One caller
//! is the case in which threads win, and 64 threads on few cores the one in which tasks do.

use anthill_benches::clients::{self, Called, Calls, Contestant, Errand};
use anthill_benches::http::{self, Server, ServerProcess};
use anthill_benches::machine;
use anthill_benches::report::{self, Table, complain, median, micros, middle_half};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use std::process;
use std::time::Duration;

/// A table: its name on the command line and above it, what is asked for, and by how many.
type Case = (&'static str, &'static str, Errand, usize);

const CASES: [Case; 6] = [
    ("get_1", "a tiny text, 1 caller", Errand::Get, 1),
    ("get_16", "a tiny text, 16 callers", Errand::Get, 16),
    ("get_64", "a tiny text, 64 callers", Errand::Get, 64),
    ("down", "a body of 1 MiB, 4 callers", Errand::Down, 4),
    ("up", "a body of 1 MiB is sent, 4 callers", Errand::Up, 4),
    ("anew", "a tiny text, each on a connection of its own, 16 callers", Errand::Anew, 16),
];

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&Contestant::ALL, Contestant::name);
    let question = "How many requests per second does a client make, and at what CPU time?";
    report::headline(question, &["ureq", "reqwest", "hyper-util", "hyper", "tokio"], settings.quick);
    for (_, title, errand, callers) in settings.choose_cases(&CASES, |(name, ..)| name) {
        let (warm_up, measure) = (settings.warm_up(), settings.measure());
        let calls = Calls { errand, callers, warm_up, measure };
        let names = contestants.iter().map(|contestant| contestant.name()).collect();
        let load = machine::load_average().map_or("unknown".to_owned(), |load| format!("{load:.1}"));
        let rounds = Rounds::play(settings.rounds_or(5), names, |contestant| {
            let contestant = contestants[contestant];
            let called = ServerProcess::start(Server::OursAsked)
                .map_err(|error| error.to_string())
                .and_then(|mut server| clients::run(contestant, &calls, &mut server));
            called.unwrap_or_else(|reason| {
                complain(&format!("{} failed: {reason}", contestant.name()));
                process::exit(1)
            })
        });
        report::say(&format!("\n{title} (load average before: {load})"));
        print(&rounds);
    }
}

fn print(rounds: &Rounds<Called>) {
    let mut table = Table::new(&[
        "client",
        "requests/s",
        "spread",
        "CPU us/req",
        "user us/req",
        "server us/req",
        "p50 us",
        "p99 us",
        "threads",
        "others' cores",
        "rate : ours",
        "CPU : ours",
    ]);
    let ours = rounds.contestants().find(|(_, name)| *name == Contestant::Ours.name());
    let ratios = |contestant, figure: fn(&Called) -> f64| {
        ours.map_or("-".to_owned(), |(ours, _)| {
            let pairs = rounds.of(contestant).iter().zip(rounds.of(ours));
            middle_half(pairs.map(|(mine, reference)| figure(mine) / figure(reference)))
        })
    };
    for (contestant, name) in rounds.contestants() {
        let all = rounds.of(contestant).iter();
        let quantile = |quantile: f64| median(all.clone().map(|run| micros(run.latency.quantile(quantile))));
        let user: Duration = all.clone().map(|run| run.client.user).sum();
        let answers: u64 = all.clone().map(|run| run.latency.count()).sum();
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", rounds.median(contestant, Called::rate)),
            format!("{:.0} %", rounds.spread(contestant, Called::rate)),
            format!("{:.1}", rounds.median(contestant, Called::client_cpu)),
            format!("{:.1}", micros(user) / answers as f64),
            format!("{:.1}", rounds.median(contestant, Called::server_cpu)),
            format!("{:.0}", quantile(0.5)),
            format!("{:.0}", quantile(0.99)),
            format!("{:.0}", rounds.median(contestant, |run| run.threads as f64)),
            format!("{:.2}", rounds.median(contestant, Called::other_cores)),
            ratios(contestant, Called::rate),
            ratios(contestant, Called::client_cpu),
        ]);
    }
    table.print();
}
