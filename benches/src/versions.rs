//! Versions of the peers as they were built, for the record that a table is.

const LOCK: &str = include_str!("../../Cargo.lock");

/// The version of a package in the workspace's lock file; "?" when it is not there. Of several it is the newest, which
/// comes last; the others are there because some peer wants them.
pub(crate) fn of(package: &str) -> &'static str {
    let mut newest = "?";
    let mut lines = LOCK.lines();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"'));
        if name == Some(package) {
            let version = lines.next().and_then(|line| line.strip_prefix("version = \""));
            newest = version.and_then(|rest| rest.strip_suffix('"')).unwrap_or("?");
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    #[test]
    fn peers_are_in_the_lock_file() {
        assert!(super::of("hyper").starts_with("1."), "hyper is {}", super::of("hyper"));
        assert!(super::of("http").starts_with("1."), "http is {}", super::of("http"));
        assert_eq!(super::of("no-such-package"), "?");
    }
}
