//! What does a fast handler cost?
//!
//! 64 keep-alive connections ask for a tiny text, two threads serve. The bare server is what the kernel costs without
//! a server; what a server adds to it is the answer, most plainly in user CPU time per request.

use anthill_benches::http::{self, Server, Standing};
use anthill_benches::load::{Exchange, Load};
use anthill_benches::report::{self, Table};
use anthill_benches::settings::Settings;

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    let servers = [Server::Bare, Server::Ours, Server::Hyper, Server::Actix];
    let servers = settings.choose(&servers, Server::name);
    let load = Load::new(&settings, 64, vec![Exchange::get("/", "Hello, World!")]);

    let question = format!(
        "What does a fast handler cost? {} connections, {} request(s) at once, 2 server threads",
        load.connections, load.pipeline
    );
    report::headline(&question, &["hyper", "tokio", "actix-web"], settings.quick);
    let standings = http::compete(&servers, settings.rounds_or(7), &load);
    print(&standings);
}

fn print(standings: &[Standing]) {
    let of = |server| standings.iter().find(|standing| standing.server() == server);
    let references = [of(Server::Bare), of(Server::Hyper)];
    let mut table = Table::new(&[
        "server",
        "requests/s",
        "spread",
        "CPU us/req",
        "user us/req",
        "client us/req",
        "req/s : bare",
        "CPU : bare",
        "req/s : hyper",
        "CPU : hyper",
    ]);
    for standing in standings {
        let mut row = standing.cells();
        for reference in references {
            row.push(reference.map_or("-".into(), |other| format!("{:.3}", standing.rate_ratio(other))));
            row.push(reference.map_or("-".into(), |other| format!("{:.3}", standing.cpu_ratio(other))));
        }
        table.row(row);
    }
    table.print();
}
