//! Socket activation and notifications, as systemd does them: each program runs in a process of its own, whose first
//! descriptors are what a test has opened for it.

use std::env;
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{self, Child, Command, Stdio};

use anthill_http::{Listener, ServeError, Server};
use anthill_tests::client::{Client, SOCKET_LIMIT};
use anthill_tests::processes::signal;
use anthill_tests::server::skip;
use anthill_tests::{background, eventually};

/// Set in a process that a test has started: which program it is to be.
const PROGRAM: &str = "ANTHILL_TESTS_SYSTEMD";

/// The programs; the last word of each says what it is about.
fn programs(name: &str) -> i32 {
    match name {
        "names" => serve_names(true),
        "silent" => serve_names(false),
        "error" => fail(|| Server::inherited_listeners().map(drop)),
        "twice" => fail(|| {
            drop(Server::inherited_listeners()?);
            Server::inherited_listeners().map(drop)
        }),
        _ => panic!("there is no program {name}"),
    }
}

/// Serves what there is, and answers with the names.
fn serve_names(notifies: bool) -> i32 {
    let listeners = Server::inherited_listeners().expect("sockets");
    let names: Vec<_> = listeners.iter().map(|listener| listener.name().unwrap_or("-").to_owned()).collect();
    let left = ["LISTEN_FDS", "LISTEN_PID"].map(|variable| env::var_os(variable).is_some());
    let answer = format!("{} {left:?}", names.join(" "));
    let server = Server::builder().service_notifications(notifies).build(move |ctx| ctx.set_body(&*answer));
    let running = server.expect("options that go together").start_all(listeners).expect("a server");
    i32::from(running.run().is_err())
}

#[allow(clippy::print_stderr)]
fn fail(attempt: impl FnOnce() -> Result<(), ServeError>) -> i32 {
    match attempt() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{:?}: {error}", error.kind());
            1
        }
    }
}

/// A program that was started with descriptors; killed with this.
struct Started(Child);

impl Started {
    /// Starts `program` with these as its descriptors 3 and 4, and these variables besides. `test` is the full name of
    /// the test that calls this.
    #[track_caller]
    fn new(test: &str, program: &str, sockets: [Option<OwnedFd>; 2], variables: &str) -> Self {
        let script = format!(
            "exec 3<&0 4<&1 0</dev/null 1>&2; exec env {variables} \"$0\" --exact http_systemd::{test} --nocapture"
        );
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(env::current_exe().expect("a program")).env(PROGRAM, program);
        let [first, second] = sockets.map(|socket| socket.map_or_else(Stdio::null, Stdio::from));
        let child = command.stdin(first).stdout(second).stderr(Stdio::piped()).spawn();
        Started(child.expect("a process"))
    }

    /// Sends SIGTERM once the program hears it: it listens, and may be asked, before it does.
    #[track_caller]
    fn terminate(&self) {
        let status = format!("/proc/{}/status", self.0.id());
        let hears = || {
            let status = fs::read_to_string(&status).expect("it runs");
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("Linux says so");
            u64::from_str_radix(caught.trim(), 16).expect("a set of signals") & 1 << (15 - 1) != 0
        };
        eventually("SIGTERM is heard", hears);
        signal(self.0.id(), "TERM");
    }

    /// Waits for its end; its code, and what it printed.
    #[track_caller]
    fn outcome(mut self) -> (Option<i32>, String) {
        let mut stderr = self.0.stderr.take().expect("it is piped");
        let printed = background(move || {
            let mut printed = String::new();
            stderr.read_to_string(&mut printed).map(|_| printed)
        });
        let mut status = None;
        eventually("the process ends", || {
            status = self.0.try_wait().expect("our child");
            status.is_some()
        });
        (status.and_then(|status| status.code()), printed.outcome("what it printed").expect("text"))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In a process that was started, runs its program.
fn run_if_started() {
    if let Ok(program) = env::var(PROGRAM) {
        process::exit(programs(&program));
    }
}

fn tcp() -> (OwnedFd, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    (listener.into(), address)
}

fn ask_unix(path: &std::path::Path) -> String {
    let stream = UnixStream::connect(path).expect("somebody listens there");
    stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
    Client::over(stream).get("/").text().to_owned()
}

/// The next notification.
#[track_caller]
fn told(manager: &UnixDatagram) -> String {
    let mut room = [0; 1024];
    let count = manager.recv(&mut room).expect("a notification");
    String::from_utf8_lossy(&room[..count]).into_owned()
}

#[test]
fn systemds_sockets_are_served_and_it_is_told_so() {
    run_if_started();
    let test = "systemds_sockets_are_served_and_it_is_told_so";
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let (tcp, address) = tcp();
    let unix = UnixListener::bind(&path).expect("a free path");
    // One that has come while the program was not there yet.
    let mut early = Client::connect(address);
    early.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");

    let manager_path = folder.path().join("manager");
    let manager = UnixDatagram::bind(&manager_path).expect("a free path");
    manager.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
    let variables = format!(
        "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:local NOTIFY_SOCKET={}",
        manager_path.display()
    );
    let started = Started::new(test, "names", [Some(tcp), Some(unix.into())], &variables);

    let ready = format!("READY=1\nSTATUS=listening on {address}, {}\n", path.display());
    assert_eq!(told(&manager), ready);
    let seen = "web local [false, false]";
    assert_eq!(early.response().text(), seen);
    assert_eq!(Client::connect(address).get("/").text(), seen);
    assert_eq!(ask_unix(&path), seen);
    started.terminate();
    assert!(told(&manager).starts_with("STOPPING=1\nSTATUS=shutting down: "), "the end was not told");
    let (code, printed) = started.outcome();
    assert_eq!(code, Some(0), "{printed}");
    assert!(path.exists(), "the file is systemd's");
}

#[test]
fn who_is_told_may_have_an_abstract_name() {
    run_if_started();
    let test = "who_is_told_may_have_an_abstract_name";
    let name = format!("anthill-tests-{}", process::id());
    let there = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
    let manager = UnixDatagram::bind_addr(&there).expect("a free name");
    manager.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
    let (tcp, address) = tcp();
    let variables = format!("LISTEN_PID=$$ LISTEN_FDS=1 NOTIFY_SOCKET=@{name}");
    let started = Started::new(test, "names", [Some(tcp), None], &variables);
    assert_eq!(told(&manager), format!("READY=1\nSTATUS=listening on {address}\n"));
    assert_eq!(Client::connect(address).get("/").text(), "- [false, false]");
    started.terminate();
    assert!(told(&manager).starts_with("STOPPING=1\n"));
    let (code, printed) = started.outcome();
    assert_eq!(code, Some(0), "{printed}");
}

#[test]
fn whoever_wants_that_tells_nobody() {
    run_if_started();
    let test = "whoever_wants_that_tells_nobody";
    let folder = tempfile::tempdir().expect("a folder");
    let manager_path = folder.path().join("manager");
    let manager = UnixDatagram::bind(&manager_path).expect("a free path");
    manager.set_nonblocking(true).expect("an option of every socket");
    // Whatever stands there, and whether somebody hears it, the program serves.
    for (program, notified) in [
        ("silent", manager_path.display().to_string()),
        ("names", folder.path().join("nobody").display().to_string()),
        ("names", "vsock:2:1".to_owned()),
    ] {
        let (tcp, address) = tcp();
        let variables = format!("LISTEN_PID=$$ LISTEN_FDS=1 NOTIFY_SOCKET={notified}");
        let started = Started::new(test, program, [Some(tcp), None], &variables);
        assert_eq!(Client::connect(address).get("/").text(), "- [false, false]");
        started.terminate();
        let (code, printed) = started.outcome();
        assert_eq!(code, Some(0), "{printed}");
    }
    assert!(manager.recv(&mut [0; 16]).is_err(), "something was told");
}

#[test]
fn what_cannot_be_inherited_says_what_to_do() {
    run_if_started();
    let test = "what_cannot_be_inherited_says_what_to_do";
    let datagrams = || UdpSocket::bind("127.0.0.1:0").expect("a free port").into();
    let unix_datagrams = || UnixDatagram::unbound().expect("a socket").into();
    let file = || tempfile::tempfile().expect("a file").into();
    let connection = || {
        let (listener, address) = tcp();
        let client = TcpStream::connect(address).expect("it listens");
        let accepted = TcpListener::from(listener).accept().expect("the client").0;
        drop(client);
        accepted.into()
    };
    let here = "LISTEN_PID=$$ LISTEN_FDS=1";
    let no_listener = "is no socket that listens for connections; the unit needs ListenStream= and Accept=no";
    let cases: [(&str, Option<OwnedFd>, &str, &[&str]); 10] = [
        (
            "error",
            None,
            "",
            &["NotFound", "LISTEN_FDS is not set", "systemd-socket-activate -l 8080 PROGRAM"],
        ),
        (
            "error",
            None,
            "LISTEN_PID=1 LISTEN_FDS=1",
            &["NotFound", "they are for process 1 (LISTEN_PID)", "`exec PROGRAM`"],
        ),
        ("error", None, "LISTEN_PID=x LISTEN_FDS=1", &["NotFound", "they are for process x"]),
        (
            "error",
            None,
            "LISTEN_PID=$$ LISTEN_FDS=0",
            &["NotFound", "\"0\", which is no number from 1 to 1024"],
        ),
        ("error", None, "LISTEN_PID=$$ LISTEN_FDS=99999999999", &["NotFound", "no number from 1 to 1024"]),
        ("error", Some(datagrams()), here, &["InvalidInput", "descriptor 3", no_listener]),
        ("error", Some(unix_datagrams()), here, &["InvalidInput", no_listener]),
        (
            "error",
            Some(file()),
            "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web",
            &["descriptor 3 (web)", no_listener],
        ),
        ("error", Some(connection()), here, &["InvalidInput", no_listener]),
        ("twice", Some(tcp().0), here, &["NotFound", "they have been taken already"]),
    ];
    for (program, socket, variables, parts) in cases {
        let (code, printed) = Started::new(test, program, [socket, None], variables).outcome();
        assert_eq!(code, Some(1), "{variables}: {printed}");
        for part in parts {
            assert!(printed.contains(part), "{part:?} is not in {printed:?}");
        }
    }
    assert_eq!(Listener::from(TcpListener::bind("127.0.0.1:0").expect("a free port")).name(), None);
}

/// The real one.
#[test]
fn systemd_socket_activate_starts_a_program() {
    run_if_started();
    let there = Command::new("systemd-socket-activate").arg("--version").output();
    if there.is_err() {
        return skip("systemd-socket-activate is not installed");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("it listens")
    };
    let mut command = Command::new("systemd-socket-activate");
    command.args(["-l", &address.to_string(), "-l"]).arg(&path).args(["--fdname=web:local", "-E"]);
    command.arg(format!("{PROGRAM}=names")).arg(env::current_exe().expect("a program"));
    command.args(["--exact", "http_systemd::systemd_socket_activate_starts_a_program", "--nocapture"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let started = Started(child.expect("a process"));
    eventually("somebody listens", || path.exists());
    // Whoever comes first has it started.
    assert_eq!(Client::connect(address).get("/").text(), "web local [false, false]");
    assert_eq!(ask_unix(&path), "web local [false, false]");
    started.terminate();
    let (code, printed) = started.outcome();
    assert_eq!(code, Some(0), "{printed}");
}
