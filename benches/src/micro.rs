//! What does a single operation cost? Closures that do the same thing, in rounds in which they take turns.
//!
//! The idea: an operation returns a number that depends on what it did, and that number is known. So no contestant can
//! be fast by doing something else, and no compiler by doing nothing.
//!
//! The rule: time is CPU time, because a run of a few milliseconds that shares its core with others says nothing else.

use crate::allocations::{self, Allocations};
use crate::cpu::CpuTime;
use crate::report::{self, Table, median};
use crate::rounds::Rounds;
use crate::settings::Settings;
use std::hint::black_box;
use std::time::Duration;

/// One question and its contestants.
pub struct Question {
    title: String,
    /// What every operation returns.
    answer: u64,
    /// Bytes that an operation goes through, if that is what counts.
    bytes: Option<u64>,
    contestants: Vec<Contestant>,
}

struct Contestant {
    name: &'static str,
    /// Operations of one lap.
    per_lap: u64,
    /// Runs so many laps, and returns the sum of the answers.
    run: Box<dyn FnMut(u64) -> u64>,
    /// Laps of a measured run; 0 until it is known how fast it is.
    laps: u64,
}

/// What an operation costs.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// CPU time in nanoseconds.
    pub nanos: f64,
    /// Blocks allocated.
    pub allocations: f64,
}

impl Question {
    /// A question whose operations all return `answer`.
    pub fn new(title: impl Into<String>, answer: u64) -> Self {
        Self { title: title.into(), answer, bytes: None, contestants: Vec::new() }
    }

    /// Lets the table show megabytes per second, of so many bytes per operation.
    #[must_use]
    pub fn over(self, bytes: usize) -> Self {
        Self { bytes: Some(bytes as u64), ..self }
    }

    /// Adds a contestant by its operation.
    #[must_use]
    pub fn with(self, name: &'static str, operation: impl FnMut() -> u64 + 'static) -> Self {
        self.with_laps(name, 1, operation)
    }

    /// Adds a contestant whose operation cannot be called alone: a lap is `per_lap` of them, and returns the sum of
    /// their answers.
    #[must_use]
    pub fn with_laps(
        mut self,
        name: &'static str,
        per_lap: u64,
        mut lap: impl FnMut() -> u64 + 'static,
    ) -> Self {
        // The loop is in the closure, so that the call through the box is not in the loop.
        let run = move |laps| (0..laps).fold(0_u64, |sum, _| sum.wrapping_add(black_box(lap())));
        self.contestants.push(Contestant { name, per_lap, run: Box::new(run), laps: 0 });
        self
    }

    /// What the question was called.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Prints what everybody has spent; nothing when nobody took part.
    pub fn print(&self, rounds: &Rounds<Spent>) {
        if self.contestants.is_empty() {
            return;
        }
        let mut titles = vec![self.title.as_str(), "ns", "spread", "allocations", "time : ours"];
        if self.bytes.is_some() {
            titles.push("MB/s");
        }
        let mut table = Table::new(&titles);
        for (contestant, name) in rounds.contestants() {
            let nanos = |run: &Spent| run.nanos;
            let time = rounds.median(contestant, nanos);
            let mut row = vec![
                name.to_owned(),
                if time < 1000.0 { format!("{time:.1}") } else { format!("{time:.0}") },
                format!("{:.0} %", rounds.spread(contestant, nanos)),
                format!("{:.1}", rounds.median(contestant, |run| run.allocations)),
                rounds.ratio_to_ours(contestant, nanos),
            ];
            if let Some(bytes) = self.bytes {
                row.push(format!("{:.0}", bytes as f64 * 1e3 / time));
            }
            table.row(row);
        }
        report::say("");
        table.print();
    }
}

/// Answers the questions: in every round every contestant of every question runs once. Each question's contestants are
/// those that were asked for, among all that there are.
///
/// # Panics
/// When an operation returns something else than its question's answer.
pub fn play(settings: &Settings, questions: &mut [Question]) -> Vec<Rounds<Spent>> {
    assert!(allocations::are_counted(), "the benchmark has not made the counting allocator its own");
    choose(settings, questions);
    let rounds = settings.rounds_or(21);
    let time = if settings.quick { Duration::ZERO } else { RUN };
    // In each round all questions, so that those can be compared as well.
    let mut spent: Vec<Vec<Vec<Spent>>> = questions
        .iter()
        .map(|question| question.contestants.iter().map(|_| Vec::with_capacity(rounds)).collect())
        .collect();
    for round in 0..rounds {
        for (question, spent) in questions.iter_mut().zip(&mut spent) {
            let count = question.contestants.len();
            for turn in 0..count {
                let contestant = (round + turn) % count;
                spent[contestant].push(question.contestants[contestant].spend(question.answer, time));
            }
        }
    }
    let named = questions.iter().zip(spent);
    named
        .map(|(question, spent)| {
            Rounds::of_runs(question.contestants.iter().map(|contestant| contestant.name).collect(), spent)
        })
        .collect()
}

/// How long a measured run is to take.
const RUN: Duration = Duration::from_millis(20);

/// The median over the rounds of what `figure` makes of the same round of several questions.
#[must_use]
pub fn across(rounds: &[&[Spent]], figure: impl Fn(&[f64]) -> f64) -> f64 {
    let count = rounds.iter().map(|runs| runs.len()).min().unwrap_or(0);
    median((0..count).map(|round| {
        let nanos: Vec<f64> = rounds.iter().map(|runs| runs[round].nanos).collect();
        figure(&nanos)
    }))
}

/// Leaves only the contestants that were asked for.
fn choose(settings: &Settings, questions: &mut [Question]) {
    let mut names: Vec<&'static str> = Vec::new();
    for contestant in questions.iter().flat_map(|question| &question.contestants) {
        if !names.contains(&contestant.name) {
            names.push(contestant.name);
        }
    }
    let chosen = settings.choose(&names, |name| name);
    for question in questions {
        question.contestants.retain(|contestant| chosen.contains(&contestant.name));
    }
}

impl Contestant {
    fn spend(&mut self, answer: u64, time: Duration) -> Spent {
        if self.laps == 0 {
            self.laps = self.laps_for(answer, time);
        }
        let allocated = Allocations::of_this_thread();
        let cpu = self.run(answer, self.laps);
        let allocated = Allocations::of_this_thread() - allocated;
        let operations = (self.laps * self.per_lap) as f64;
        Spent {
            nanos: cpu.as_secs_f64() * 1e9 / operations,
            allocations: allocated.count as f64 / operations,
        }
    }

    /// How many laps take about `time`, found by running ever more of them.
    fn laps_for(&mut self, answer: u64, time: Duration) -> u64 {
        let mut laps = 8;
        loop {
            let cpu = self.run(answer, laps);
            if cpu >= time / 4 {
                let factor = time.as_secs_f64() / cpu.as_secs_f64().max(1e-9);
                return ((laps as f64 * factor) as u64).max(1);
            }
            laps *= 4;
        }
    }

    fn run(&mut self, answer: u64, laps: u64) -> Duration {
        let before = CpuTime::of_this_process();
        let sum = (self.run)(laps);
        let spent = CpuTime::of_this_process() - before;
        let expected = answer.wrapping_mul(laps * self.per_lap);
        assert_eq!(sum, expected, "{} gives other answers, {laps} laps", self.name);
        spent.total()
    }
}
