//! Rounds in which every server runs once, in a shuffled order: whatever drifts on the machine (its clock, its
//! neighbours) then falls on all of them alike, and a ratio is taken within a round.

use super::{Server, ServerProcess};
use crate::load::{self, Load, Measured, Pace};
use crate::report::{fail, median, micros, middle_half, spread};
use crate::rounds::order;
use crate::settings::Settings;
use std::path::Path;
use std::time::Duration;

/// A server, and what it has seen before it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entrant {
    /// The name in tables and on the command line.
    pub name: &'static str,
    /// Who.
    pub server: Server,
    /// Whether there was fast traffic for some time, and nothing that blocked.
    pub calmed: bool,
}

impl Entrant {
    /// A server that was just started.
    #[must_use]
    pub const fn fresh(server: Server) -> Self {
        Self::named(server.name(), server)
    }

    /// The same under another name.
    #[must_use]
    pub const fn named(name: &'static str, server: Server) -> Self {
        Self { name, server, calmed: false }
    }

    /// Those of `all` that were asked for and are at hand.
    #[must_use]
    pub fn chosen(all: &[Self], settings: &Settings) -> Vec<Self> {
        let mut chosen = settings.choose(all, |entrant| entrant.name);
        chosen.retain(|entrant| entrant.server.is_at_hand(settings));
        chosen
    }
}

/// What a server has achieved in all rounds.
#[derive(Debug)]
pub struct Standing {
    /// Who.
    pub entrant: Entrant,
    /// One measurement per round, in order.
    pub runs: Vec<Measured>,
}

/// Lets the servers play `rounds` rounds under a load. Each run has a fresh process.
///
/// Ends the process with a message when a server gives a wrong answer or none: there is nothing to compare then.
#[must_use]
pub fn compete(servers: &[Server], rounds: usize, load: &Load) -> Vec<Standing> {
    let entrants: Vec<_> = servers.iter().map(|&server| Entrant::fresh(server)).collect();
    compete_by(&entrants, rounds, |_, process| load::run(load, process))
}

/// The same with any way to measure; `run` gets a fresh process each time.
#[must_use]
pub fn compete_by(
    entrants: &[Entrant],
    rounds: usize,
    run: impl Fn(Entrant, &mut ServerProcess) -> Result<Measured, String>,
) -> Vec<Standing> {
    compete_at(Path::new(""), entrants, rounds, run)
}

/// The same for servers of the files in `root`.
#[must_use]
pub fn compete_at(
    root: &Path,
    entrants: &[Entrant],
    rounds: usize,
    run: impl Fn(Entrant, &mut ServerProcess) -> Result<Measured, String>,
) -> Vec<Standing> {
    let mut standings: Vec<_> =
        entrants.iter().map(|&entrant| Standing { entrant, runs: Vec::new() }).collect();
    for round in 0..rounds {
        for turn in order(round, entrants.len()) {
            let standing = &mut standings[turn];
            let measured = ServerProcess::start_at(root, standing.entrant.server)
                .map_err(|error| error.to_string())
                .and_then(|mut process| run(standing.entrant, &mut process));
            match measured {
                Ok(measured) => standing.runs.push(measured),
                Err(reason) => fail(&format!("{} failed under load: {reason}", standing.entrant.name)),
            }
        }
    }
    standings
}

impl Standing {
    /// The name in tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.entrant.name
    }

    /// Who.
    #[must_use]
    pub fn server(&self) -> Server {
        self.entrant.server
    }

    /// Its first cells in most tables: name, rate and how far that spreads, CPU time of an answer, the part of it that
    /// the system has not spent, and the client's.
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        vec![
            self.name().to_owned(),
            format!("{:.0}", self.rate()),
            format!("{:.0} %", self.rate_spread()),
            format!("{:.2}", self.cpu()),
            format!("{:.2}", self.user_cpu()),
            format!("{:.2}", self.client_cpu()),
        ]
    }

    /// The cells behind those: the median of the latencies, and their 99th percentile.
    #[must_use]
    pub fn latency_cells(&self) -> [String; 2] {
        [0.5, 0.99].map(|quantile| format!("{:.0}", self.latency(0, quantile)))
    }

    /// Its last cells: what else has used the cores, and the ratios of rate and CPU time to those of `reference`.
    #[must_use]
    pub fn cells_beside(&self, reference: Option<&Self>) -> [String; 3] {
        [
            format!("{:.2}", self.other_cores()),
            reference.map_or("-".into(), |other| self.rate_ratios(other)),
            reference.map_or("-".into(), |other| self.cpu_ratios(other)),
        ]
    }

    /// Answers per second, the median of the rounds.
    #[must_use]
    pub fn rate(&self) -> f64 {
        median(self.runs.iter().map(Measured::rate))
    }

    /// How far the rounds lie apart in [`Standing::rate`], in per cent.
    #[must_use]
    pub fn rate_spread(&self) -> f64 {
        spread(self.runs.iter().map(Measured::rate))
    }

    /// CPU time of the server per answer in microseconds, the median of the rounds.
    #[must_use]
    pub fn cpu(&self) -> f64 {
        median(self.runs.iter().map(Measured::server_cpu))
    }

    /// The part of it in user code in microseconds: of all rounds together, as the split is only sampled.
    #[must_use]
    pub fn user_cpu(&self) -> f64 {
        let user: Duration = self.runs.iter().map(|run| run.server.user).sum();
        let answers: u64 = self.runs.iter().map(Measured::answers).sum();
        micros(user) / answers as f64
    }

    /// CPU time of the load generator per answer in microseconds, the median of the rounds.
    #[must_use]
    pub fn client_cpu(&self) -> f64 {
        median(self.runs.iter().map(Measured::client_cpu))
    }

    /// Most threads that the server had at the end of a run.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.runs.iter().map(|run| run.server_threads).max().unwrap_or(0)
    }

    /// A quantile (0 to 1) of the time from request to answer for one kind of request: the median of the rounds.
    #[must_use]
    pub fn latency(&self, kind: usize, quantile: f64) -> f64 {
        median(self.runs.iter().map(|run| micros(run.latency[kind].quantile(quantile))))
    }

    /// [`Standing::rate`] in proportion to another server's: the median of the rounds' ratios.
    #[must_use]
    pub fn rate_ratio(&self, other: &Self) -> f64 {
        self.ratio(other, Measured::rate)
    }

    /// [`Standing::cpu`] in proportion to another server's: the median of the rounds' ratios.
    #[must_use]
    pub fn cpu_ratio(&self, other: &Self) -> f64 {
        self.ratio(other, Measured::server_cpu)
    }

    /// [`Standing::rate_ratio`] with its middle half.
    #[must_use]
    pub fn rate_ratios(&self, other: &Self) -> String {
        middle_half(self.ratios(other, Measured::rate))
    }

    /// [`Standing::cpu_ratio`] with its middle half.
    #[must_use]
    pub fn cpu_ratios(&self, other: &Self) -> String {
        middle_half(self.ratios(other, Measured::server_cpu))
    }

    /// A quantile of what was asked at a steady pace: the median of the rounds, which one that was disturbed does not
    /// move. None when nothing was.
    #[must_use]
    pub fn paced(&self, quantile: f64) -> Option<f64> {
        let rounds = self.runs.iter().map(|run| &run.pace.measured).filter(|pace| pace.count() > 0);
        Some(median(rounds.map(|pace| micros(pace.quantile(quantile))))).filter(|paced| !paced.is_nan())
    }

    /// What was asked at a steady pace: all rounds' samples together, as one round has too few for the far quantiles.
    #[must_use]
    pub fn pace(&self) -> Pace {
        let mut pace = Pace::default();
        for run in &self.runs {
            pace.merge(&run.pace);
        }
        pace
    }

    /// How many cores everything else on the machine kept busy, the median of the rounds.
    #[must_use]
    pub fn other_cores(&self) -> f64 {
        median(self.runs.iter().map(Measured::other_cores))
    }

    fn ratio(&self, other: &Self, figure: impl Fn(&Measured) -> f64) -> f64 {
        median(self.ratios(other, figure))
    }

    fn ratios<'r>(
        &'r self,
        other: &'r Self,
        figure: impl Fn(&Measured) -> f64 + 'r,
    ) -> impl Iterator<Item = f64> + 'r {
        self.runs.iter().zip(&other.runs).map(move |(mine, theirs)| figure(mine) / figure(theirs))
    }
}
