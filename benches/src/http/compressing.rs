//! Bodies that servers compress for each request: they are files of a folder, and in memory before the first one.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

/// The type of all of them.
pub(crate) const CONTENT_TYPE: &str = "application/json";

/// All files of `root` by their paths (`/name`).
pub(crate) fn bodies(root: &Path) -> io::Result<HashMap<String, Vec<u8>>> {
    fs::read_dir(root)?
        .map(|file| {
            let file = file?;
            Ok((format!("/{}", file.file_name().to_string_lossy()), fs::read(file.path())?))
        })
        .collect()
}
