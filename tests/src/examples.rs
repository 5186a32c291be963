//! The examples, as the programs that cargo has made of them.
//!
//! The rule: what is driven is what the source says. A plain `cargo test` makes all examples before it runs tests; one
//! that is older than a file it was made of, because only some target was asked for, is a failure that says so.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use std::{env, fs, io, thread};

use crate::eventually;
use crate::processes::signal;

/// An example that serves in a process of its own; killed with this.
#[derive(Debug)]
pub struct Example {
    name: String,
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// How an example has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its code; `None` when it was killed.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// What was read of an output so far.
type Output = Arc<Mutex<String>>;

impl Example {
    /// Starts the example `name` with these variables in its environment, and waits until it says where it listens.
    /// Unless they say otherwise that is a free port.
    ///
    /// # Panics
    /// When it was not made of its source, or never says so.
    #[track_caller]
    pub fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::launch(name, &[], variables).listening()
    }

    /// Waits until it says where it listens.
    ///
    /// # Panics
    /// When it ends instead, or never says so.
    #[track_caller]
    pub fn listening(mut self) -> Self {
        eventually("the example says where it listens", || {
            let has_ended = self.child.try_wait().expect("our child").is_some();
            assert!(!has_ended, "{} has ended: {}", self.name, text(&self.stderr));
            self.line("listening on ").is_some()
        });
        self
    }

    /// Starts the example `name` with these arguments and variables.
    ///
    /// # Panics
    /// When it was not made of its source.
    #[track_caller]
    pub fn launch(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program(name));
        command.args(arguments).env("ADDRESS", "127.0.0.1:0").envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let stdout = read(child.stdout.take().expect("it is piped"));
        let stderr = read(child.stderr.take().expect("it is piped"));
        Self { name: name.to_owned(), child, stdout, stderr }
    }

    /// What follows `start` on the first line that it has printed of those that begin so.
    pub fn line(&self, start: &str) -> Option<String> {
        // What has no end yet is no line.
        let printed = text(&self.stdout);
        let lines = printed.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        lines.filter_map(|line| line.strip_prefix(start)).map(str::to_owned).next()
    }

    /// Where it says that it listens.
    ///
    /// # Panics
    /// When that is no address.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        let line = self.line("listening on ").expect("it has said so");
        line.trim_start_matches("http://")
            .trim_start_matches("https://")
            .parse()
            .unwrap_or_else(|_| panic!("{} listens on {line}", self.name))
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// What it has complained of so far.
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Sends it a signal: `TERM`.
    ///
    /// # Panics
    /// When it has ended.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it never ends.
    #[track_caller]
    pub fn outcome(mut self) -> Ended {
        let mut status = None;
        eventually("the example ends", || {
            status = self.child.try_wait().expect("our child");
            // Whoever reads what it printed drops their half at its end.
            let is_read = [&self.stdout, &self.stderr].map(Arc::strong_count) == [1, 1];
            status.is_some() && is_read
        });
        let code = status.and_then(|status| status.code());
        Ended { code, stdout: text(&self.stdout), stderr: text(&self.stderr) }
    }

    /// Ends it by SIGTERM; what it printed.
    ///
    /// # Panics
    /// When it does not end well.
    #[track_caller]
    pub fn end(self) -> String {
        let name = self.name.clone();
        self.signal("TERM");
        let ended = self.outcome();
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        ended.stdout
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _: io::Result<()> = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all of it on a thread.
fn read(from: impl Read + Send + 'static) -> Output {
    let output = Output::default();
    let written = output.clone();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
            let mut output = written.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    output
}

fn text(output: &Output) -> String {
    output.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The program of an example.
///
/// # Panics
/// When there is none, or it is older than what it is made of.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let own = env::current_exe().expect("this program has a path");
    let built = own.parent().and_then(Path::parent).expect("cargo's folder");
    let program = built.join("examples").join(name);
    let help = "make it by `cargo build --examples`, or test by a plain `cargo test`";
    let made = modified(&program).unwrap_or_else(|| panic!("there is no {}; {help}", program.display()));
    let newer = sources(&program).into_iter().find(|source| modified(source).is_none_or(|time| time > made));
    if let Some(source) = newer {
        panic!("{} is older than {}; {help}", program.display(), source.display());
    }
    program
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

/// The files of this workspace that a program is made of, as cargo has noted beside it.
fn sources(program: &Path) -> Vec<PathBuf> {
    let note = fs::read_to_string(program.with_extension("d")).expect("cargo's note of what it is made of");
    let (_, list) = note.split_once(": ").expect("a rule as make has them");
    // Blanks inside of a name are escaped.
    let list = list.trim_end().replace("\\ ", "\0");
    list.split(' ').map(|path| PathBuf::from(path.replace('\0', " "))).collect()
}
