//! Rounds in which every contestant runs once, in a rotating order: what drifts on the machine then falls on all of
//! them alike. Ratios are taken within a round, and their median is the result.

use crate::report::{median, spread};

/// The name that all others are compared with.
const OURS: &str = "ours";

/// What every contestant has achieved in every round.
#[derive(Debug)]
pub struct Rounds<R> {
    names: Vec<&'static str>,
    /// By contestant, then by round.
    runs: Vec<Vec<R>>,
}

impl<R> Rounds<R> {
    /// Plays `rounds` rounds; `run` runs the contestant with that index among `names`.
    pub fn play(rounds: usize, names: Vec<&'static str>, mut run: impl FnMut(usize) -> R) -> Self {
        let mut runs: Vec<Vec<R>> = names.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds {
            for turn in 0..names.len() {
                let contestant = (round + turn) % names.len();
                runs[contestant].push(run(contestant));
            }
        }
        Self { names, runs }
    }

    /// What was played elsewhere: by contestant, then by round.
    #[must_use]
    pub fn of_runs(names: Vec<&'static str>, runs: Vec<Vec<R>>) -> Self {
        debug_assert_eq!(names.len(), runs.len());
        Self { names, runs }
    }

    /// Every contestant's name and index, in the order of the table.
    pub fn contestants(&self) -> impl Iterator<Item = (usize, &'static str)> + '_ {
        self.names.iter().copied().enumerate()
    }

    /// All runs of one contestant, in order.
    #[must_use]
    pub fn of(&self, contestant: usize) -> &[R] {
        &self.runs[contestant]
    }

    /// The median of a figure over one contestant's rounds.
    #[must_use]
    pub fn median(&self, contestant: usize, figure: impl Fn(&R) -> f64) -> f64 {
        median(self.runs[contestant].iter().map(figure))
    }

    /// How far one contestant's rounds lie apart, in per cent.
    #[must_use]
    pub fn spread(&self, contestant: usize, figure: impl Fn(&R) -> f64 + Clone) -> f64 {
        spread(self.runs[contestant].iter().map(figure))
    }

    /// A figure in proportion to ours, the median of the rounds' ratios, for a table; "-" when ours did not take part.
    #[must_use]
    pub fn ratio_to_ours(&self, contestant: usize, figure: impl Fn(&R) -> f64) -> String {
        self.ratio_to(OURS, contestant, figure)
    }

    /// The same in proportion to another contestant's.
    #[must_use]
    pub fn ratio_to(&self, name: &str, contestant: usize, figure: impl Fn(&R) -> f64) -> String {
        let Some(other) = self.names.iter().position(|&known| known == name) else { return "-".to_owned() };
        let pairs = self.runs[contestant].iter().zip(&self.runs[other]);
        format!("{:.2}", median(pairs.map(|(mine, reference)| figure(mine) / figure(reference))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_begins_with_another_contestant() {
        let mut order = Vec::new();
        let rounds = Rounds::play(2, vec!["ours", "b", "c"], |contestant| {
            order.push(contestant);
            order.len() as f64
        });
        assert_eq!(order, [0, 1, 2, 1, 2, 0]);
        assert_eq!(rounds.of(0), [1.0, 6.0]);
        assert_eq!(rounds.median(1, |&figure| figure), 3.0);
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // Everybody is ten times slower in the second round: medians of the figures could not tell.
        let figures = [[1.0, 2.0], [20.0, 10.0]];
        let mut played = 0;
        let rounds = Rounds::play(2, vec!["ours", "twice"], |contestant| {
            let figure = figures[played / 2][if played < 2 { contestant } else { 1 - contestant }];
            played += 1;
            figure
        });
        assert_eq!(rounds.ratio_to_ours(1, |&figure| figure), "2.00");
        assert_eq!(rounds.ratio_to_ours(0, |&figure| figure), "1.00");
        assert_eq!(rounds.ratio_to("twice", 0, |&figure| figure), "0.50");
        let rounds = Rounds::play(1, vec!["stranger"], |_| 1.0);
        assert_eq!(rounds.ratio_to_ours(0, |&figure| figure), "-");
    }
}
