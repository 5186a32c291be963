//! Tests that measure their process, or see it die, and so have one of their own.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{self, Child, Command, Output, Stdio};
use std::{env, fs, thread};

use crate::{LONG_PATIENCE, background, eventually};

/// Set in a process that a test has started.
const CHILD: &str = "ANTHILL_TESTS_CHILD";

/// Runs `work` in a process without other tests; says how that ended and what it printed. `name` is the full name of
/// the test that calls this, and what it did before is done in both processes.
///
/// # Panics
/// When the process hangs.
#[track_caller]
pub fn apart(name: &str, work: impl FnOnce()) -> Output {
    run_apart(name, "", work)
}

/// As [`apart`], for work that succeeds, and may have so many descriptors.
///
/// # Panics
/// When it fails or hangs.
#[track_caller]
pub fn apart_with_descriptors(name: &str, descriptors: usize, work: impl FnOnce()) {
    let child = run_apart(name, &format!("ulimit -n {descriptors} && "), work);
    assert!(child.status.success(), "{child:?}");
}

/// As [`apart`], for work that succeeds, as a user without privileges. False: this process cannot become another user.
///
/// # Panics
/// When it fails or hangs.
#[track_caller]
pub fn apart_without_privileges(name: &str, work: impl FnOnce()) -> bool {
    apart_by("setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all", name, work)
}

/// As [`apart`], for work that succeeds and may [`mount`] what nobody else sees. False: this system does not let it.
///
/// # Panics
/// When it fails or hangs.
#[track_caller]
pub fn apart_with_mounts(name: &str, work: impl FnOnce()) -> bool {
    let change = "unshare --user --map-root-user --mount";
    apart_by(change, name, work)
}

/// What nginx has to be told in its block `http` so that its temporary files are in `folder`.
pub fn nginx_temporary(folder: &Path) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    kinds.map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.display())).concat()
}

/// Mounts a file system of that kind, in a process of its own.
///
/// # Panics
/// When that is refused.
#[track_caller]
pub fn mount(kind: &str, place: &Path, options: &str) {
    let status = Command::new("mount").args(["-t", kind, "-o", options, kind]).arg(place).status();
    assert!(status.expect("mount").success(), "{kind} {options}");
}

/// Does some work in a process that was started by the program `change`, if that can start one.
#[track_caller]
fn apart_by(change: &str, name: &str, work: impl FnOnce()) -> bool {
    let can = || {
        Command::new("sh")
            .arg("-c")
            .arg(format!("{change} \"$0\" --list"))
            .arg(env::current_exe().expect("a program"))
            .output()
    };
    if env::var_os(CHILD).is_none() && !can().is_ok_and(|output| output.status.success()) {
        return false;
    }
    let child = run_apart_as(name, "", change, work);
    assert!(child.status.success(), "{child:?}");
    true
}

/// A program that serves in a process of its own; killed with this.
#[derive(Debug)]
pub struct ServingApart {
    child: Child,
    address: SocketAddr,
}

/// Where programs of their own listen. Ports are found by looking for a free one, which is let go of then; on this
/// address no test takes it meanwhile that listens within its process.
const OWN_ADDRESS: Ipv4Addr =
    if cfg!(target_os = "linux") { Ipv4Addr::new(127, 0, 0, 2) } else { Ipv4Addr::LOCALHOST };

/// The variable that names where a program is to listen.
pub const ADDRESS: &str = "ANTHILL_TESTS_ADDRESS";
/// The variable that says which of several programs is to run.
const NUMBER: &str = "ANTHILL_TESTS_NUMBER";

/// Starts `programs[number]` in a process without other tests, as the word `before` the command line has it, and waits
/// until it listens where the variable [`ADDRESS`] says. Its result is the code that the process ends with. `name` is
/// the full name of the test that calls this.
///
/// # Panics
/// When it never listens.
#[track_caller]
pub fn serve_apart(name: &str, before: &str, programs: &[&dyn Fn() -> i32], number: usize) -> ServingApart {
    if env::var_os(CHILD).is_some() {
        let number = env::var(NUMBER).expect("a number").parse::<usize>().expect("a number");
        process::exit(programs[number]());
    }
    let free = TcpListener::bind((OWN_ADDRESS, 0)).expect("a free port");
    let address = free.local_addr().expect("it listens");
    drop(free);
    // Whoever calls this is run, whatever it takes.
    let script = format!("exec {before} \"$0\" --exact {name} --nocapture --include-ignored");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(env::current_exe().expect("a program"));
    command.env(CHILD, "1").env(NUMBER, number.to_string()).env(ADDRESS, address.to_string());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("a process");
    let mut serving = ServingApart { child, address };
    eventually("the program listens", || {
        assert_eq!(serving.child.try_wait().expect("our child"), None, "the program has ended");
        TcpStream::connect(address).is_ok()
    });
    serving
}

impl ServingApart {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process that was started.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: `TERM`.
    ///
    /// # Panics
    /// When there is no such process.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Waits for its end; the code, if it was not killed, and what it printed.
    ///
    /// # Panics
    /// When it never ends.
    #[track_caller]
    pub fn outcome(mut self) -> (Option<i32>, String) {
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        let mut printed = String::new();
        let mut stdout = self.child.stdout.take().expect("it is piped");
        stdout.read_to_string(&mut printed).expect("text");
        (status.and_then(|status| status.code()), printed)
    }
}

impl Drop for ServingApart {
    fn drop(&mut self) {
        let _: io::Result<()> = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
///
/// # Panics
/// When there is no such process.
#[track_caller]
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status();
    assert!(sent.expect("a command").success(), "no process {process}");
}

/// Decides whether the system gives this process threads. No process can be started while it does not, so those that
/// change it are started before. It binds no process of root's.
#[derive(Debug)]
pub struct ThreadLimit {
    forbids: Child,
    allows: Child,
}

impl ThreadLimit {
    /// Threads are given still.
    ///
    /// # Panics
    /// When the system has no limit of that kind.
    pub fn new() -> Self {
        let process = process::id();
        let said = Command::new("prlimit")
            .args(["--raw", "--noheadings", "--output=SOFT", "--nproc", &format!("--pid={process}")])
            .output()
            .expect("a command");
        let limit = String::from_utf8(said.stdout).expect("text");
        let change = |limit: &str| {
            let script = format!("read go && exec prlimit --pid={process} --nproc={limit}:");
            Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("a process")
        };
        ThreadLimit { forbids: change("1"), allows: change(limit.trim()) }
    }

    /// From now on no thread is given.
    ///
    /// # Panics
    /// When some are given still.
    pub fn forbid(&mut self) {
        go(&mut self.forbids);
        assert!(thread::Builder::new().spawn(|| {}).is_err(), "threads are given still");
    }

    /// From now on they are given again.
    ///
    /// # Panics
    /// When none is.
    pub fn allow(&mut self) {
        go(&mut self.allows);
        thread::Builder::new().spawn(|| {}).expect("threads are given").join().expect("it does nothing");
    }
}

impl Default for ThreadLimit {
    fn default() -> Self {
        ThreadLimit::new()
    }
}

/// Has a process that waits for a line go on, and waits for its end.
fn go(process: &mut Child) {
    process.stdin.take().expect("it goes on once").write_all(b"\n").expect("it waits");
    assert!(process.wait().expect("our child").success(), "the limit cannot be changed");
}

#[track_caller]
fn run_apart(name: &str, prepared: &str, work: impl FnOnce()) -> Output {
    run_apart_as(name, prepared, "", work)
}

fn run_apart_as(name: &str, prepared: &str, before: &str, work: impl FnOnce()) -> Output {
    if env::var_os(CHILD).is_some() {
        work();
        process::exit(0);
    }
    let script = format!("{prepared}exec {before} \"$0\" --exact {name} --nocapture");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(env::current_exe().expect("a program")).env(CHILD, "1");
    let child = background(move || command.output().expect("a process"));
    child.outcome_within(LONG_PATIENCE, "the child process")
}

/// How much memory of a kind this process has now, by the kernel's name for it, in KiB.
///
/// # Panics
/// When the kernel does not tell.
#[track_caller]
pub fn memory_kib(kind: &str) -> usize {
    status_of(process::id(), kind)
}

/// The same of another process, and whatever else the kernel calls by a name and a number: `Threads`.
///
/// # Panics
/// When the kernel does not tell.
#[track_caller]
pub fn status_of(process: u32, kind: &str) -> usize {
    let status =
        fs::read_to_string(format!("/proc/{process}/status")).expect("the kernel describes processes");
    let line = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':')).expect(kind);
    line.trim().trim_end_matches(" kB").parse().expect(kind)
}

/// How many descriptors a process has open.
///
/// # Panics
/// When the kernel does not tell.
#[track_caller]
pub fn descriptors_of(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("the kernel lists descriptors").count()
}
