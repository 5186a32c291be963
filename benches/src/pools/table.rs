//! The table of the benchmarks that submit as fast as they can.

use super::Throughput;
use crate::report::{self, Table};
use crate::rounds::Rounds;

/// Prints what submitting has cost each contestant.
pub fn print_throughput(title: &str, rounds: &Rounds<Throughput>) {
    let mut table =
        Table::new(&[title, "ns/payload", "spread", "CPU ns/payload", "sleeps/payload", "time : ours"]);
    for (contestant, name) in rounds.contestants() {
        table.row(vec![
            name.to_owned(),
            format!("{:.1}", rounds.median(contestant, |run| run.nanos)),
            format!("{:.0} %", rounds.spread(contestant, |run| run.nanos)),
            format!("{:.1}", rounds.median(contestant, |run| run.cpu_nanos)),
            format!("{:.3}", rounds.median(contestant, |run| run.sleeps)),
            rounds.ratio_to_ours(contestant, |run| run.nanos),
        ]);
    }
    report::say("");
    table.print();
}
