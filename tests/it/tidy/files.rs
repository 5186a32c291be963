//! The source as text: which files there are, and their code without comments and unit tests.

use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").to_path_buf()
}

/// Every Rust file below `folder`, with its text.
pub(super) fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(folder), &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("readable source");
            (path.strip_prefix(&root).expect("below the root").display().to_string(), text)
        })
        .collect()
}

/// The text without comments and without unit tests, which may stand on std.
pub(super) fn code(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_test = ["#[cfg(test)]", "#[cfg(all(test, not(anthill_loom)))]"].contains(&line.trim())
            && lines.peek().is_some_and(|next| next.trim_start().starts_with("mod "));
        if is_test {
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let _ = lines
                .by_ref()
                .find(|line| *line == end || line.trim_end().ends_with(';') && line.contains("mod "));
        } else if !line.trim_start().starts_with("//") {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// Whether a library's file has nothing but unit tests.
pub(super) fn is_test_file(path: &str) -> bool {
    path.split(['/', '.']).any(|name| name == "tests")
}
