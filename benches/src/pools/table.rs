//! The tables of the benchmarks that submit as fast as they can, and the one that has several cases side by side.

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

/// Prints a figure of each contestant in each case, in proportion to ours.
pub fn print_ratios<R>(figure_name: &str, cases: &[(&str, Rounds<R>)], figure: impl Fn(&R) -> f64) {
    let Some((_, first)) = cases.first() else { return };
    let titles: Vec<&str> = std::iter::once(figure_name).chain(cases.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new(&titles);
    for (contestant, name) in first.contestants() {
        let ratios = cases.iter().map(|(_, rounds)| rounds.ratio_to_ours(contestant, &figure));
        table.row(std::iter::once(name.to_owned()).chain(ratios).collect());
    }
    report::say("");
    table.print();
}
