//! Browsers, where there are any.

use std::path::Path;
use std::process::{Command, Stdio};

/// What Chromium is called here and there.
const CHROMIUMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"];

/// A Chromium without a window, which keeps what it keeps in `profile`; `None`: there is none.
pub fn chromium(profile: &Path) -> Option<Command> {
    let is_there = |name: &&str| {
        let ran = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        ran.is_ok_and(|status| status.success())
    };
    let mut command = Command::new(CHROMIUMS.into_iter().find(is_there)?);
    command.args(["--headless", "--no-sandbox", "--disable-gpu"]);
    command.arg(format!("--user-data-dir={}", profile.display())).stdin(Stdio::null());
    Some(command)
}
