//! Unix domain sockets: the file that stands for one, whose it is, and when it may be replaced.
//!
//! The rule: a file is only ever removed when it is a socket that nobody listens on, or our own. Servers of this
//! library that want the same path at once go one after the other, by a lock on the directory.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::FlockOperation;
use socket2::{Domain, SockAddr, Socket, Type};

use super::listen_error::explain_rest;
use crate::config::settings::ListenOptions;
use crate::engine::accept::listener::ListeningSocket;

/// How often and how far apart the directory is asked for, while somebody else has its lock.
const LOCK_ATTEMPTS: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A Unix domain socket that is listened on; of [`Server::listen_unix`](crate::Server::listen_unix), or made of a
/// listener of your own.
///
/// Its file, when it was made here, is removed just before it ceases to listen, if it is still the same.
#[derive(Debug)]
#[must_use = "it listens until it is dropped"]
pub struct UnixSocket {
    file: Option<SocketFile>,
    listener: UnixListener,
}

/// Who may connect to a Unix domain socket, for [`Server::listen_unix`](crate::Server::listen_unix): the mode of its
/// file, and its owner.
///
/// A number is a mode, so that `0o660` can be written instead of `UnixAccess::mode(0o660)`.
#[derive(Clone, Copy, Debug)]
pub struct UnixAccess {
    mode: u32,
    user: Option<u32>,
    group: Option<u32>,
}

impl UnixAccess {
    /// Whoever may write to a file of this mode: `0o600` its owner, `0o660` its group as well, `0o666` everybody. The
    /// file has exactly this mode, whatever the process's umask.
    pub fn mode(mode: u32) -> Self {
        Self { mode, user: None, group: None }
    }

    /// The file belongs to this user and group; what is `None` stays that of the process. Only the administrator can
    /// give a file to another user.
    pub fn owner(self, user: impl Into<Option<u32>>, group: impl Into<Option<u32>>) -> Self {
        Self { user: user.into(), group: group.into(), ..self }
    }
}

impl From<u32> for UnixAccess {
    fn from(mode: u32) -> Self {
        Self::mode(mode)
    }
}

impl From<UnixListener> for UnixSocket {
    /// The file is not touched.
    fn from(listener: UnixListener) -> Self {
        Self { file: None, listener }
    }
}

/// The file of a socket of ours; removed with this.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    id: FileId,
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|metadata| FileId::of(&metadata) == self.id);
        if is_ours {
            if let Err(error) = fs::remove_file(&self.path) {
                log::warn!("the socket {} could not be removed: {error}", self.path.display());
            }
        }
    }
}

impl UnixSocket {
    pub(super) fn into_listening(self) -> io::Result<ListeningSocket> {
        ListeningSocket::unix(self.listener, self.file.map(|file| Box::new(file) as _))
    }
}

/// As [`Server::listen_unix`](crate::Server::listen_unix).
pub(super) fn listen(path: &Path, access: UnixAccess) -> io::Result<UnixSocket> {
    bind(path, access).map_err(|error| explain(path, error))
}

fn bind(path: &Path, access: UnixAccess) -> io::Result<UnixSocket> {
    // An empty one would be a name of the system's choice.
    if path.as_os_str().is_empty() {
        return Err(refused(ErrorKind::InvalidInput, "the path is empty"));
    }
    // The directory may be left before the socket is.
    let path = std::path::absolute(path)?;
    let address = SockAddr::unix(&path).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => refused(
            ErrorKind::InvalidInput,
            "the path is too long for a socket (107 bytes on most systems), or has a zero byte; choose a shorter one",
        ),
        _ => error,
    })?;
    let _lock = path.parent().and_then(lock);
    make_room(&path, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address)?;
    let file = SocketFile { id: FileId::of(&fs::symlink_metadata(&path)?), path };
    // Nobody can connect before `listen`.
    fs::set_permissions(&file.path, fs::Permissions::from_mode(access.mode))?;
    if access.user.is_some() || access.group.is_some() {
        chown(&file.path, access.user, access.group)?;
    }
    socket.listen(ListenOptions::default().backlog)?;
    Ok(UnixSocket { file: Some(file), listener: socket.into() })
}

/// The directory, locked until the answer is dropped, so that a socket is not taken for one that was left behind while
/// its server is about to listen. `None`: it cannot be had, which is worth no refusal.
fn lock(directory: &Path) -> Option<fs::File> {
    let directory = fs::File::open(directory).ok()?;
    for _ in 0..LOCK_ATTEMPTS {
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => thread::sleep(LOCK_PAUSE),
            Err(_) => return None,
        }
    }
    None
}

/// Removes the socket at `path` if nobody listens on it.
fn make_room(path: &Path, address: &SockAddr) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        let found = "a file that is no socket lies there; remove it or choose another path";
        return Err(refused(ErrorKind::AlreadyExists, found));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A server whose queue is full is not waited for.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let found = "it cannot be told whether somebody listens on the socket there, which is another user's; \
                         remove it or choose another path";
            Err(refused(ErrorKind::PermissionDenied, found))
        }
        _ => Err(refused(
            ErrorKind::AddrInUse,
            "another program listens there; stop it or choose another path",
        )),
    }
}

fn refused(kind: ErrorKind, why: &'static str) -> io::Error {
    io::Error::new(kind, why)
}

fn explain(path: &Path, error: io::Error) -> io::Error {
    let (kind, path) = (error.kind(), path.display());
    let is_ours = error.get_ref().is_some();
    let help = match kind {
        _ if is_ours => return io::Error::new(kind, format!("cannot listen on {path}: {error}")),
        ErrorKind::NotFound => "make the directory first",
        ErrorKind::PermissionDenied => {
            "this user may not write to the directory, or not give the file away; choose another directory or user"
        }
        ErrorKind::NotADirectory => "a part of the path is no directory",
        _ => return explain_rest(&path, error),
    };
    io::Error::new(kind, format!("cannot listen on {path}: {error}; {help}"))
}
