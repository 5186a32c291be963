//! What does it cost to compress each response?
//!
//! A body of JSON that is there in memory (nginx: in a file that is kept open) is compressed for each request: 4 KB and
//! 64 KB, in gzip, brotli and zstd. Every server has its own usual set-up; what that is differs, so the table says what
//! became of the body.

use anthill_benches::bodies;
use anthill_benches::files::Folder;
use anthill_benches::http::{self, Entrant, Server, Standing};
use anthill_benches::load::{self, Asking, Exchange, Load};
use anthill_benches::report::{self, Table, fail};
use anthill_benches::settings::Settings;
use std::cell::RefCell;
use std::collections::HashMap;

const KIB: usize = 1024;

const ENTRANTS: [Entrant; 5] = [
    Entrant::named("nginx", Server::NginxCompressing),
    Entrant::named("ours", Server::OursCompressing),
    Entrant::named("hyper", Server::HyperCompressing),
    Entrant::named("actix", Server::ActixCompressing),
    Entrant::named("nethttp", Server::NetHttpCompressing),
];

/// A table.
#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    coding: &'static str,
    bytes: usize,
}

const fn case(name: &'static str, coding: &'static str, kib: usize) -> Case {
    Case { name, coding, bytes: kib * KIB }
}

const CASES: [Case; 6] = [
    case("gzip_4k", "gzip", 4),
    case("gzip_64k", "gzip", 64),
    case("br_4k", "br", 4),
    case("br_64k", "br", 64),
    case("zstd_4k", "zstd", 4),
    case("zstd_64k", "zstd", 64),
];

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    let entrants = Entrant::chosen(&ENTRANTS, &settings);
    let folder = Folder::new().unwrap_or_else(|error| fail(&format!("no place for files: {error}")));
    for case in settings.choose_cases(&CASES, |case| case.name) {
        answer(case, &settings, &entrants, &folder);
    }
}

fn answer(case: Case, settings: &Settings, entrants: &[Entrant], folder: &Folder) {
    let added = folder.add_body(&format!("{}.json", case.bytes), bodies::json(case.bytes));
    let exchange = added.unwrap_or_else(|error| fail(&format!("a file cannot be written: {error}")));
    let exchange = Exchange { asking: Asking::Coded(case.coding), ..exchange };
    let load = Load::new(settings, 32, vec![exchange]);
    let question = format!(
        "What does a response of {} KB cost in {}? {} connections, 2 server threads",
        case.bytes / KIB,
        case.coding,
        load.connections
    );
    let packages = ["hyper", "tower-http", "actix-web", "flate2", "zlib-rs", "zstd"];
    report::headline(&question, &packages, settings.quick);
    let mut entrants = entrants.to_vec();
    entrants.retain(|entrant| match entrant.server.lacks_coding(case.coding) {
        None => true,
        Some(reason) => {
            report::say(&format!("{} does not take part: {reason}", entrant.name));
            false
        }
    });
    let packed = RefCell::new(HashMap::new());
    let standings = http::compete_at(folder.path(), &entrants, settings.rounds_or(5), |entrant, process| {
        let length = load::packed_length(&exchange, process.address(), load.patience)?;
        packed.borrow_mut().insert(entrant.name, length);
        load::run(&load, process)
    });
    print(&standings, &packed.borrow());
}

fn print(standings: &[Standing], packed: &HashMap<&str, usize>) {
    let named = |name| standings.iter().find(|standing| standing.name() == name);
    // Who compresses in C; where it is not there or does not know the coding, the quickest that is compiled in.
    let reference = named("nginx").or(named("hyper"));
    let beside = reference.map_or("-", Standing::name);
    let (rate_ratio, cpu_ratio) = (format!("req/s : {beside}"), format!("CPU : {beside}"));
    let mut titles = vec!["server", "requests/s", "spread", "CPU us/req", "user us/req", "client us/req"];
    titles.extend(["p50 us", "p99 us", "bytes", "others' cores", &rate_ratio, &cpu_ratio]);
    let mut table = Table::new(&titles);
    for standing in standings {
        let mut row = standing.cells();
        row.extend(standing.latency_cells());
        row.push(packed.get(standing.name()).map_or("-".to_owned(), ToString::to_string));
        row.extend(standing.cells_beside(reference));
        table.row(row);
    }
    table.print();
}
