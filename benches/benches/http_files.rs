//! What does it cost to serve a file?
//!
//! One file, warm, of 1 KB, 64 KB and 1 MB; of 64 KB its head alone, a part of 1 KB, and that it has not changed; 8,192
//! files of 1 KB by chance, which are eight times as many as are kept open; and 4,000 files of 64 KB that the system
//! has forgotten, each asked for once, while a warm one is asked for at a steady pace beside them: who waits for the
//! disk must not make others wait.

use anthill_benches::files::{self, Folder};
use anthill_benches::http::{self, Entrant, Server, ServerProcess, Standing};
use anthill_benches::load::{self, Asking, Load, Measured, Paced};
use anthill_benches::report::{self, Table, fail};
use anthill_benches::settings::Settings;
use std::thread;
use std::time::Duration;

const KIB: usize = 1024;

const ENTRANTS: [Entrant; 5] = [
    Entrant::named("nginx", Server::NginxFiles),
    Entrant::named("ours", Server::OursFiles),
    Entrant::named("hyper", Server::HyperFiles),
    Entrant::named("actix", Server::ActixFiles),
    Entrant::named("nethttp", Server::NetHttpFiles),
];

/// A table.
#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    question: &'static str,
    files: usize,
    bytes: usize,
    asking: Asking,
    connections: usize,
    is_cold: bool,
}

const fn warm(name: &'static str, question: &'static str, bytes: usize, asking: Asking) -> Case {
    let connections = if bytes > 64 * KIB { 16 } else { 64 };
    Case { name, question, files: 1, bytes, asking, connections, is_cold: false }
}

const CASES: [Case; 8] = [
    warm("1k", "What does a file of 1 KB cost?", KIB, Asking::Whole),
    warm("64k", "What does a file of 64 KB cost?", 64 * KIB, Asking::Whole),
    warm("1m", "What does a file of 1 MB cost?", 1024 * KIB, Asking::Whole),
    warm("head", "What does the head of a file cost?", 64 * KIB, Asking::Head),
    warm("not_modified", "What does it cost that a file has not changed?", 64 * KIB, files::since_written()),
    warm("range", "What does 1 KB out of 64 KB cost?", 64 * KIB, Asking::Part(33_000, 34_023)),
    Case {
        files: 8192,
        ..warm("many", "What does a file of 1 KB cost, of 8,192 by chance?", KIB, Asking::Whole)
    },
    Case {
        files: 4000,
        connections: 16,
        is_cold: true,
        ..warm("cold", "What does a file of 64 KB cost that is on the disk?", 64 * KIB, Asking::Whole)
    },
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
    let count = if settings.quick { case.files.min(40) } else { case.files };
    let files = folder.add(count, case.bytes);
    let mut exchanges = files.unwrap_or_else(|error| fail(&format!("a file cannot be written: {error}")));
    exchanges.iter_mut().for_each(|exchange| exchange.asking = case.asking);
    let load = Load { is_one_kind: true, ..Load::new(settings, case.connections, exchanges) };
    let question = format!("{} {} connections, 2 server threads", case.question, load.connections);
    report::headline(&question, &["hyper", "tower-http", "actix-web", "actix-files"], settings.quick);
    if case.is_cold && !folder.forget(&load.exchanges).unwrap_or(false) {
        return report::say("no answer: files cannot be made cold here");
    }
    let paced = case.is_cold.then(|| paced(folder));
    let load = Load { paced, ..load };
    let standings = http::compete_at(folder.path(), entrants, settings.rounds_or(5), |_, process| {
        if case.is_cold { once(&load, folder, process) } else { load::run(&load, process) }
    });
    print(&standings, case.is_cold);
}

/// What is asked beside cold files.
fn paced(folder: &Folder) -> Paced {
    match folder.add(1, KIB).as_deref() {
        Ok([exchange]) => Paced { exchange: *exchange, connections: 4, per_second: 400 },
        _ => fail("a file cannot be written"),
    }
}

fn once(load: &Load, folder: &Folder, process: &mut ServerProcess) -> Result<Measured, String> {
    load::sweep(load, process, || {
        let is_forgotten = folder.forget(&load.exchanges).map_err(|error| error.to_string())?;
        // What the forgetting itself has asked of the disk.
        thread::sleep(Duration::from_millis(100));
        if is_forgotten { Ok(()) } else { Err("files cannot be made cold any more".to_owned()) }
    })
}

fn print(standings: &[Standing], is_cold: bool) {
    let named = |name| standings.iter().find(|standing| standing.name() == name);
    // Who serves files best; where it is not there, the quickest that is compiled in.
    let reference = named("nginx").or(named("hyper"));
    let beside = reference.map_or("-", Standing::name);
    let (rate_ratio, cpu_ratio) = (format!("req/s : {beside}"), format!("CPU : {beside}"));
    let mut titles = vec!["server", "requests/s", "spread", "CPU us/req", "user us/req", "client us/req"];
    titles.extend(["p50 us", "p99 us"]);
    if is_cold {
        titles.extend(["warm p50", "warm p99", "warm worst"]);
    }
    titles.extend(["threads", "others' cores", &rate_ratio, &cpu_ratio]);
    let mut table = Table::new(&titles);
    for standing in standings {
        let mut row = standing.cells();
        row.extend(standing.latency_cells());
        if is_cold {
            let warm = [0.5, 0.99, 1.0].map(|quantile| standing.paced(quantile));
            row.extend(warm.map(|warm| warm.map_or("-".to_owned(), |warm| format!("{warm:.0}"))));
        }
        row.push(standing.threads().to_string());
        row.extend(standing.cells_beside(reference));
        table.row(row);
    }
    table.print();
}
