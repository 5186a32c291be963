//! File systems that have to be waited for: a disk that is slow, a folder with all the names there are.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::Handler;
use anthill_http::files::{FileSystem, Files, Folder, FolderList, FsNode};
use anthill_tests::server::{Running, plain};
use anthill_tests::{Gate, eventually};

use crate::tree::Tree;

/// A folder in which what is called `slow` takes until a gate is open, to be opened and to be listed.
struct SlowFolder {
    folder: Folder,
    gate: Gate,
    waiting: Arc<AtomicUsize>,
}

impl SlowFolder {
    fn wait_for(&self, path: &[u8]) {
        if path.starts_with(b"slow/") {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            self.gate.pass();
        }
    }
}

impl FileSystem for SlowFolder {
    fn open(&self, path: &[u8]) -> io::Result<FsNode> {
        if path.ends_with(b".bin") {
            self.wait_for(path);
        }
        self.folder.open(path)
    }

    fn list(&self, path: &[u8], most: usize) -> io::Result<FolderList> {
        self.wait_for(path);
        self.folder.list(path, most)
    }
}

/// On one shard, whose driver is among those that wait.
#[test]
fn a_folder_that_is_waited_for_holds_up_nobody_else() {
    let tree = Tree::new(&[("slow/a.bin", b"a"), ("slow/names/b", b"b"), ("quick", b"quick")]);
    let (gate, waiting) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let folder =
        SlowFolder { folder: Folder::new(tree.root()), gate: gate.clone(), waiting: waiting.clone() };
    let files = Files::over(folder).listing(true).build().unwrap();
    let running = Running::with(plain().shards(1), move |ctx| files.handle(ctx));
    let mut slow: Vec<_> = ["/slow/a.bin", "/slow/names/", "/slow/a.bin", "/slow/names/"]
        .into_iter()
        .map(|target| {
            let mut client = running.client();
            client.send(anthill_tests::client::get(target));
            client
        })
        .collect();
    eventually("all wait", || waiting.load(Ordering::SeqCst) == slow.len());
    let mut client = running.client();
    for _ in 0..100 {
        assert_eq!(client.get("/quick").text(), "quick");
    }
    gate.open();
    for (number, client) in slow.iter_mut().enumerate() {
        let reply = client.response();
        assert!(reply.status == 200 && reply.text().contains(["a", "./b"][number % 2]), "{number}");
    }
}
