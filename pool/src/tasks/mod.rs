//! The closure pool: a pool whose payloads are closures, and what is built on it: results, groups, scopes, shares of a
//! pool, and tasks that wait for their time.
//!
//! Everything here stands on submitting alone; the pool itself knows nothing of it.

mod call;
mod canceller;
mod cell;
mod error;
mod group;
mod handle;
mod items_run;
mod map;
mod par_map;
mod refused;
mod reply;
mod scope;
mod share;
mod spawn_with;
mod stored_closure;
mod task;
mod timed;
mod token;

pub use call::{Call, CallPool};
pub use canceller::TaskCanceller;
pub use error::{GroupError, RefusedHandle, TaskError, TaskPanic};
pub use group::TaskGroup;
pub use handle::TaskHandle;
pub use map::{Map, MapUnordered, TryMap};
pub use refused::RefusedClosure;
pub use scope::{Scope, ScopedHandle};
pub use share::{SubPool, SubPoolStats};
pub use task::{ClosurePayload, Task, TaskPool};
pub use timed::{MissedRuns, Schedule, ScheduledTask};
pub use token::TaskToken;
