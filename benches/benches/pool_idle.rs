//! What does a pool cost that has nothing to do?
//!
//! Eight threads that have worked before, and then nothing for 5 s. Each time that a thread goes back to sleep it was
//! woken up before, which keeps a core from its deeper sleep. The row `nothing` is the same program without a pool.

use anthill_benches::pools::{
    Blocking, Idleness, Meet, Ours, Rayon, RustyPool, Threadpool, Tokio, Workerpool, idleness,
    idleness_of_nothing, measure_if_asked, run_apart,
};
use anthill_benches::report::{self, Table};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use std::time::Duration;

const WORKERS: usize = 8;

type Contestant = (&'static str, fn(Duration) -> Idleness);

const CONTESTANTS: [Contestant; 8] = [
    ("nothing", idleness_of_nothing),
    ("ours", |time| idleness::<Ours<Meet>>(WORKERS, time)),
    ("rayon", |time| idleness::<Rayon>(WORKERS, time)),
    ("tokio", |time| idleness::<Tokio>(WORKERS, time)),
    ("threadpool", |time| idleness::<Threadpool>(WORKERS, time)),
    ("rusty_pool", |time| idleness::<RustyPool>(WORKERS, time)),
    ("blocking", |time| idleness::<Blocking>(WORKERS, time)),
    ("workerpool", |time| idleness::<Workerpool<Meet>>(WORKERS, time)),
];

fn main() {
    measure_if_asked(|name, numbers| {
        let (_, run) = CONTESTANTS.iter().find(|(known, _)| *known == name)?;
        let &[time] = numbers else { return None };
        let Idleness { threads: [before, after], cpu_micros, sleeps } = run(Duration::from_millis(time));
        Some(vec![before, after, cpu_micros, sleeps])
    });
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    let packages = ["rayon", "tokio", "threadpool", "rusty_pool", "blocking", "workerpool"];
    let time = if settings.quick { 500 } else { 5_000 };
    report::headline(
        &format!("What does a pool cost that has nothing to do? {WORKERS} threads, {time} ms"),
        &packages,
        settings.quick,
    );

    let names = contestants.iter().map(|(name, _)| *name).collect();
    let rounds = Rounds::play(settings.rounds_or(3), names, |contestant| {
        let (name, _) = contestants[contestant];
        let [before, after, cpu_micros, sleeps] = run_apart(name, &[time]);
        Idleness { threads: [before, after], cpu_micros, sleeps }
    });
    print(&rounds);
    for (contestant, _) in rounds.contestants().filter(|(_, name)| *name == "ours") {
        let most = rounds.of(contestant).iter().map(|run| run.sleeps).fold(0.0, f64::max);
        assert!(most < WORKERS as f64, "{most} wake-ups of ours: idle workers do not just sleep");
    }
}

fn print(rounds: &Rounds<Idleness>) {
    let mut table = Table::new(&["idle", "threads", "at the end", "sleeps", "CPU us/s"]);
    for (contestant, name) in rounds.contestants() {
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", rounds.median(contestant, |run| run.threads[0])),
            format!("{:.0}", rounds.median(contestant, |run| run.threads[1])),
            format!("{:.0}", rounds.median(contestant, |run| run.sleeps)),
            format!("{:.1}", rounds.median(contestant, |run| run.cpu_micros)),
        ]);
    }
    report::say("");
    table.print();
}
