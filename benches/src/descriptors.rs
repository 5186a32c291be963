//! How many descriptors a process may have, which is how many connections it may have at once.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that a program has besides its connections, with room to spare.
const OTHERS: u64 = 100;

/// So many connections or, where the system does not allow that, as many as it does. Programs started later may have as
/// many.
#[must_use]
pub fn for_connections(wanted: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let needed = wanted as u64 + OTHERS;
    if soft < needed {
        // Where it is refused, the limit stays what it is read as below.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, needed.min(hard), hard);
    }
    let allowed = getrlimit(Resource::RLIMIT_NOFILE).map_or(soft, |(soft, _)| soft);
    usize::try_from(allowed.saturating_sub(OTHERS)).map_or(wanted, |allowed| allowed.min(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_wanted_nor_than_there_may_be() {
        assert_eq!(for_connections(1), 1);
        let most = for_connections(usize::MAX / 2);
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(most as u64 <= soft, "{most} of {soft}");
    }
}
