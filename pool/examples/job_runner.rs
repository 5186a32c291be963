//! Runs jobs of which some fail, some panic and some take too long, and says what became of each.
//! `cargo run --example job_runner`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::{Duration, Instant};

use anthill_pool::{GroupError, TaskError, TaskToken, WorkerPool};

const LIMIT: Duration = Duration::from_millis(50);

/// A job that looks at its token now and then, as long ones should.
fn dig(token: &TaskToken, metres: u32) -> Result<u32, String> {
    for metre in 0..metres {
        if token.is_cancelled() {
            return Err(format!("called off at {metre} of {metres} m"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(metres)
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let pool = WorkerPool::builder().name("jobs").max_workers(4).queue_capacity(100).build_tasks()?;

    // Each with a limit of its own: who has waited long enough calls the job off, and it says how far it came.
    let jobs = [3, 100_000, 5].map(|metres| pool.spawn_with(move |token| dig(token, metres)));
    let deadline = Instant::now() + LIMIT;
    let mut reports = Vec::new();
    for job in jobs {
        let report = match job?.join_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(outcome) => outcome?,
            Err(job) => {
                job.cancel();
                job.join()?
            }
        };
        println!("{report:?}");
        reports.push(report);
    }
    assert!(reports[0] == Ok(3) && reports[1].is_err());

    // Together, and what became of each: one that fails does not keep the others from running.
    let group = pool.group().keep_going();
    for job in 0..5_u32 {
        group.spawn(move || match job {
            1 => Err("no sugar"),
            3 => std::panic::resume_unwind(Box::new("the tunnel fell in")),
            _ => Ok(job),
        })?;
    }
    // With a limit too: the group comes back when it is over.
    let outcomes = match group.wait_timeout(Duration::ZERO) {
        Ok(outcome) => vec![outcome.map(|_| 0)],
        Err(group) => group.wait_each(),
    };
    for (job, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(result) => println!("job {job}: {result}"),
            Err(GroupError::Failed(error)) => println!("job {job} failed: {error}"),
            Err(other) => println!("job {job}: {other}"),
        }
    }

    // One that has not started is kept from it.
    let gate = pool.sub_pool(1);
    let (open, held) = std::sync::mpsc::channel::<()>();
    gate.execute(move || assert!(held.recv().is_err()))?;
    let never = gate.spawn(|| unreachable!("it is called off"))?;
    assert!(never.cancel());
    assert!(matches!(never.join(), Err(TaskError::Cancelled)));
    drop(open);

    pool.finish(Duration::from_secs(5))?;
    Ok(())
}
