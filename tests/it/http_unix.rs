//! Unix domain sockets: whose their files are, what may be replaced, and who is at the other end.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use anthill_http::{ConnOptions, RunningServer, Server, UnixAccess};
use anthill_tests::client::{Client, SOCKET_LIMIT};
use anthill_tests::{PATIENCE, background};

fn served(path: &Path, access: impl Into<UnixAccess>) -> RunningServer {
    let server = Server::new(|ctx| {
        let (peer, address) = (ctx.peer_credentials(), ctx.conn().remote_addr());
        let peer = peer.map(|peer| (peer.pid(), peer.uid(), peer.gid()));
        ctx.set_body(format!("{peer:?} {address:?}"));
    });
    let socket = Server::listen_unix(path, access).expect("a free path");
    server.expect("the defaults").start_unix(socket).expect("a server")
}

fn ask(path: &Path) -> String {
    let stream = UnixStream::connect(path).expect("somebody listens there");
    stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
    Client::over(stream).get("/").text().to_owned()
}

/// Shuts it down; `path` is free then.
fn end(running: RunningServer) {
    running.shutdown(PATIENCE).expect("an end in time");
    running.join().expect("a good end");
}

fn refusal(path: &Path) -> (ErrorKind, String) {
    let error = Server::listen_unix(path, 0o600).expect_err("it is not to be had");
    (error.kind(), error.to_string())
}

/// What credentials of this process look like.
fn ours(folder: &Path) -> String {
    let metadata = fs::metadata(folder).expect("our folder");
    let pid = Some(std::process::id());
    format!("Some(({pid:?}, {}, {})) None", metadata.uid(), metadata.gid())
}

#[test]
fn srv_04_a_stale_file_is_replaced_and_the_mode_is_as_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    // Dropping a listener leaves its file behind.
    drop(UnixListener::bind(&path).expect("a free path"));
    for mode in [0o600, 0o666, 0o660] {
        let running = served(&path, mode);
        assert_eq!(fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, mode);
        assert_eq!(ask(&path), ours(folder.path()));
        end(running);
        assert!(!path.exists(), "it is removed at the end");
        drop(UnixListener::bind(&path).expect("a free path"));
    }
}

#[test]
fn srv_04_what_is_no_stale_socket_is_an_error_and_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "precious").expect("a file");
    fs::create_dir(at("folder")).expect("a folder");
    drop(UnixListener::bind(at("stale")).expect("a free path"));
    symlink(at("stale"), at("link")).expect("a link");
    for name in ["file", "folder", "link"] {
        let (kind, text) = refusal(&at(name));
        assert_eq!(kind, ErrorKind::AlreadyExists);
        assert!(text.contains(name) && text.contains("no socket lies there; remove it"), "{text}");
        assert!(fs::symlink_metadata(at(name)).is_ok(), "{name}");
    }
    assert_eq!(fs::read(at("file")).expect("it is there"), b"precious");
}

#[test]
fn srv_04_a_living_servers_socket_is_an_error_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let running = served(&path, 0o600);
    for _ in 0..2 {
        let (kind, text) = refusal(&path);
        assert_eq!(kind, ErrorKind::AddrInUse);
        assert!(text.contains("another program listens there; stop it"), "{text}");
        assert_eq!(ask(&path), ours(folder.path()));
    }
    end(running);
    // One of another type is alive as well.
    let other = folder.path().join("datagrams");
    let _datagrams = UnixDatagram::bind(&other).expect("a free path");
    assert_eq!(refusal(&other).0, ErrorKind::AddrInUse);
}

/// Of many that want one path at once exactly one gets it, though a stale socket lies there.
#[test]
fn srv_04_one_of_many_gets_the_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    for _ in 0..20 {
        drop(UnixListener::bind(&path).expect("a free path"));
        let wanting: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                background(move || Server::listen_unix(&path, 0o600))
            })
            .collect();
        let (got, refused): (Vec<_>, Vec<_>) =
            wanting.into_iter().map(|one| one.outcome("listening")).partition(Result::is_ok);
        assert_eq!((got.len(), refused.len()), (1, 3));
        assert!(refused.into_iter().all(|one| one.expect_err("refused").kind() == ErrorKind::AddrInUse));
        drop(UnixStream::connect(&path).expect("the one listens"));
        drop(got);
        assert!(!path.exists());
    }
}

/// Whoever has replaced our file keeps his.
#[test]
fn a_file_that_is_not_ours_any_more_is_not_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let running = served(&path, 0o600);
    fs::rename(&path, folder.path().join("elsewhere")).expect("our folder");
    fs::write(&path, "theirs").expect("our folder");
    end(running);
    assert_eq!(fs::read(&path).expect("it is there"), b"theirs");
}

#[test]
fn errors_of_paths_say_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), "").expect("a file");
    for (path, kind, parts) in [
        (folder.path().join("x".repeat(120)), ErrorKind::InvalidInput, ["too long", "choose a shorter one"]),
        (folder.path().join("none/socket"), ErrorKind::NotFound, ["none/socket", "make the directory first"]),
        (folder.path().join("file/socket"), ErrorKind::NotADirectory, ["file/socket", "is no directory"]),
        (Path::new("").to_owned(), ErrorKind::InvalidInput, ["cannot listen", "the path is empty"]),
    ] {
        let (found, text) = refusal(&path);
        assert_eq!(found, kind, "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

/// The file can belong to another group (root gives it to any, others only to one they are in).
#[test]
fn srv_04_the_owner_is_as_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let metadata = fs::metadata(folder.path()).expect("our folder");
    let (user, group) = if metadata.uid() == 0 { (12345, 54321) } else { (metadata.uid(), metadata.gid()) };
    let running = served(&path, UnixAccess::mode(0o660).owner(user, group));
    let found = fs::metadata(&path).expect("the socket");
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (user, group, 0o660));
    end(running);
}

#[test]
fn peers_on_unix_sockets_have_credentials() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::new(|ctx| {
        let peer = ctx.peer_credentials().map(|peer| (peer.pid(), peer.uid(), peer.gid()));
        ctx.set_body(format!("{peer:?} {:?}", ctx.conn().remote_addr()));
    });
    let server = server.expect("the defaults");
    let address = ([192, 0, 2, 1], 7).into();
    for (options, seen) in [
        (ConnOptions::new(), ours(folder.path())),
        (ConnOptions::new().remote_addr(address), "None Some(192.0.2.1:7)".to_owned()),
    ] {
        let (mut client, theirs) = UnixStream::pair().expect("a pair of sockets");
        client.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        let serving = server.clone();
        let serving = background(move || serving.serve_conn_with(theirs, options));
        std::io::Write::write_all(&mut client, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .expect("it is read");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.ends_with(&format!("\r\n\r\n{seen}")), "{answer}");
        serving.outcome("serving").expect("a connection that ends well");
    }
}
