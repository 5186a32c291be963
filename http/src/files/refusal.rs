//! What requests are answered for which there is no file.
//!
//! The rule: what the system says about a file decides the status. What is the server's own trouble is logged, and not
//! told.

use super::names::BadPath;
use crate::ctx::RequestCtx;
use crate::values::status;
use std::io;

/// Why a request gets no file.
#[derive(Debug)]
pub(super) enum FileRefusal {
    /// A path that nothing can have.
    BadName,
    /// A rewritten path that goes above the root.
    Rewritten,
    Missing,
    /// A folder that has no index and is not listed.
    NoIndex,
    Denied,
    /// Too many files are open.
    Busy(io::Error),
    /// Another process has been promised to be asked before anybody else opens it (a lease), and now is.
    Held(io::Error),
    Failed(io::Error),
}

impl FileRefusal {
    /// What to make of a path. One that was rewritten by the user's function was checked by nobody before.
    pub(super) fn of_path(bad: BadPath, is_rewritten: bool) -> Self {
        match bad {
            BadPath::Nul => Self::BadName,
            BadPath::Above if is_rewritten => Self::Rewritten,
            BadPath::Above | BadPath::Nothing => Self::Missing,
        }
    }

    pub(super) fn answer(&self, ctx: &mut RequestCtx) {
        match self {
            Self::BadName => ctx.error("The path has a NUL in it", 400),
            Self::Missing => ctx.error("Cannot open requested path", 404),
            Self::NoIndex => ctx.error("Directory index is forbidden", 403),
            Self::Denied => ctx.error("Forbidden", 403),
            Self::Rewritten => fail(ctx, 500, &"the path was rewritten to one above the root"),
            Self::Failed(error) => fail(ctx, 500, error),
            Self::Busy(error) | Self::Held(error) => {
                fail(ctx, 503, error);
                ctx.response.set_header("Retry-After", "1");
            }
        }
    }
}

fn fail(ctx: &mut RequestCtx, code: u16, error: &dyn std::fmt::Display) {
    let path = ctx.path();
    log::error!(target: "anthill_http::files", "{path:?} cannot be served; answered {code}: {error}");
    ctx.error(status::reason(code), code);
}

impl From<io::Error> for FileRefusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => return Self::Missing,
            io::ErrorKind::PermissionDenied => return Self::Denied,
            io::ErrorKind::WouldBlock => return Self::Held(error),
            _ => {}
        }
        #[cfg(unix)]
        {
            use rustix::io::Errno;
            match Errno::from_io_error(&error) {
                // Links in a circle, names that are too long, doors that nobody is behind.
                Some(Errno::LOOP | Errno::NAMETOOLONG | Errno::NXIO | Errno::ILSEQ) => return Self::Missing,
                Some(Errno::MFILE | Errno::NFILE) => return Self::Busy(error),
                _ => {}
            }
        }
        #[cfg(windows)]
        {
            /// `ERROR_INVALID_NAME` and `ERROR_TOO_MANY_OPEN_FILES`.
            const INVALID_NAME: i32 = 123;
            const TOO_MANY: i32 = 4;
            match error.raw_os_error() {
                Some(INVALID_NAME) => return Self::Missing,
                Some(TOO_MANY) => return Self::Busy(error),
                _ => {}
            }
        }
        Self::Failed(error)
    }
}
