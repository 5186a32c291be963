//! Examples of other sockets, and of other protocols on them.

use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::{fs, str};

use anthill_tests::client::Client;
use anthill_tests::examples::Example;

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
