//! A file system of the test's own, what is in whose files comes when a gate is open: a disk that somebody waits for.
//!
//! The idea: the system asks a process for what is in a file (FUSE), and that is this one. Names and sizes it tells at
//! once, as what is known of a disk that was looked at before.
//!
//! Source: linux/fuse.h, the protocol's version 7.31. Only who may mount has one.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
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

/// A folder with files that are slow; it is gone with this.
pub(crate) struct SlowDisk {
    place: TempDir,
    waiting: Arc<AtomicUsize>,
}

/// What answers for it.
struct Disk {
    device: File,
    files: Vec<(String, Vec<u8>)>,
    gate: Gate,
    waiting: Arc<AtomicUsize>,
}

impl SlowDisk {
    /// One with these files, whose contents come behind `gate`. `None`: there can be none here.
    pub(crate) fn mount(files: &[(&str, Vec<u8>)], gate: &Gate) -> Option<Self> {
        let device = File::options().read(true).write(true).open("/dev/fuse").ok()?;
        let place = tempfile::tempdir().unwrap();
        // Its device is the program's standard input.
        let mut mount = Command::new("mount");
        mount.args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0", "slow-disk"]);
        mount.arg(place.path()).stdin(device.try_clone().ok()?).stdout(Stdio::null()).stderr(Stdio::null());
        if !mount.status().is_ok_and(|status| status.success()) {
            return None;
        }
        let waiting = Arc::new(AtomicUsize::new(0));
        let files = files.iter().map(|(name, content)| ((*name).to_owned(), content.clone())).collect();
        let disk = Arc::new(Disk { device, files, gate: gate.clone(), waiting: waiting.clone() });
        thread::spawn(move || disk.serve());
        Some(Self { place, waiting })
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// How many times somebody has had to wait for what is in a file.
    pub(crate) fn waits(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // Also while somebody has a file open; then it is gone when that is closed.
        let _ = Command::new("umount").arg("-l").arg(self.place.path()).status();
    }
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
                    Ok(answer) => self.say(unique, 0, &answer),
                    Err(error) => self.say(unique, -error, &[]),
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
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.gate.pass();
        let content = (node.checked_sub(ROOT + 1)).and_then(|place| self.files.get(place as usize));
        let rest = content.and_then(|(_, content)| content.get(offset..)).unwrap_or_default();
        self.say(unique, 0, &rest[..size.min(rest.len())]);
    }

    fn say(&self, unique: u64, error: i32, answer: &[u8]) {
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
