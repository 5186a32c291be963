//! Rounds in which every server runs once, in a rotating order: whatever drifts on the machine (its clock, its
//! neighbours) then falls on all of them alike, and a ratio is taken within a round.

use super::{Server, ServerProcess};
use crate::load::{self, Load, Measured};
use crate::report::{complain, median, micros, spread};
use std::process;
use std::time::Duration;

/// What a server has achieved in all rounds.
#[derive(Debug)]
pub struct Standing {
    /// Who.
    pub server: Server,
    /// One measurement per round, in order.
    pub runs: Vec<Measured>,
}

/// Lets the servers play `rounds` rounds under a load. Each run has a fresh process.
///
/// Ends the process with a message when a server gives a wrong answer or none: there is nothing to compare then.
#[must_use]
pub fn compete(servers: &[Server], rounds: usize, load: &Load) -> Vec<Standing> {
    let mut standings: Vec<_> = servers.iter().map(|&server| Standing { server, runs: Vec::new() }).collect();
    for round in 0..rounds {
        for turn in 0..servers.len() {
            let standing = &mut standings[(round + turn) % servers.len()];
            let measured = ServerProcess::start(standing.server)
                .map_err(|error| error.to_string())
                .and_then(|mut process| load::run(load, &mut process));
            match measured {
                Ok(measured) => standing.runs.push(measured),
                Err(reason) => {
                    complain(&format!("{} failed under load: {reason}", standing.server.name()));
                    process::exit(1);
                }
            }
        }
    }
    standings
}

impl Standing {
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

    fn ratio(&self, other: &Self, figure: impl Fn(&Measured) -> f64) -> f64 {
        median(self.runs.iter().zip(&other.runs).map(|(mine, theirs)| figure(mine) / figure(theirs)))
    }
}
