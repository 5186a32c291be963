//! What snapshots are compared with: files, and texts in the test.

use super::SnapshotRules;
use crate::testing::differences::line_differences;
use crate::testing::failing::fail;
use crate::testing::response::TestResponse;
use std::borrow::Cow;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The variable that has snapshots written.
const VARIABLE: &str = "ANTHILL_SNAPSHOTS";

/// What snapshots are compared with.
impl TestResponse {
    /// The [`snapshot`](Self::snapshot) is what the file at `path` has; a path that is not absolute begins at the
    /// package's folder (`CARGO_MANIFEST_DIR`). With `ANTHILL_SNAPSHOTS=write` in the environment the file is written,
    /// with its folders, if it is not the same, and the test goes on.
    ///
    /// # Panics
    /// When the file is not there, or has something else; the message says what, and how to write it.
    #[track_caller]
    pub fn assert_snapshot(&self, path: impl AsRef<Path>) -> &Self {
        self.assert_snapshot_by(&SnapshotRules::new(), path)
    }

    /// As [`assert_snapshot`](Self::assert_snapshot), by further rules.
    ///
    /// # Panics
    /// As that.
    #[track_caller]
    pub fn assert_snapshot_by(&self, rules: &SnapshotRules, path: impl AsRef<Path>) -> &Self {
        let snapshot = self.snapshot_by(rules);
        let path = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(package) => PathBuf::from(package).join(path),
            None => path.as_ref().to_owned(),
        };
        let writes = env::var_os(VARIABLE).is_some_and(|value| value == "write");
        if let Err(why) = compare_with_file(&snapshot, &path, writes) {
            self.fail(format_args!("{why}"));
        }
        self
    }

    /// The [`snapshot`](Self::snapshot) is this text. The indentation that all its lines share does not count, nor do
    /// blanks and empty lines at its beginning and end, so that it can stand where the code does.
    ///
    /// ```
    /// use anthill_http::testing::TestServer;
    ///
    /// let server = TestServer::new(|ctx| ctx.not_found());
    /// server.get("/").send().assert_snapshot_inline(
    ///     "
    ///     HTTP/1.1 404 Not Found
    ///     content-length: 18
    ///     content-type: text/plain; charset=utf-8
    ///     date: [date]
    ///     server: anthill
    ///
    ///     404 Page not found
    ///     ",
    /// );
    /// ```
    ///
    /// # Panics
    /// When it is another one; the message has the text that was found, to be put in its place.
    #[track_caller]
    pub fn assert_snapshot_inline(&self, expected: &str) -> &Self {
        self.assert_snapshot_inline_by(&SnapshotRules::new(), expected)
    }

    /// As [`assert_snapshot_inline`](Self::assert_snapshot_inline), by further rules.
    ///
    /// # Panics
    /// As that.
    #[track_caller]
    pub fn assert_snapshot_inline_by(&self, rules: &SnapshotRules, expected: &str) -> &Self {
        let snapshot = self.snapshot_by(rules);
        let (expected, found) = (without_indentation(expected), without_indentation(&snapshot));
        if expected != found {
            let differences = line_differences(&expected, &found);
            fail(format_args!(
                "the response is another one than the snapshot (- expected, + found):\n{differences}\n\
                 if it is as it should be, put this in the place of the text:\n\n{snapshot}"
            ));
        }
        self
    }
}

/// Compares, or writes.
fn compare_with_file(snapshot: &str, path: &Path, writes: bool) -> Result<(), String> {
    let kept = match fs::read_to_string(path) {
        // Where files are checked out with other ends of lines they mean the same.
        Ok(kept) => Some(kept.replace("\r\n", "\n")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("the snapshot {} cannot be read: {error}", path.display())),
    };
    if kept.as_deref() == Some(snapshot) {
        return Ok(());
    }
    if writes {
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, snapshot)
        };
        return write()
            .map_err(|error| format!("the snapshot {} cannot be written: {error}", path.display()));
    }
    let how = format!("if the response is as it should be, run the test again with {VARIABLE}=write");
    Err(match kept {
        None => format!("there is no snapshot {}; {how}", path.display()),
        Some(kept) => {
            let differences = line_differences(&kept, snapshot);
            let at = path.display();
            format!(
                "the response is another one than the snapshot {at} (- expected, + found):\n{differences}\n{how}"
            )
        }
    })
}

/// A text without the indentation that all its lines share, and without what is empty around it.
fn without_indentation(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let is_empty = |line: &&str| line.is_empty();
    let start = lines.iter().take_while(|line| is_empty(line)).count();
    let end = lines.len() - lines.iter().rev().take_while(|line| is_empty(line)).count();
    let lines = lines.get(start..end).unwrap_or_default();
    let blanks = |line: &&str| line.len() - line.trim_start().len();
    let shared = lines.iter().filter(|line| !line.is_empty()).map(blanks).min().unwrap_or(0);
    let cut: Vec<Cow<'_, str>> =
        lines.iter().map(|line| line.get(shared..).unwrap_or_default().into()).collect();
    cut.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indentation_does_not_count() {
        assert_eq!(without_indentation("\n    a\n      b\n\n    c\n    "), "a\n  b\n\nc");
        assert_eq!(without_indentation("a\n b\n"), "a\n b");
        assert_eq!(without_indentation(" \n "), "");
    }
}
