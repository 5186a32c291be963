//! Programs that end by a signal, as processes of their own: those of the front page, literally, and some that do not
//! want to end.
//!
//! The rule: whatever the server has begun to read is answered, whole; connections may end between two responses.

use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::process::{self, Command, Termination};
use std::time::Duration;
use std::{env, fs, io, thread};

use anthill_http::{RequestCtx, ServeError, Server, ServerBuilder, ShutdownError};
use anthill_tests::client::{Client, get};
use anthill_tests::processes::{ADDRESS, ServingApart, serve_apart, signal};
use anthill_tests::readme::PROGRAMS;
use anthill_tests::server::skip;
use anthill_tests::{Background, background, eventually};

/// Runs a program of the front page; 0 when it ends well.
fn readme(number: usize) -> i32 {
    PROGRAMS[number]().map_or(1, |()| 0)
}

/// A client that asks for `/` until the connection ends between two responses; how many were answered.
fn client_under_load(address: SocketAddr, body: impl Fn(&str) -> bool + Send + 'static) -> Background<usize> {
    let mut client = Client::connect(address);
    background(move || {
        let mut answered = 0;
        loop {
            if client.try_send(get("/")).is_err() {
                return answered;
            }
            match client.try_response() {
                Ok(reply) => assert!(reply.status == 200 && body(reply.text()), "{reply:?}"),
                Err(problem) => {
                    assert!(problem.ends_with("after \"\""), "a response was cut: {problem}");
                    return answered;
                }
            }
            answered += 1;
        }
    })
}

#[test]
fn readme_hello_is_drained_under_load() {
    for name in ["TERM", "INT"] {
        let test = "http_run::readme_hello_is_drained_under_load";
        let program = serve_apart(test, "", &[&|| readme(0)], 0);
        let is_whole = |body: &str| body == "Hello, World!\n";
        let clients: Vec<_> = (0..8).map(|_| client_under_load(program.address(), is_whole)).collect();
        thread::sleep(Duration::from_millis(100));
        program.signal(name);
        let answered: usize = clients.into_iter().map(|client| client.outcome("a client")).sum();
        assert!(answered > 8, "they were at it");
        assert_eq!(program.outcome().0, Some(0));
    }
}

/// What people see of an error that `main` returns is its `Debug` form.
#[test]
fn readme_programs_say_in_words_why_they_cannot_listen() {
    if env::var_os("ANTHILL_TESTS_CHILD").is_some() {
        for program in PROGRAMS {
            let _ = program().report();
        }
        process::exit(0);
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it listens").to_string();
    let mut command = Command::new(env::current_exe().expect("a program"));
    command.args(["--exact", "http_run::readme_programs_say_in_words_why_they_cannot_listen", "--nocapture"]);
    let ended = command.env("ANTHILL_TESTS_CHILD", "1").env(ADDRESS, &address).output().expect("a process");
    let said = String::from_utf8(ended.stderr).expect("text");
    assert!(PROGRAMS.len() > 3 && said.lines().count() == PROGRAMS.len(), "{said}");
    for line in said.lines() {
        assert!(line.starts_with(&format!("Error: cannot listen on {address}: ")), "{line}");
        assert!(line.ends_with("; another program listens there; stop it or choose another port"), "{line}");
    }
}

#[test]
fn readme_visits_are_all_answered_and_what_is_slow_is_waited_for() {
    let test = "http_run::readme_visits_are_all_answered_and_what_is_slow_is_waited_for";
    let program = serve_apart(test, "", &[&|| readme(1)], 0);
    let mut slow: Vec<_> = (0..4).map(|_| Client::connect(program.address())).collect();
    let is_whole = |body: &str| body.starts_with("home, visit ") && body.ends_with('\n');
    let clients: Vec<_> = (0..8).map(|_| client_under_load(program.address(), is_whole)).collect();
    slow.iter_mut().for_each(|client| client.send(get("/slow")));
    thread::sleep(Duration::from_millis(300));
    program.signal("TERM");
    for client in &mut slow {
        assert_eq!(client.response().text(), "done");
        client.expect_end();
    }
    let answered: usize = clients.into_iter().map(|client| client.outcome("a client")).sum();
    let (code, printed) = program.outcome();
    assert_eq!(code, Some(0));
    assert!(printed.contains(&format!("{answered} visits\n")), "{answered} were answered, and {printed}");
}

#[test]
fn readme_uploads_go_on_to_their_end() {
    let program = serve_apart("http_run::readme_uploads_go_on_to_their_end", "", &[&|| readme(2)], 0);
    let mut client = Client::connect(program.address());
    // More than is read ahead, so that the handler runs.
    client.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n");
    client.send("x".repeat(150_000));
    thread::sleep(Duration::from_millis(200));
    program.signal("TERM");
    eventually("nobody listens any more", || TcpStream::connect(program.address()).is_err());
    client.send("x".repeat(50_000));
    assert!(client.response().text().starts_with("200000 bytes"));
    client.expect_end();
    assert_eq!(program.outcome().0, Some(0));
}

#[test]
fn readme_events_end_as_a_whole_response() {
    let program = serve_apart("http_run::readme_events_end_as_a_whole_response", "", &[&|| readme(3)], 0);
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(program.address())).collect();
    clients.iter_mut().for_each(|client| client.send(get("/")));
    thread::sleep(Duration::from_millis(300));
    program.signal("TERM");
    for client in &mut clients {
        // Up to the last chunk.
        assert_eq!(client.response().status, 200);
        client.expect_end();
    }
    assert_eq!(program.outcome().0, Some(0));
}

fn address() -> String {
    env::var(ADDRESS).expect("an address")
}

/// Serves `/` at once, and everything else never.
fn run_stubborn(options: ServerBuilder) -> Result<(), ServeError> {
    let answer = |ctx: &mut RequestCtx| {
        while ctx.path() != "/" {
            thread::park();
        }
    };
    options.build(answer).expect("options that go together").run(&*address())
}

/// A client whose request is being handled, for ever.
fn held(program: &ServingApart) -> Client<TcpStream> {
    let mut client = Client::connect(program.address());
    client.send(get("/held"));
    // It is known once a request behind it, on another connection, has been answered by another thread.
    thread::sleep(Duration::from_millis(100));
    assert_eq!(Client::connect(program.address()).get("/").status, 200);
    client
}

#[test]
fn a_second_signal_ends_at_once() {
    let run: &dyn Fn() -> i32 = &|| run_stubborn(Server::builder()).map_or(1, |()| 0);
    for (first, second, code) in [("TERM", "TERM", 143), ("TERM", "INT", 130), ("INT", "INT", 130)] {
        let program = serve_apart("http_run::a_second_signal_ends_at_once", "", &[run], 0);
        let _held = held(&program);
        program.signal(first);
        eventually("nobody listens any more", || TcpStream::connect(program.address()).is_err());
        program.signal(second);
        assert_eq!(program.outcome().0, Some(code));
    }
}

#[test]
fn what_takes_too_long_is_cut_and_said() {
    let run: &dyn Fn() -> i32 = &|| {
        let error = run_stubborn(Server::builder().shutdown_timeout(Duration::from_millis(300)))
            .expect_err("a handler never ends");
        match error.shutdown_error() {
            Some(ShutdownError::Timeout { open_connections: 1, .. }) => 7,
            _ => panic!("{error:?}"),
        }
    };
    let program = serve_apart("http_run::what_takes_too_long_is_cut_and_said", "", &[run], 0);
    let _held = held(&program);
    program.signal("TERM");
    assert_eq!(program.outcome().0, Some(7));
}

#[test]
fn as_process_1_it_is_drained_as_well() {
    let test = "http_run::as_process_1_it_is_drained_as_well";
    let unshare = "unshare --pid --fork --kill-child";
    let is_child = env::var_os("ANTHILL_TESTS_CHILD").is_some();
    let may = Command::new("sh").arg("-c").arg(format!("{unshare} true")).output();
    if !is_child && !may.is_ok_and(|may| may.status.success()) {
        return skip("no process namespace can be made here");
    }
    let first: &dyn Fn() -> i32 = &|| {
        assert_eq!(process::id(), 1);
        readme(1)
    };
    let program = serve_apart(test, unshare, &[first], 0);
    let mut slow = Client::connect(program.address());
    slow.send(get("/slow"));
    thread::sleep(Duration::from_millis(300));
    let id = program.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("the kernel tells");
    signal(children.trim().parse().expect("one child"), "TERM");
    assert_eq!(slow.response().text(), "done");
    assert_eq!(program.outcome().0, Some(0));
}

/// An address that takes its time to be found, in which the process is told to end.
#[derive(Debug)]
struct FoundTooLate(SocketAddr);

impl ToSocketAddrs for FoundTooLate {
    type Iter = std::option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        signal(process::id(), "TERM");
        // The thread that hears of it finds nothing to end.
        thread::sleep(Duration::from_millis(300));
        Ok(Some(self.0).into_iter())
    }
}

/// It is not yet serving again, but was told to end already.
#[test]
fn a_signal_before_the_second_life_ends_it() {
    let twice: &dyn Fn() -> i32 = &|| {
        let server = Server::new(|_| ()).expect("the defaults");
        server.run(&*address()).expect("the first signal");
        let address = address().parse().expect("an address");
        server.run(FoundTooLate(address)).map_or(1, |()| 0)
    };
    let program = serve_apart("http_run::a_signal_before_the_second_life_ends_it", "", &[twice], 0);
    program.signal("TERM");
    assert_eq!(program.outcome().0, Some(0));
}
