//! How much a shard has to do, and which has the least: the rule by which connections are placed.
//!
//! A connection is *busy* in a period in which it was taken in or served a turn, and in the next one; a period is about
//! a second. A new connection goes to the shard with the fewest busy connections, and among those to the one with the
//! fewest connections. So connections that keep silent, however many, do not weigh against one that works, and two that
//! work are not put together while a shard has none. A connection that works moves from one shard to another when there
//! are at least two busy ones fewer there, and an eighth of them besides.

use parking_lot::Mutex;

use crate::engine::shard::deadlines::Millis;

/// A period is so many milliseconds long, as a power of two.
const PERIOD_BITS: u32 = 10;

/// The number of a period, from 1; 0 is before all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Period(u32);

impl Period {
    /// The one that `now` belongs to.
    #[inline]
    pub(crate) fn at(now: Millis) -> Self {
        // Two periods that are 100 years apart may be taken for one.
        Period(((now >> PERIOD_BITS) as u32).wrapping_add(1))
    }

    /// Counts up from one to the next.
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }

    fn is_after(self, earlier: Self) -> bool {
        self.0 == earlier.0.wrapping_add(1)
    }
}

/// What a shard has to do. The least is the lightest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Load {
    pub(crate) busy: u32,
    pub(crate) connections: usize,
}

/// The number of the lightest of these, the first of several; 0 when there are none.
pub(crate) fn lightest(loads: impl Iterator<Item = Load>) -> usize {
    loads.enumerate().min_by_key(|(_, load)| *load).map_or(0, |(index, _)| index)
}

/// Whether it is worth it for a busy connection to move from `here` to `there`: both are nearer to each other then, and
/// what comes and goes by chance moves nobody to and fro.
pub(crate) fn is_clearly_lighter(there: Load, here: Load) -> bool {
    here.busy >= there.busy.saturating_add(there.busy / 8).saturating_add(2)
}

/// A shard's busy connections, each of which counts itself once in each period.
#[derive(Debug, Default)]
pub(crate) struct Busy(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    period: Period,
    now: u32,
    before: u32,
}

impl Busy {
    /// A connection was served for the first time in this period.
    pub(crate) fn served(&self, period: Period) {
        self.0.lock().turn_to(period).now += 1;
    }

    /// A connection has come in. It counts for the last period too: else many that come in at the beginning of one
    /// would not weigh until there are more of them than there were busy ones.
    pub(crate) fn came(&self, period: Period) {
        let mut counts = self.0.lock();
        let counts = counts.turn_to(period);
        counts.now += 1;
        counts.before += 1;
    }

    /// A busy connection has gone, to be busy elsewhere.
    pub(crate) fn went(&self, period: Period) {
        let mut counts = self.0.lock();
        let counts = counts.turn_to(period);
        counts.now = counts.now.saturating_sub(1);
        counts.before = counts.before.saturating_sub(1);
    }

    /// How many there are.
    pub(crate) fn count(&self, period: Period) -> u32 {
        let mut counts = self.0.lock();
        let counts = counts.turn_to(period);
        counts.now.max(counts.before)
    }
}

impl Counts {
    fn turn_to(&mut self, period: Period) -> &mut Self {
        // Whoever reads the clock first may come last.
        let is_new = period != self.period && !self.period.is_after(period);
        if is_new {
            self.before = if period.is_after(self.period) { self.now } else { 0 };
            self.now = 0;
            self.period = period;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn load(busy: u32, connections: usize) -> Load {
        Load { busy, connections }
    }

    #[test]
    fn connections_that_work_weigh_more_than_any_number_that_do_not() {
        let cases: [(&[Load], usize); 6] = [
            (&[load(0, 0), load(0, 0)], 0),
            (&[load(0, 3), load(0, 2)], 1),
            // Two busy ones, and a shard that has nothing but idle ones.
            (&[load(2, 2), load(0, 10_000)], 1),
            (&[load(1, 1), load(1, 10_000)], 0),
            (&[load(3, 9), load(2, 9), load(2, 8)], 2),
            (&[], 0),
        ];
        for (loads, expected) in cases {
            assert_eq!(lightest(loads.iter().copied()), expected, "{loads:?}");
        }
    }

    #[test]
    fn a_connection_moves_only_where_it_improves_things() {
        let cases = [
            ((2, 0), true),
            ((1, 0), false),
            ((3, 1), true),
            ((2, 1), false),
            ((50, 44), false),
            ((60, 48), true),
        ];
        for ((here, there), expected) in cases {
            // How many connections there are is no reason to move.
            let moves = is_clearly_lighter(load(there, 10_000), load(here, 1));
            assert_eq!(moves, expected, "{here} here, {there} there");
        }
        // All those of one shard look one after the other, and stop when it is enough.
        let (here, there) = (Busy::default(), Busy::default());
        (0..10).for_each(|_| here.served(Period::at(0)));
        for _ in 0..10 {
            if is_clearly_lighter(load(there.count(Period::at(0)), 0), load(here.count(Period::at(0)), 0)) {
                here.went(Period::at(0));
                there.came(Period::at(0));
            }
        }
        assert_eq!((here.count(Period::at(0)), there.count(Period::at(0))), (5, 5));
    }

    #[test]
    fn a_connection_is_busy_in_its_period_and_in_the_next() {
        let busy = Busy::default();
        let at = |second: u64| Period::at(second << PERIOD_BITS);
        for _ in 0..3 {
            busy.served(at(7));
        }
        assert_eq!(busy.count(at(7)), 3);
        assert_eq!(busy.count(at(8)), 3);
        busy.served(at(8));
        assert_eq!(busy.count(at(8)), 3, "it is one of the three");
        busy.served(at(7));
        assert_eq!(busy.count(at(8)), 3, "said late");
        assert_eq!(busy.count(at(9)), 2);
        assert_eq!(busy.count(at(10)), 0);
    }

    #[test]
    fn those_who_come_in_weigh_at_once() {
        let shards = [Busy::default(), Busy::default()];
        let at = |second: u64| Period::at(second << PERIOD_BITS);
        for _ in 0..10 {
            shards[0].served(at(1));
        }
        for _ in 0..8 {
            shards[1].served(at(1));
        }
        let mut placed = [0, 0];
        for _ in 0..64 {
            let loads = [0, 1].map(|index| load(shards[index].count(at(2)), 0));
            let index = lightest(loads.into_iter());
            shards[index].came(at(2));
            placed[index] += 1;
        }
        assert_eq!(placed, [31, 33]);
    }
}
