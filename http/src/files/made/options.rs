//! What can be said about making copies.

use super::super::error::FilesError;
use super::super::file_system::FileSystem;
use super::super::folder::Folder;
use super::CopyMaker;
use crate::values::coding::CompressionLevel;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What copies may have together, unless somebody says otherwise.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// The system puts what was written to a mapped page on the disk after half a minute; from then on a change shows
/// again.
const MIN_AGE: Duration = Duration::from_secs(60);

/// See the module's text.
#[derive(Debug)]
pub(in crate::files) struct MakingOptions {
    pub(in crate::files) level: Option<CompressionLevel>,
    /// As absolute as it could be made when it was given.
    root: Option<PathBuf>,
    pub(in crate::files) most_bytes: u64,
    pub(in crate::files) min_age: Duration,
}

impl Default for MakingOptions {
    fn default() -> Self {
        Self { level: None, root: None, most_bytes: MOST_BYTES, min_age: MIN_AGE }
    }
}

impl MakingOptions {
    pub(in crate::files) fn set_root(&mut self, root: &Path) {
        self.root = Some(std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf()));
    }

    /// Who makes copies, if that is wanted and can be done on this system.
    pub(in crate::files) fn start(self) -> Result<Option<Arc<CopyMaker>>, FilesError> {
        let (level, root) = match (self.level, self.root) {
            (Some(level), Some(root)) => (level, root),
            (None, None) => return Ok(None),
            (Some(_), None) => {
                let problem = "says not where copies are put; say compress_root as well";
                return Err(FilesError::new("compress", problem));
            }
            (None, Some(_)) => {
                return Err(FilesError::new("compress_root", "no copies are made; say compress as well"));
            }
        };
        Folder::new(&root).check().map_err(|error| FilesError::new("compress_root", error.to_string()))?;
        if self.most_bytes == 0 {
            return Err(FilesError::new("compress_max_bytes", "must be at least 1"));
        }
        Ok(start(root, level, self.most_bytes, self.min_age))
    }
}

#[cfg(unix)]
fn start(
    root: PathBuf,
    level: CompressionLevel,
    most_bytes: u64,
    min_age: Duration,
) -> Option<Arc<CopyMaker>> {
    Some(Arc::new(CopyMaker::start(root, level, most_bytes, min_age)))
}

#[cfg(not(unix))]
fn start(
    _root: PathBuf,
    _level: CompressionLevel,
    _most_bytes: u64,
    _min_age: Duration,
) -> Option<Arc<CopyMaker>> {
    log::warn!(
        target: "anthill_http::files",
        "no compressed copies are made on this system, where versions of a file cannot be told apart for certain"
    );
    None
}
