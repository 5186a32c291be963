//! File systems that have to be waited for: a folder that takes long to be opened and listed, files whose content does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::Handler;
use anthill_http::files::{FileSystem, Files, Folder, FolderList, FsNode};
#[cfg(target_os = "linux")]
use anthill_tests::server::skip;
use anthill_tests::server::{Running, plain};
use anthill_tests::{Gate, eventually};

#[cfg(target_os = "linux")]
use crate::slow_disk::{self, SlowDisk};
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

/// Small files, which their handler reads, and large ones, which the system sends; several of each, so that whoever
/// takes the place of the shard's driver waits as well.
#[cfg(target_os = "linux")]
#[test]
fn files_that_are_waited_for_hold_up_nobody_else() {
    let sizes = [1 << 10, 16 << 10, 64 << 10, 1 << 20];
    let files: Vec<(String, usize)> =
        (0..2 * sizes.len()).map(|number| (format!("f{number}.bin"), sizes[number % sizes.len()])).collect();
    let Some(mut disk) = SlowDisk::mount(&files) else { return skip("nothing can be mounted here") };
    let handler = Files::builder(disk.path()).build().unwrap();
    let running = Running::with(plain().shards(1), move |ctx| match ctx.path() {
        "/quick" => ctx.set_body("quick"),
        _ => handler.handle(ctx),
    });
    let mut slow: Vec<_> = files
        .iter()
        .map(|(name, _)| {
            let mut client = running.client();
            client.send(anthill_tests::client::get(&format!("/{name}")));
            client
        })
        .collect();
    eventually("each is waited for", || disk.waits() >= files.len());
    let mut client = running.client();
    for _ in 0..100 {
        assert_eq!(client.get("/quick").text(), "quick");
    }
    disk.open_gate();
    for (client, (name, bytes)) in slow.iter_mut().zip(&files) {
        let reply = client.response();
        assert!(reply.status == 200 && reply.body == slow_disk::content(*bytes), "{name}");
    }
}
