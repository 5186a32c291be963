//! What it takes to write ten ordinary services: our examples beside the same by axum, in `benches/tasks`.
//!
//! Both are formatted by the same rules, both say in words what is wrong when they cannot start, both end at SIGTERM
//! when everybody has their answer. Blank lines and comments do not count.

use std::fs;
use std::path::Path;

const TASKS: [&str; 10] = [
    "json-api",
    "uploads",
    "events",
    "sessions",
    "proxy",
    "middleware",
    "metrics",
    "secure-echo",
    "tested-app",
    "systemd-socket",
];

fn lines(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
#[expect(clippy::print_stdout, reason = "the page of the tasks says that it prints them")]
fn no_task_takes_more_lines_than_with_axum() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for task in TASKS {
        let ours = lines(&root.join(format!("http/examples/{task}.rs")));
        let theirs = lines(&root.join(format!("benches/tasks/{task}.rs")));
        println!("{task}: {ours} lines, with axum {theirs}");
        assert!(ours <= theirs, "{task} takes {ours} lines, with axum {theirs}");
    }
}
