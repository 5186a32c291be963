//! How a benchmark was asked to run: in full, as a smoke test, or changed by options.
//!
//! `cargo bench` passes `--bench`; `cargo test --benches` does not, and then the arguments are the test runner's, so
//! they are not ours to judge: the benchmark runs briefly with its defaults, only to check its answers.

use std::env;
use std::process;
use std::str::FromStr;
use std::time::Duration;

const USAGE: &str = "\
options of a benchmark, after `cargo bench -p anthill-benches --bench NAME --`:
  NAME ...           only these contestants (as the table calls them)
  --rounds=N         rounds; in each, every contestant runs once
  --seconds=S        measured time of one run (http benchmarks)
  --connections=N    connections of the load generator (http benchmarks; N,M,... where there are tables for several)
  --sleeps=US,...    how long the handlers sleep, in microseconds (http_blocking)
  --calm=S           fast traffic before a server counts as calmed (http_blocking)
  --cases=NAME,...   only these tables (benchmarks with several that have names)
  --pipeline=N       requests sent at once on a connection (http benchmarks)
  --svg=FILE         draws the table (http_overview); from the root of the workspace
  --test             smoke mode: run briefly, only to check the answers
                     (also with ANTHILL_BENCH_QUICK=1 in the environment)";

/// How to run a benchmark. What is `None` was not asked for: the benchmark's own default holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Smoke mode: a fraction of a second each, to check the answers and not to learn the figures.
    pub quick: bool,
    /// Number of rounds.
    pub rounds: Option<usize>,
    /// Measured time of one run.
    pub measure: Option<Duration>,
    /// Connections of the load generator; empty when not asked for.
    pub connections: Vec<usize>,
    /// How long handlers sleep, in microseconds; empty when not asked for.
    pub sleeps: Vec<u64>,
    /// For how long there is fast traffic before a server counts as calmed.
    pub calm: Option<Duration>,
    /// The tables wanted; empty means all.
    pub cases: Vec<String>,
    /// Requests sent at once on a connection.
    pub pipeline: Option<usize>,
    /// Where to draw the table.
    pub svg: Option<String>,
    /// The contestants wanted; empty means all.
    pub only: Vec<String>,
}

impl Settings {
    /// Reads the program's arguments and environment. Explains itself and ends the process when they make no sense.
    #[must_use]
    pub fn from_command_line() -> Self {
        let quick = env::var_os("ANTHILL_BENCH_QUICK").is_some_and(|value| value != "0");
        match Self::parse(env::args().skip(1), quick) {
            Ok(settings) => settings,
            Err(reason) => {
                crate::report::complain(&format!("{reason}\n\n{USAGE}"));
                process::exit(2)
            }
        }
    }

    fn parse(arguments: impl Iterator<Item = String>, quick: bool) -> Result<Self, String> {
        let arguments: Vec<_> = arguments.collect();
        let mut settings = Self { quick, ..Self::default() };
        if !arguments.iter().any(|argument| argument == "--bench") {
            settings.quick = true;
            return Ok(settings);
        }
        for argument in &arguments {
            match argument.split_once('=') {
                None if argument == "--bench" => {}
                None if argument == "--test" => settings.quick = true,
                None if !argument.starts_with('-') => settings.only.push(argument.clone()),
                Some(("--rounds", value)) => settings.rounds = Some(positive("--rounds", value)?),
                Some(("--connections", value)) => settings.connections = several("--connections", value)?,
                Some(("--sleeps", value)) => settings.sleeps = several("--sleeps", value)?,
                Some(("--cases", value)) => settings.cases = value.split(',').map(str::to_owned).collect(),
                Some(("--calm", value)) => settings.calm = Some(time("--calm", value)?),
                Some(("--svg", value)) => settings.svg = Some(value.to_owned()),
                Some(("--pipeline", value)) => settings.pipeline = Some(positive("--pipeline", value)?),
                Some(("--seconds", value)) => settings.measure = Some(time("--seconds", value)?),
                _ => return Err(format!("unknown option {argument}")),
            }
        }
        Ok(settings)
    }

    /// Rounds to play, `default` unless asked otherwise; one in smoke mode.
    #[must_use]
    pub fn rounds_or(&self, default: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { default })
    }

    /// Measured time of one run: 2 s unless asked otherwise, a fraction of one in smoke mode.
    #[must_use]
    pub fn measure(&self) -> Duration {
        self.measure.unwrap_or(Duration::from_millis(if self.quick { 150 } else { 2_000 }))
    }

    /// Time under load before a run is measured: 500 ms, or a fraction of that in smoke mode.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 50 } else { 500 })
    }

    /// Connections of a benchmark that has one table. Ends the process when several numbers were given, as a table for
    /// the first would look like an answer.
    #[must_use]
    pub fn connections_or(&self, default: usize) -> usize {
        match self.connections[..] {
            [] => default,
            [only] => only,
            _ => {
                crate::report::complain("this benchmark has one table: give one number of connections");
                process::exit(2);
            }
        }
    }

    /// Leaves only the tables that were asked for, in the benchmark's order. Ends the process when a name is not among
    /// them.
    #[must_use]
    pub fn choose_cases<T: Copy>(&self, cases: &[T], name: impl Fn(T) -> &'static str) -> Vec<T> {
        chosen("case", &self.cases, cases, name)
    }

    /// Leaves only the contestants that were asked for, in the benchmark's order. Ends the process when a name is not
    /// among them, as a table without it would look like an answer.
    #[must_use]
    pub fn choose<T: Copy>(&self, contestants: &[T], name: impl Fn(T) -> &'static str) -> Vec<T> {
        chosen("contestant", &self.only, contestants, name)
    }
}

fn chosen<T: Copy>(what: &str, wanted: &[String], all: &[T], name: impl Fn(T) -> &'static str) -> Vec<T> {
    let known: Vec<_> = all.iter().map(|&one| name(one)).collect();
    if let Some(stranger) = wanted.iter().find(|wanted| !known.contains(&wanted.as_str())) {
        crate::report::complain(&format!("no {what} {stranger} here, choose from: {}", known.join(" ")));
        process::exit(2);
    }
    let is_wanted = |one: &T| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name(*one));
    all.iter().copied().filter(is_wanted).collect()
}

fn several<N: FromStr + PartialOrd + Default>(option: &str, value: &str) -> Result<Vec<N>, String> {
    value.split(',').map(|one| positive(option, one)).collect()
}

fn time(option: &str, value: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(positive(option, value)?)
        .map_err(|_| format!("{option}={value} is too long a time"))
}

fn positive<N: FromStr + PartialOrd + Default>(option: &str, value: &str) -> Result<N, String> {
    match value.parse() {
        Ok(number) if number > N::default() => Ok(number),
        _ => Err(format!("{option}={value} is not a number above zero")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, String> {
        Settings::parse(arguments.iter().map(ToString::to_string), false)
    }

    #[test]
    fn without_bench_the_arguments_are_the_test_runners() {
        let settings = parse(&["--nocapture", "some_test", "--rounds=9"]).unwrap();
        assert_eq!(settings, Settings { quick: true, ..Settings::default() });
    }

    #[test]
    fn with_bench_the_options_are_read() {
        let settings = parse(&["--bench", "--rounds=3", "--seconds=0.5", "ours", "--pipeline=16"]).unwrap();
        assert!(!settings.quick);
        assert_eq!((settings.rounds_or(5), settings.pipeline), (3, Some(16)));
        assert_eq!(settings.measure, Some(Duration::from_millis(500)));
        assert_eq!(settings.choose(&["bare", "ours"], |name| name), ["ours"]);
        assert!(parse(&["--bench", "--test"]).unwrap().quick);
        let settings =
            parse(&["--bench", "--connections=64,256", "--sleeps=100", "--calm=0.2", "--cases=a,b"]).unwrap();
        assert_eq!((&settings.connections[..], &settings.sleeps[..]), (&[64, 256][..], &[100][..]));
        assert_eq!(settings.calm, Some(Duration::from_millis(200)));
        assert_eq!(settings.choose_cases(&["b", "c", "a"], |name| name), ["b", "a"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for nonsense in [
            "--round=3",
            "--rounds",
            "--rounds=0",
            "--seconds=-1",
            "--seconds=1e300",
            "--pipeline=x",
            "--connections=64,",
            "--sleeps=-1",
            "--calm=0",
        ] {
            assert!(parse(&["--bench", nonsense]).is_err(), "{nonsense} was accepted");
        }
    }
}
