//! Blocking work for asynchronous code: handles are futures, for any executor. The executor here is a few lines of its
//! own; yours is tokio, smol or another. `cargo run --example async_callers`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use anthill_pool::{SubmitError, TaskPool, WorkerPool};

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

/// What a server would do for a request.
async fn serve(pool: &TaskPool, request: u64) -> Result<String, Box<dyn Error + Send + Sync>> {
    // `spawn` would block the executor's thread while the pool is full; `try_spawn` refuses instead.
    let work = pool.try_spawn(move || {
        thread::sleep(Duration::from_millis(5));
        request * request
    });
    match work {
        Ok(answer) => Ok(format!("{request} squared is {}", answer.await?)),
        Err(SubmitError::Full(_)) => Ok(format!("{request}: too busy, come back later")),
        Err(refused) => Err(refused.into()),
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let pool = WorkerPool::builder().name("blocking").max_workers(2).queue_capacity(4).build_tasks()?;
    for request in 1..=3 {
        println!("{}", block_on(serve(&pool, request))?);
    }

    // Several at once: all are under way before the first is awaited.
    let handles: Vec<_> = (1..=6_u64).map(|n| pool.try_spawn(move || n * n)).collect::<Result<_, _>>()?;
    let sum = block_on(async {
        let mut sum = 0;
        for handle in handles {
            sum += handle.await?;
        }
        Ok::<_, anthill_pool::TaskError>(sum)
    })?;
    println!("their sum is {sum}");
    assert_eq!(sum, 91);
    pool.finish(Duration::from_secs(5))?;
    Ok(())
}
