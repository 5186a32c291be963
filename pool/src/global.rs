//! The process-wide pool for closures, built when it is first used.

use once_cell::sync::OnceCell;

use crate::config::WorkerPoolBuilder;
use crate::tasks::TaskPool;

static DEFAULT: OnceCell<TaskPool> = OnceCell::new();

/// The process's default pool: the builder's defaults, threads named `tasks-0`, `tasks-1`, ...
///
/// It is there for code that has no wish of its own: `default_pool().execute(..)`, `.spawn(..)`, `.scope(..)`. It is
/// never dropped. It can be stopped, for everybody in the process, until somebody calls
/// [`restart`](crate::WorkerPool::restart) on it.
///
/// ```
/// let (answer, inbox) = std::sync::mpsc::channel();
/// anthill_pool::default_pool().execute(move || answer.send(6 * 7).unwrap())?;
/// assert_eq!(inbox.recv()?, 42);
/// assert!(anthill_pool::default_pool().running() > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn default_pool() -> &'static TaskPool {
    DEFAULT
        .get_or_try_init(|| WorkerPoolBuilder::new().name("tasks").build_tasks())
        .expect("the defaults are valid")
}
