//! Which connection times out next. Pure: times are milliseconds that the caller passes in.
//!
//! Deadlines move with every request, nearly always to later. So a connection's entry is left where it is and checked
//! only when it comes up: [`Deadlines`] then asks for the true deadline and files it again if that lies ahead. Moving
//! a deadline costs nothing but a comparison; each connection costs one heap operation per timeout period.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::shard::slots::Token;

/// A point in time, in milliseconds since the engine started.
pub(crate) type Millis = u64;

/// No deadline.
pub(crate) const NEVER: Millis = Millis::MAX;

/// Entries by due time. Some are stale: their connection is gone, or has a later deadline by now.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    entries: BinaryHeap<Reverse<(Millis, Token)>>,
    /// By slot number: when the connection's earliest entry is due.
    filed: Vec<Millis>,
}

impl Deadlines {
    /// The connection's deadline is `due`, from now on. True: it is now the earliest of all.
    pub(crate) fn set(&mut self, token: Token, due: Millis) -> bool {
        let index = token.index();
        if index >= self.filed.len() {
            self.filed.resize(index + 1, NEVER);
        }
        if due >= self.filed[index] {
            return false;
        }
        let earliest = self.next().is_none_or(|next| due < next);
        self.filed[index] = due;
        self.entries.push(Reverse((due, token)));
        earliest
    }

    /// When the next entry comes up.
    pub(crate) fn next(&self) -> Option<Millis> {
        self.entries.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes an entry that comes up at `now`. The connection may be gone or have a later deadline: whoever asks looks,
    /// and calls `set` again if so.
    pub(crate) fn take_due(&mut self, now: Millis) -> Option<Token> {
        if self.next()? > now {
            return None;
        }
        let Reverse((due, token)) = self.entries.pop()?;
        if let Some(filed) = self.filed.get_mut(token.index()).filter(|filed| **filed == due) {
            *filed = NEVER;
        }
        Some(token)
    }

    /// The connection is gone; its entries are dropped in time.
    pub(crate) fn forget(&mut self, token: Token) {
        if let Some(filed) = self.filed.get_mut(token.index()) {
            *filed = NEVER;
        }
    }

    /// Drops superseded entries once they are the greater part, so that many short connections do not pile them up.
    pub(crate) fn prune(&mut self, connections: usize) {
        if self.entries.len() > 2 * connections + 1024 {
            let filed = &self.filed;
            self.entries.retain(|Reverse((due, token))| filed.get(token.index()) == Some(due));
        }
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(number: usize) -> Token {
        Token::from_number(number)
    }

    proptest! {
        /// Against a map from connection to deadline: no deadline is reported early, none is forgotten.
        #[test]
        fn agrees_with_a_map(changes in proptest::collection::vec((0usize..8, 1u64..100, 0u64..20), 1..200)) {
            let mut deadlines = Deadlines::default();
            let mut truth = [NEVER; 8];
            let mut now = 0;
            for (connection, ahead, step) in changes {
                truth[connection] = now + ahead;
                deadlines.set(token(connection), now + ahead);
                now += step;
                while let Some(due) = deadlines.take_due(now) {
                    let index = due.index();
                    if truth[index] <= now {
                        truth[index] = NEVER;
                    } else if truth[index] != NEVER {
                        deadlines.set(due, truth[index]);
                    }
                }
                prop_assert!(truth.iter().all(|due| *due > now), "forgotten: {truth:?} at {now}");
                let earliest = truth.iter().min().copied().filter(|due| *due != NEVER);
                if let Some(earliest) = earliest {
                    prop_assert!(deadlines.next().is_some_and(|next| next <= earliest));
                }
            }
        }
    }

    #[test]
    fn moving_a_deadline_to_later_files_nothing() {
        let mut deadlines = Deadlines::default();
        assert!(deadlines.set(token(0), 10));
        assert!(!deadlines.set(token(0), 500));
        assert!(!deadlines.set(token(1), 20));
        assert!(deadlines.set(token(2), 5));
        assert_eq!(deadlines.entries.len(), 3);
    }

    #[test]
    fn pruning_keeps_one_entry_for_each_connection() {
        let mut deadlines = Deadlines::default();
        for due in (0..2000).rev() {
            deadlines.set(token(3), due);
        }
        deadlines.prune(1);
        assert_eq!(deadlines.entries.len(), 1);
        assert_eq!(deadlines.next(), Some(0));
        deadlines.forget(token(3));
        assert!(deadlines.set(token(3), NEVER - 1) || deadlines.entries.len() == 2);
    }
}
