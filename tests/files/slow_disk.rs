//! A file system of the test's own, what is in whose files comes when it is told so: a disk that somebody waits for.
//!
//! The idea: the system asks a process for what is in a file (FUSE), and that is one of ours. Names and sizes it tells
//! at once, as what is known of a disk that was looked at before.
//!
//! The rule: that process is none that asks for files. Whoever waits for one cannot be killed before he has an answer,
//! or nobody is there who could give one; so it ends with the test, however that ends.
//!
//! Source: linux/fuse.h, the protocol's version 7.31. Only who may mount has one.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anthill_tests::Gate;
use tempfile::TempDir;

/// What the system asks for, as far as it is answered with more than that there is no such thing.
mod asked {
    pub(super) const LOOKUP: u32 = 1;
    pub(super) const FORGET: u32 = 2;
    pub(super) const GETATTR: u32 = 3;
    pub(super) const OPEN: u32 = 14;
    pub(super) const READ: u32 = 15;
    pub(super) const STATFS: u32 = 17;
    pub(super) const RELEASE: u32 = 18;
    pub(super) const INIT: u32 = 26;
    pub(super) const OPENDIR: u32 = 27;
    pub(super) const READDIR: u32 = 28;
    pub(super) const RELEASEDIR: u32 = 29;
    pub(super) const INTERRUPT: u32 = 36;
    pub(super) const BATCH_FORGET: u32 = 42;
}

const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;

/// What stands in front of each question.
const HEADER_BYTES: usize = 40;

/// More than a question has.
const QUESTION_BYTES_MAX: usize = 1 << 17;

/// The folder's number; files have those behind it.
const ROOT: u64 = 1;

/// For so long the system need not ask again, in seconds.
const KNOWN_FOR: u64 = 3600;

/// When everything was written.
const WRITTEN: u64 = 1_700_000_000;

/// Tells the process that is the disk where to be it, and of what files: `PLACE NAME=BYTES ...`.
const DISK: &str = "ANTHILL_TESTS_DISK";

/// What its lines begin with, which are among those of the test that it is.
const MOUNTED: &str = "the disk is there";
const WAITS: &str = "the disk is waited for";

/// What is in a file of so many bytes.
pub(crate) fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

/// A folder with files that are slow; it is gone with this.
pub(crate) struct SlowDisk {
    place: TempDir,
    process: Child,
    /// A line opens the gate; at the end the process ends.
    orders: Option<ChildStdin>,
    waits: Arc<AtomicUsize>,
}

impl SlowDisk {
    /// One with these files, of so many bytes each. `None`: there can be none here.
    pub(crate) fn mount(files: &[(String, usize)]) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mut task = place.path().to_str()?.to_owned();
        files.iter().for_each(|(name, bytes)| task += &format!(" {name}={bytes}"));
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "slow_disk::is_a_disk_when_it_is_asked_to", "--nocapture"]).env(DISK, task);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let is_there = lines.any(|line| line.contains(MOUNTED));
        let waits = Arc::new(AtomicUsize::new(0));
        let count = waits.clone();
        thread::spawn(move || {
            lines.filter(|line| line.contains(WAITS)).for_each(|_| {
                count.fetch_add(1, Ordering::SeqCst);
            })
        });
        let orders = process.stdin.take();
        let disk = Self { place, process, orders, waits };
        is_there.then_some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// How many times somebody has had to wait for what is in a file.
    pub(crate) fn waits(&self) -> usize {
        self.waits.load(Ordering::SeqCst)
    }

    /// From now on nobody has to.
    pub(crate) fn open_gate(&mut self) {
        writeln!(self.orders.as_mut().unwrap()).unwrap();
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.process.wait();
    }
}

/// What answers for it.
struct Disk {
    device: File,
    files: Vec<(String, Vec<u8>)>,
    gate: Gate,
}

/// Not a test, but the process that is a disk for one.
#[test]
fn is_a_disk_when_it_is_asked_to() {
    let Ok(task) = env::var(DISK) else { return };
    let mut words = task.split(' ');
    let place = words.next().unwrap();
    let files = words.map(|file| {
        let (name, bytes) = file.split_once('=').unwrap();
        (name.to_owned(), content(bytes.parse().unwrap()))
    });
    let Ok(device) = File::options().read(true).write(true).open("/dev/fuse") else { return };
    // Its device is the program's standard input.
    let mut mount = Command::new("mount");
    mount.args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0", "slow-disk", place]);
    mount.stdin(device.try_clone().unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    if !mount.status().is_ok_and(|status| status.success()) {
        return;
    }
    let disk = Arc::new(Disk { device, files: files.collect(), gate: Gate::new() });
    let served = disk.clone();
    thread::spawn(move || served.serve());
    say(MOUNTED);
    io::stdin().lines().map_while(Result::ok).for_each(|_| disk.gate.open());
    // Also while somebody has a file open; whoever still waits is told that there is nothing any more.
    let _ = Command::new("umount").args(["-l", place]).status();
    std::process::exit(0);
}

/// In a line of its own, in one piece.
fn say(what: &str) {
    let _ = io::stdout().write_all(format!("\n{what}\n").as_bytes());
}

impl Disk {
    /// Answers until there is no such file system any more.
    fn serve(self: Arc<Self>) {
        let mut room = vec![0; QUESTION_BYTES_MAX];
        while let Ok(count @ HEADER_BYTES..) = (&self.device).read(&mut room) {
            let (opcode, unique, node) = (u32_at(&room, 4), u64_at(&room, 8), u64_at(&room, 16));
            let body = &room[HEADER_BYTES..count];
            match opcode {
                asked::FORGET | asked::BATCH_FORGET | asked::INTERRUPT => {}
                asked::READ => {
                    let (offset, size) = (u64_at(body, 8) as usize, u32_at(body, 16) as usize);
                    let disk = self.clone();
                    thread::spawn(move || disk.read(unique, node, offset, size));
                }
                _ => match self.answer(opcode, node, body) {
                    Ok(answer) => self.reply(unique, 0, &answer),
                    Err(error) => self.reply(unique, -error, &[]),
                },
            }
        }
    }

    fn answer(&self, opcode: u32, node: u64, body: &[u8]) -> Result<Vec<u8>, i32> {
        match opcode {
            asked::INIT => {
                let mut answer = Vec::new();
                // The version, how much is read ahead, and nothing that is optional.
                [7, 31, 128 * 1024, 0].iter().for_each(|value: &u32| answer.extend(value.to_ne_bytes()));
                answer.extend([12_u16, 9].iter().flat_map(|value| value.to_ne_bytes()));
                answer.extend(4096_u32.to_ne_bytes());
                answer.resize(64, 0);
                Ok(answer)
            }
            asked::LOOKUP => {
                let name = body.split(|&byte| byte == 0).next().unwrap_or_default();
                let is_it = |(known, _): &(String, _)| OsStr::from_bytes(name) == OsStr::new(known);
                let node = self.files.iter().position(is_it).ok_or(ENOENT)? as u64 + ROOT + 1;
                let numbers = [node, 0, KNOWN_FOR, KNOWN_FOR, 0];
                Ok([&words(&numbers)[..], &self.attributes(node)].concat())
            }
            asked::GETATTR => Ok([&words(&[KNOWN_FOR, 0])[..], &self.attributes(node)].concat()),
            asked::OPEN | asked::OPENDIR => Ok(vec![0; 16]),
            asked::STATFS => Ok(vec![0; 80]),
            asked::READDIR | asked::RELEASE | asked::RELEASEDIR => Ok(Vec::new()),
            _ => Err(ENOSYS),
        }
    }

    fn attributes(&self, node: u64) -> Vec<u8> {
        let content = (node.checked_sub(ROOT + 1)).and_then(|place| self.files.get(place as usize));
        let (mode, size) = match content {
            Some((_, content)) => (0o100_444_u32, content.len() as u64),
            None => (0o040_555, 0),
        };
        let mut all = words(&[node, size, size.div_ceil(512), WRITTEN, WRITTEN, WRITTEN]);
        // Fractions of the times, what it is, its names, whose it is, no device, how it is best read.
        let numbers = [1, 1, 1, mode, 1, 0, 0, 0, 4096, 0];
        all.extend(numbers.iter().flat_map(|value: &u32| value.to_ne_bytes()));
        all
    }

    fn read(&self, unique: u64, node: u64, offset: usize, size: usize) {
        say(WAITS);
        self.gate.pass();
        let content = (node.checked_sub(ROOT + 1)).and_then(|place| self.files.get(place as usize));
        let rest = content.and_then(|(_, content)| content.get(offset..)).unwrap_or_default();
        self.reply(unique, 0, &rest[..size.min(rest.len())]);
    }

    fn reply(&self, unique: u64, error: i32, answer: &[u8]) {
        let mut all = (16 + answer.len() as u32).to_ne_bytes().to_vec();
        all.extend(error.to_ne_bytes());
        all.extend(unique.to_ne_bytes());
        all.extend(answer);
        // Nobody waits for it any more where that fails.
        let _ = (&self.device).write(&all);
    }
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    u32::from_ne_bytes(bytes[place..place + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    u64::from_ne_bytes(bytes[place..place + 8].try_into().unwrap())
}

fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}
