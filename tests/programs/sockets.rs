//! Examples of other sockets, and of other protocols on them.

use std::io::{self, Read};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Stdio};
use std::{fs, str};

use anthill_tests::client::{Client, SOCKET_LIMIT};
use anthill_tests::examples::{Example, program};
use anthill_tests::processes::signal;

#[test]
fn unix_socket_serves_whom_its_mode_lets_in_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sock");
    let variables = [("SOCKET", path.to_str().expect("text"))];
    let first = Example::start("unix-socket", &variables);
    assert_eq!(first.line("listening on ").as_deref(), path.to_str());
    let metadata = fs::metadata(&path).expect("a socket");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);

    let stream = UnixStream::connect(&path).expect("somebody listens");
    let mut client = Client::over(stream);
    let user = metadata.uid();
    assert_eq!(client.get("/").text(), format!("0.0.0.0 came by user {user}\n"));
    let told = client.exchange("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
    assert_eq!(told.text(), format!("192.0.2.7 came by user {user}\n"));

    // Neither a living server's socket nor another file is taken.
    let second = Example::launch("unix-socket", &[], &variables).outcome();
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.starts_with("unix-socket: cannot listen on "), "{}", second.stderr);
    assert!(second.stderr.contains("another program listens there"), "{}", second.stderr);
    assert_eq!(client.get("/").status, 200);
    first.end();
    assert!(!path.exists());

    fs::write(&path, "mine").expect("a file");
    assert_eq!(Example::launch("unix-socket", &[], &variables).outcome().code, Some(1));
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "mine");
    fs::remove_file(&path).expect("it is there");

    // What a killed one leaves behind is.
    let killed = Example::start("unix-socket", &variables);
    killed.signal("KILL");
    assert_eq!(killed.outcome().code, None);
    assert!(path.exists());
    let last = Example::start("unix-socket", &variables);
    let mut client = Client::over(UnixStream::connect(&path).expect("somebody listens"));
    assert_eq!(client.get("/").status, 200);
    last.end();
}

/// Its socket is there before it is, as systemd has it.
#[test]
fn systemd_socket_serves_what_it_is_given_and_says_when() {
    let folder = tempfile::tempdir().expect("a folder");
    let manager_path = folder.path().join("manager");
    let manager = UnixDatagram::bind(&manager_path).expect("a free path");
    manager.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
    let told = || {
        let mut room = [0; 256];
        let count = manager.recv(&mut room).expect("a notification");
        String::from_utf8_lossy(&room[..count]).into_owned()
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let mut early = Client::connect(address);
    early.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");

    let script = "exec 3<&0 0</dev/null; exec env LISTEN_PID=$$ LISTEN_FDS=1 \"$0\"";
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(program("systemd-socket")).env("NOTIFY_SOCKET", &manager_path);
    let mut child =
        command.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::null()).spawn().expect("sh");
    assert_eq!(told(), format!("READY=1\nSTATUS=listening on {address}\n"));
    assert_eq!(early.response().text(), "hello\n");
    assert_eq!(Client::connect(address).get("/").text(), "hello\n");
    signal(child.id(), "TERM");
    assert!(told().starts_with("STOPPING=1\n"));
    assert_eq!(child.wait().expect("our child").code(), Some(0));

    let alone = Example::launch("systemd-socket", &[], &[]).outcome();
    assert_eq!(alone.code, Some(1));
    let expected =
        "systemd-socket: no listening sockets were inherited: LISTEN_FDS is not set; start the program by";
    assert!(alone.stderr.starts_with(expected), "{}", alone.stderr);
}

#[test]
fn hijack_says_back_what_it_hears_and_goodbye() {
    let hijack = Example::start("hijack", &[]);
    let mut client = Client::connect(hijack.address());
    assert_eq!(Client::connect(hijack.address()).get("/echo").status, 426);
    client.send("GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst\n");
    let mut stream = client.stream().try_clone().expect("a descriptor");
    let mut heard = String::new();
    while !heard.ends_with("\r\n\r\nfirst\n") {
        let mut piece = [0; 64];
        let count = stream.read(&mut piece).expect("a server");
        assert!(count > 0, "{heard}");
        heard.push_str(str::from_utf8(&piece[..count]).expect("text"));
    }
    assert!(heard.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{heard}");
    hijack.signal("TERM");
    heard.clear();
    stream.read_to_string(&mut heard).expect("the end");
    assert_eq!(heard, "the server ends\n");
    let ended = hijack.outcome();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let _: io::Result<()> = stream.shutdown(std::net::Shutdown::Both);
}
