//! Files and folders over real sockets. A binary of its own, because nothing else here needs folders full of files.
#![cfg(unix)]

mod accessible;
mod browser;
#[cfg(target_os = "linux")]
mod cold;
mod copies;
mod embedded;
mod faults;
mod fields;
mod folders;
mod kept;
mod listings;
mod made;
mod nginx;
mod python;
mod ranges;
mod rewriting;
#[cfg(target_os = "linux")]
mod slow_disk;
mod statuses;
mod tools;
mod traversal;
mod tree;
mod waits;
