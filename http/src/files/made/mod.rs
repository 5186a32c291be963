//! Compressed copies that are made of files, for all who want them later.
//!
//! The idea: a copy is of one version of one file, whatever path that was asked for by; it says itself which one that
//! is, and is taken for no other. So nothing has to be kept in step with the files: what is of another version is not
//! there, and is replaced. Copies lie in a folder of their own, which is a cache: it may be emptied at any time.
//!
//! The rules: nobody waits for a copy. It is made by threads of its own, few of them; until it is there, and whenever
//! it cannot be made, the file is sent as it is. What lies in the folder is neither served by its own name nor listed.
//!
//! The files: which version a copy is of (`version`), how it says that (`seal`), where it lies (`place`) and how much
//! of that there may be (`room`), how it is made (`packing`), by whom (`maker`) and when (`line`), what is known of it
//! (`verdicts`), and what of all that concerns one open file (`of_file`).

#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
mod line;
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
mod maker;
#[cfg(not(all(unix, any(feature = "gzip", feature = "br", feature = "zstd"))))]
mod none;
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
mod of_file;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
mod options;
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
mod packing;
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
mod place;
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
mod room;
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
mod seal;
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
mod verdicts;
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
mod version;

#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
pub(super) use maker::CopyMaker;
#[cfg(not(all(unix, any(feature = "gzip", feature = "br", feature = "zstd"))))]
pub(super) use none::{NoMaker as CopyMaker, NothingMade as MadeCopies};
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
pub(super) use of_file::MadeCopies;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
pub(super) use options::MakingOptions;
