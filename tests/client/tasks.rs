//! Calls as tasks of a pool: their handles are futures, and who gives one up can end it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use anthill_http::client::{CancelToken, Client, ClientError, ClientErrorKind, SendBody};
use anthill_http::{Request, Server};
use anthill_pool::WorkerPool;

use crate::script::{LONG, Peer, Script};

/// Runs a future on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unparks(Thread);
    impl Wake for Unparks {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn calls_on_a_pool_give_futures() {
    let running = Server::new(|ctx| {
        let said = [ctx.path().as_bytes(), ctx.body()].concat();
        ctx.set_body(said);
    })
    .expect("a server")
    .start("127.0.0.1:0")
    .expect("a free port");
    let url = format!("http://{}", running.local_addr());
    let pool = WorkerPool::builder().max_workers(4).queue_capacity(64).build_tasks().expect("a pool");
    // Fewer connections than workers: some wait for others.
    let client =
        Client::builder().max_conns(2).conn_wait_timeout(LONG).timeout(LONG).build().expect("settings");
    let calls: Vec<_> = (0..32)
        .map(|number| {
            let (client, url) = (client.clone(), format!("{url}/{number}"));
            let body = SendBody::new(std::io::Cursor::new(format!(" of {number}")));
            pool.spawn(move || client.put(url).send_body(body).send()?.text()).expect("there is room")
        })
        .collect();
    block_on(async {
        for (number, call) in calls.into_iter().enumerate() {
            let said = call.await.expect("no panic").expect("a response");
            assert_eq!(said, format!("/{number} of {number}"));
        }
    });
    // The response itself can go to whoever waits for it, its body still to come.
    let (client, request) = (client.clone(), Request::new("GET", format!("{url}/later")).expect("a request"));
    let call = pool.spawn(move || client.send(&request)).expect("there is room");
    assert_eq!(block_on(call).expect("no panic").expect("a head").text().expect("a body"), "/later");
    running.shutdown(LONG).expect("nothing is under way");
}

#[test]
fn who_gives_a_call_up_ends_it_by_its_token() {
    let server = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        peer.expect_end();
    });
    let pool = WorkerPool::builder().max_workers(1).build_tasks().expect("a pool");
    let (token, client) = (CancelToken::new(), Client::new());
    let (cancelled, url) = (token.clone(), format!("http://{}/", server.addr));
    let call = pool
        .spawn(move || -> Result<String, ClientError> {
            client.get(url).cancel_with(&cancelled).send()?.text()
        })
        .expect("there is room");
    thread::sleep(Duration::from_millis(10));
    token.cancel();
    let error = call.join().expect("no panic").expect_err("it was called off");
    assert_eq!(error.kind(), ClientErrorKind::Cancelled);
    server.end();
}
