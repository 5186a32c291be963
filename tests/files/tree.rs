//! A folder with files in it, and servers of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anthill_http::Handler;
use anthill_http::files::{Files, FilesBuilder};
use anthill_tests::client::{Client, Reply};
use anthill_tests::server::{Running, plain};

/// A folder that is gone with its guard.
pub(crate) struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    /// A folder with these files, whose folders are made.
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let tree = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(tree.root()).unwrap();
        for (path, content) in files {
            tree.write(path, content);
        }
        settle();
        tree
    }

    /// What is served. It lies in a folder of its own, so that there is something beside it.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn outside(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// Writes a file as programs do that do it well: a new one that takes the place of the old one.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = self.folder.path().join("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, path).unwrap();
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        std::os::unix::fs::symlink(target, self.at(name)).unwrap();
    }

    /// Lets a file have changed so long ago.
    pub(crate) fn age(&self, path: &str, age: Duration) {
        let file = fs::File::options().write(true).open(self.at(path)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        settle();
    }

    /// A server of the folder, as by default but for `change`.
    pub(crate) fn served(&self, change: impl FnOnce(FilesBuilder) -> FilesBuilder) -> Running {
        settle();
        served(change(Files::builder(self.root())))
    }
}

/// Waits until what was written is no change of just now, which has other tags and is not kept.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(40));
}

pub(crate) fn served(builder: FilesBuilder) -> Running {
    let files = builder.build().unwrap();
    Running::with(plain(), move |ctx| files.handle(ctx))
}

/// Asks for `target`, with these lines of fields.
pub(crate) fn ask(client: &mut Client, method: &str, target: &str, fields: &[&str]) -> Reply {
    let lines: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
    let reply = if method == "HEAD" { client.try_response_to_head() } else { client.try_response() };
    reply.unwrap_or_else(|problem| panic!("{method} {target} {fields:?}: {problem}"))
}

/// Asks on a connection of its own.
pub(crate) fn once(running: &Running, target: &str, fields: &[&str]) -> Reply {
    ask(&mut running.client(), "GET", target, fields)
}
