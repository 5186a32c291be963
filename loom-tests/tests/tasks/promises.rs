//! Joining work that lies elsewhere: with the timer, or in somebody's hands.

use std::time::Duration;

use anthill_pool::internal::Instant;
use anthill_pool::{CallPool, TaskError, TaskHandle, WorkerPool};

use crate::support::Preemptions::AtMost;
use crate::support::{Gate, explore};
use crate::{close, tasks};

/// The only worker joins what is not due yet, and its time comes: then no worker is there for it, and whoever joins is
/// told.
#[test]
fn joining_meets_the_time_of_what_is_joined() {
    explore("promises time", AtMost(2), || {
        let pool = tasks(1, 0);
        let later = pool.spawn_after(Duration::from_secs(1), || 7).unwrap();
        let outer = pool.spawn(move || match later.join() {
            Err(error @ TaskError::WouldDeadlock(_)) => TaskHandle::<i32>::from_refused(error).ok(),
            other => panic!("{other:?}"),
        });
        pool.expire(Instant::at(Duration::from_secs(2)));
        let later = outer.unwrap().join().unwrap().unwrap();
        assert_eq!(later.join().unwrap(), 7);
        close(pool);
    });
}

type Work = Box<dyn FnOnce() -> i32 + Send>;

/// The only worker joins a call that a thread holds, which then waits in line with it.
#[test]
fn joining_meets_the_submission_of_what_is_joined() {
    explore("promises line", AtMost(2), || {
        let calls: CallPool<Work, i32> = WorkerPool::builder()
            .max_workers(1)
            .max_idle_worker_duration(None)
            .build_calls(|work: Work| work())
            .unwrap();
        let (call, answer) = calls.prepare_call(Box::new(|| 7));
        let begun = Gate::closed();
        let begins = begun.clone();
        let outer = calls.call(Box::new(move || {
            begins.open();
            match answer.join() {
                Err(TaskError::WouldDeadlock(_)) => 1,
                other => panic!("{other:?}"),
            }
        }));
        begun.pass();
        calls.submit(call).map_err(|error| error.refusal()).unwrap();
        assert_eq!(outer.unwrap().join().unwrap(), 1);
        calls.stop();
        calls.wait().unwrap();
    });
}
