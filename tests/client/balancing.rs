//! Requests that go to that of several clients which has the least to do.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anthill_http::client::{
    BalancedClient, CancelToken, ClientError, ClientErrorKind, HostClient, LbClient, PipelineClient,
};
use anthill_http::{RunningServer, Server};

use crate::script::{LONG, OK, Peer, Script, get, wait_until};

/// Servers that say which they are.
fn servers(count: usize) -> Vec<RunningServer> {
    (0..count)
        .map(|number| {
            let server = Server::new(move |ctx| ctx.set_body(number.to_string()));
            server.expect("settings with a meaning").start("127.0.0.1:0").expect("a free port")
        })
        .collect()
}

fn host(addr: SocketAddr) -> HostClient {
    HostClient::builder(addr.to_string()).timeout(LONG).build().expect("an address")
}

/// How often each of `count` servers answers `calls` calls.
fn answers<C: BalancedClient>(client: &LbClient<C>, calls: usize, count: usize) -> Vec<usize> {
    let mut answers = vec![0; count];
    for _ in 0..calls {
        let text = client.send(&get("/")).expect("a response").text().expect("a body");
        answers[text.parse::<usize>().expect("a number")] += 1;
    }
    answers
}

#[test]
fn lbc_01_those_with_as_little_to_do_get_as_much() {
    let servers = servers(3);
    let client =
        LbClient::new(servers.iter().map(|server| host(server.local_addr()))).expect("there are some");
    assert_eq!(answers(&client, 9, 3), [3, 3, 3]);
    let pipelined = servers.iter().map(|server| {
        Arc::new(PipelineClient::new(server.local_addr().to_string()).expect("an address"))
            as Arc<dyn BalancedClient>
    });
    let client = LbClient::new(pipelined).expect("there are some");
    assert_eq!(answers(&client, 6, 3), [2, 2, 2]);
    assert_eq!(client.pending_requests(), 0);
}

#[test]
fn lbc_01_whoever_is_busy_gets_less() {
    let (release, held) = mpsc::channel::<()>();
    let busy = Script::new(1, move |_, mut peer: Peer| {
        peer.head();
        held.recv().expect("the test goes on");
        peer.say(OK);
        peer.expect_end();
    });
    let servers = servers(1);
    let client = LbClient::new([host(busy.addr), host(servers[0].local_addr())]).expect("there are some");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| client.send(&get("/")).expect("a response").text().expect("a body"));
        wait_until("the first call", || client.pending_requests() == 1);
        assert_eq!(answers(&client, 5, 1), [5], "all go to the other");
        release.send(()).expect("the server waits for it");
        assert_eq!(first.join().expect("no panic"), "ok");
    });
    drop(client);
    busy.end();
}

#[test]
fn lbc_01_whoever_fails_is_left_out_for_a_while() {
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|dead| dead.local_addr()).expect("it listened");
    let servers = servers(1);
    let client = LbClient::new([host(dead), host(servers[0].local_addr())]).expect("there are some");
    let kind = client.send(&get("/")).map(drop).expect_err("it is the first").kind();
    assert_eq!(kind, ClientErrorKind::Connect);
    assert_eq!(answers(&client, 4, 1), [4]);
}

#[test]
fn lbc_01_a_check_of_ones_own_decides_who_is_healthy() {
    let servers = servers(2);
    let checks = Arc::new(AtomicUsize::new(0));
    let counted = checks.clone();
    let sick = servers[0].local_addr();
    let client = LbClient::builder()
        .clients(servers.iter().map(|server| host(server.local_addr())))
        .health_check(move |request, outcome| {
            counted.fetch_add(1, Ordering::SeqCst);
            assert_eq!(request.path(), "/");
            outcome.is_ok_and(|response| response.remote_addr() != sick)
        })
        .build()
        .expect("there are some");
    // Once to the sick one, and then to the other.
    assert_eq!(answers(&client, 5, 2), [1, 4]);
    assert_eq!(checks.load(Ordering::SeqCst), 5);
}

#[test]
fn lbc_01_what_the_caller_does_himself_is_no_failure_of_the_client() {
    let servers = servers(2);
    let client =
        LbClient::new(servers.iter().map(|server| host(server.local_addr()))).expect("there are some");
    let token = CancelToken::new();
    token.cancel();
    let error = client.call(&get("/")).cancel_with(&token).send().map(drop);
    assert_eq!(error.expect_err("it was called off").kind(), ClientErrorKind::Cancelled);
    let error = client.send(&get("ftp://h/")).map(drop).expect_err("it cannot be sent");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    // Each was chosen once.
    assert_eq!(answers(&client, 4, 2), [2, 2]);
}

#[test]
fn lbc_01_clients_come_and_go() {
    let servers = servers(3);
    let addr = |number: usize| servers[number].local_addr();
    let client = LbClient::new([host(addr(0))]).expect("there is one");
    assert_eq!(answers(&client, 3, 3), [3, 0, 0]);
    assert_eq!(client.add_client(host(addr(1))), 2);
    // The new one does not get all until it has caught up.
    assert_eq!(answers(&client, 4, 3), [2, 2, 0]);
    assert_eq!(client.add_client(host(addr(2))), 3);
    let is = |number: usize| {
        let addr = addr(number).to_string();
        move |client: &HostClient| client.addrs().any(|other| other == addr)
    };
    assert_eq!(client.remove_clients(is(0)), 2);
    assert_eq!(answers(&client, 4, 3), [0, 2, 2]);
    assert_eq!((client.remove_clients(|_| true), client.is_empty()), (0, true));
    let none = client.send(&get("/")).map(drop).expect_err("none is left").kind();
    assert_eq!(none, ClientErrorKind::NoAvailableClients);
    assert_eq!(client.clone().add_client(host(addr(1))), 1);
    assert_eq!(answers(&client, 1, 3), [0, 1, 0]);
}

#[test]
fn lbc_01_without_clients_there_is_none() {
    let none = LbClient::<HostClient>::builder().build().map(drop);
    assert_eq!(none.expect_err("there are none").kind(), ClientErrorKind::NoAvailableClients);
}

#[test]
fn lbc_01_limits_are_those_of_the_call_of_this_client_or_of_the_one_that_sends() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = silent.local_addr().expect("it listens");
    let short = Duration::from_millis(20);
    let own = HostClient::builder(addr.to_string()).timeout(short).build().expect("an address");
    let is_late = |sent: Result<_, ClientError>| sent.map(drop).expect_err("nobody answers").is_timeout();
    let client = LbClient::new([host(addr)]).expect("there is one");
    assert!(is_late(client.send_timeout(&get("/"), short)));
    assert!(is_late(LbClient::new([own]).expect("there is one").send(&get("/"))));
    let limited = LbClient::builder().client(host(addr)).timeout(short).build().expect("there is one");
    assert!(is_late(limited.send(&get("/"))));
    // A balancing client can be one of another's.
    assert!(is_late(LbClient::new([limited]).expect("there is one").send(&get("/"))));
}

/// A client that says how much it has to do once another call has asked as well.
struct Asked {
    client: HostClient,
    asked: Arc<AtomicUsize>,
    balancer: Arc<std::sync::OnceLock<LbClient<Asked>>>,
}

impl BalancedClient for Asked {
    fn send_within(
        &self,
        request: &anthill_http::Request,
        limit: Option<Duration>,
        token: Option<&CancelToken>,
    ) -> Result<anthill_http::client::ClientResponse, ClientError> {
        self.client.send_within(request, limit, token)
    }

    fn pending_requests(&self) -> usize {
        // It may look at who asks.
        assert_eq!(self.balancer.get().map(LbClient::len), Some(2));
        self.asked.fetch_add(1, Ordering::SeqCst);
        wait_until("the other call", || self.asked.load(Ordering::SeqCst) >= 2);
        // As many bodies are being read there.
        10
    }
}

#[test]
fn lbc_01_calls_that_begin_together_do_not_all_choose_the_same() {
    let servers = servers(2);
    let (asked, balancer) = (Arc::new(AtomicUsize::new(0)), Arc::new(std::sync::OnceLock::new()));
    let members = servers.iter().map(|server| {
        let (client, asked, balancer) = (host(server.local_addr()), asked.clone(), balancer.clone());
        Asked { client, asked, balancer }
    });
    let client = LbClient::new(members).expect("there are some");
    assert!(balancer.set(client.clone()).is_ok());
    let mut texts = std::thread::scope(|scope| {
        let calls = [(); 2]
            .map(|()| scope.spawn(|| client.send(&get("/")).expect("a response").text().expect("a body")));
        calls.map(|call| call.join().expect("no panic"))
    });
    texts.sort();
    assert_eq!(texts, ["0", "1"]);
}
