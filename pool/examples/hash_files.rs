//! Hashes the files of a folder, several at a time, and says how far it is. The results come as they are done; what
//! cannot be read is told and does not end the run. `cargo run --example hash_files [folder]`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anthill_pool::WorkerPool;

fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(files_below(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

fn hash(path: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(path)?);
    Ok(hasher.finish())
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let folder = env::args_os()
        .nth(1)
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/src").into(), PathBuf::from);
    let mut files = files_below(&folder)?;
    files.push(folder.join("no such file"));
    let total = files.len();

    let pool = WorkerPool::builder().name("hash").max_workers(8).build_tasks()?;
    // Lazy and bounded: of a million files no more than 32 are open or waiting for this loop.
    let hashes = pool.map_unordered(files, |path| (hash(&path), path)).in_flight(32);
    let (mut done, mut failed) = (0, 0);
    for (outcome, path) in hashes {
        done += 1;
        match outcome {
            Ok(hash) => println!("{hash:016x} {} ({done} of {total})", path.display()),
            Err(error) => {
                failed += 1;
                println!("{error}: {} ({done} of {total})", path.display());
            }
        }
    }
    assert_eq!((done, failed), (total, 1));

    // The first failure ends this one, and names the same file in every run.
    let sizes: io::Result<Vec<u64>> =
        pool.try_map(files_below(&folder)?, |path| Ok(fs::metadata(path)?.len())).collect();
    println!("{} bytes in all", sizes?.iter().sum::<u64>());
    Ok(())
}
