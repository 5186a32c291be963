//! What does a request cost without a socket?
//!
//! fasthttp's own server benchmark, rebuilt: connections that live in memory repeat one request, 1, 2, 10 or 10,000
//! times each, and the answers are thrown away. So there is no system call in the figures, only parsing, the handler
//! and the answer, and with few requests per connection what a connection costs. `httparse` only splits the heads; it
//! is the floor.

use anthill_benches::allocations::{self, Counting};
use anthill_benches::memory::{Cost, GET, Httparse, Hyper, Job, Ours, POST, Task, cost};
use anthill_benches::report::{self, Table};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Name and a run: with so many threads, and so many requests for each.
type Contestant = (&'static str, fn(Job, u32, u64) -> Cost);

const CONTESTANTS: [Contestant; 3] =
    [("ours", cost::<Ours>), ("hyper", cost::<Hyper>), ("httparse", cost::<Httparse>)];

const REQUESTS: [(&str, &str, Task); 2] = [("GET", GET, Task::Greet), ("POST", POST, Task::Echo)];

fn main() {
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    let packages = ["hyper", "httparse"];
    report::headline("What does a request cost without a socket?", &packages, settings.quick);
    assert!(allocations::are_counted(), "somebody else's allocator");

    for threads in [1, 2] {
        for (method, request, task) in REQUESTS {
            for per_connection in [1, 2, 10, 10_000] {
                let job = Job { request: request.as_bytes(), task, per_connection };
                let requests = match (settings.quick, per_connection) {
                    (true, _) => 2_000,
                    (false, 1) => 50_000,
                    (false, _) => 200_000,
                };
                let names = contestants.iter().map(|(name, _)| *name).collect();
                let rounds = Rounds::play(settings.rounds_or(7), names, |contestant| {
                    contestants[contestant].1(job, threads, requests)
                });
                print(&format!("{method}, {per_connection} per connection, {threads} thread(s)"), &rounds);
            }
        }
    }
}

fn print(title: &str, rounds: &Rounds<Cost>) {
    let mut table = Table::new(&[
        title,
        "ns/request",
        "CPU ns/request",
        "spread",
        "allocations",
        "bytes",
        "CPU : ours",
        "CPU : httparse",
    ]);
    let cpu = |run: &Cost| run.cpu_nanos;
    for (contestant, name) in rounds.contestants() {
        table.row(vec![
            name.to_owned(),
            format!("{:.1}", rounds.median(contestant, |run| run.nanos)),
            format!("{:.1}", rounds.median(contestant, cpu)),
            format!("{:.0} %", rounds.spread(contestant, cpu)),
            format!("{:.2}", rounds.median(contestant, |run| run.allocations)),
            format!("{:.0}", rounds.median(contestant, |run| run.allocated_bytes)),
            rounds.ratio_to_ours(contestant, cpu),
            rounds.ratio_to("httparse", contestant, cpu),
        ]);
    }
    report::say("");
    table.print();
}
