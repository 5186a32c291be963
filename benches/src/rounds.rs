//! Rounds in which every contestant runs once, in an order that is shuffled anew for each: what drifts on the machine
//! then falls on all of them alike, and nobody always runs behind the same one. Ratios are taken within a round, and
//! their median is the result.

use crate::chance::Chance;
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
            for contestant in order(round, names.len()) {
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

/// The order of a round's contestants: shuffled, but the same in every run of the benchmark.
#[must_use]
pub fn order(round: usize, contestants: usize) -> Vec<usize> {
    let mut chance = Chance::new(round as u64);
    let mut order: Vec<_> = (0..contestants).collect();
    for last in (1..contestants).rev() {
        order.swap(last, chance.below(last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_runs_once_in_a_round() {
        let mut played = Vec::new();
        let rounds = Rounds::play(2, vec!["ours", "b", "c"], |contestant| {
            played.push(contestant);
            played.len() as f64
        });
        assert_eq!(played, [order(0, 3), order(1, 3)].concat());
        for contestant in 0..3 {
            let [first, second] = rounds.of(contestant) else { panic!("two rounds were played") };
            assert!(*first <= 3.0 && *second > 3.0);
        }
    }

    #[test]
    fn orders_are_shuffled_evenly_and_repeat() {
        let mut firsts = [0; 4];
        for round in 0..400 {
            let mut order = order(round, 4);
            assert_eq!(order, super::order(round, 4));
            firsts[order[0]] += 1;
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3]);
        }
        assert!(firsts.iter().all(|first| (60..140).contains(first)), "{firsts:?}");
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // Everybody is ten times slower in the second round: medians of the figures could not tell.
        let figures = [[1.0, 2.0], [10.0, 20.0]];
        let mut played = 0;
        let rounds = Rounds::play(2, vec!["ours", "twice"], |contestant| {
            let figure = figures[played / 2][contestant];
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
