//! Unix domain sockets: the file that stands for one, whose it is, and when it may be replaced.
//!
//! The rule: a file is only ever removed when it is a socket that nobody listens on, or our own. Servers of this library that
//! want the same path at once go one after the other, by a lock on the directory.

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
use super::{RunningServer, Server};
use crate::config::settings::ListenOptions;
use crate::engine::accept::listener::Listener;

/// How often and how far apart the directory is asked for, while somebody else has its lock.
const LOCK_ATTEMPTS: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A Unix domain socket that is listened on; of [`Server::listen_unix`], or made of a listener of your own.
///
/// Its file, when it was made here, is removed just before it ceases to listen, if it is still the same.
#[derive(Debug)]
#[must_use = "it listens until it is dropped"]
pub struct UnixSocket {
    file: Option<SocketFile>,
    listener: UnixListener,
}

/// Who may connect to a Unix domain socket, for [`Server::listen_unix`]: the mode of its file, and its owner.
///
/// A number is a mode, so that `0o660` can be written instead of `UnixAccess::mode(0o660)`.
#[derive(Clone, Copy, Debug)]
pub struct UnixAccess {
    mode: u32,
    user: Option<u32>,
    group: Option<u32>,
}

impl UnixAccess {
    /// Whoever may write to a file of this mode: `0o600` its owner, `0o660` its group as well, `0o666` everybody. The file has
    /// exactly this mode, whatever the process's umask.
    pub fn mode(mode: u32) -> Self {
        Self { mode, user: None, group: None }
    }

    /// The file belongs to this user and group; what is `None` stays that of the process. Only the administrator can give a
    /// file to another user.
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

impl Server {
    /// Listens on a Unix domain socket, for [`serve_unix`](Server::serve_unix) and [`start_unix`](Server::start_unix) to
    /// use. Its file has the mode (and owner) that `access` says before anybody can connect.
    ///
    /// A socket at `path` that a server has left behind, on which nobody listens, is replaced; any other file is not.
    ///
    /// # Errors
    /// When somebody listens there ([`AddrInUse`](ErrorKind::AddrInUse)), when another file lies there
    /// ([`AlreadyExists`](ErrorKind::AlreadyExists)), and when the system refuses; the error names the path and what may help.
    ///
    /// ```
    /// use std::os::unix::fs::PermissionsExt;
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("shop.sock");
    /// let server = anthill_http::Server::new(|ctx| ctx.set_body("open"))?;
    /// let running = server.start_unix(anthill_http::Server::listen_unix(&path, 0o660)?)?;
    /// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o660);
    ///
    /// server.shutdown(Duration::from_secs(5))?;
    /// running.join()?;
    /// assert!(!path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // SRV-04.
    pub fn listen_unix(path: impl AsRef<Path>, access: impl Into<UnixAccess>) -> io::Result<UnixSocket> {
        let path = path.as_ref();
        bind(path, access.into()).map_err(|error| explain(path, error))
    }

    /// Listens on a Unix domain socket as [`listen_unix`](Server::listen_unix) does, and serves until somebody calls
    /// [`shutdown`](Server::shutdown).
    ///
    /// # Errors
    /// As `listen_unix`, and as [`serve`](Server::serve) afterwards.
    // SRV-04.
    pub fn listen_and_serve_unix(
        &self,
        path: impl AsRef<Path>,
        access: impl Into<UnixAccess>,
    ) -> io::Result<()> {
        self.serve_unix(Self::listen_unix(path, access)?)
    }

    /// As [`serve`](Server::serve), for a Unix domain socket.
    ///
    /// # Errors
    /// As `serve`.
    pub fn serve_unix(&self, socket: impl Into<UnixSocket>) -> io::Result<()> {
        self.serve_one(socket.into().into_listener()?)
    }

    /// As [`start`](Server::start), for a Unix domain socket.
    ///
    /// # Errors
    /// When threads or pollers cannot be made.
    pub fn start_unix(&self, socket: impl Into<UnixSocket>) -> io::Result<RunningServer> {
        self.start_one(socket.into().into_listener()?)
    }
}

impl UnixSocket {
    fn into_listener(self) -> io::Result<Listener> {
        Listener::unix(self.listener, self.file.map(|file| Box::new(file) as _))
    }
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

/// The directory, locked until the answer is dropped, so that a socket is not taken for one that was left behind while its
/// server is about to listen. `None`: it cannot be had, which is worth no refusal.
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
