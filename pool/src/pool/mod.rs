//! The pool: the handle, how it is built, submitted to and waited for. Carries out what the core decides.

mod build;
mod delayed;
mod finish;
mod handle;
pub(crate) mod submission;
pub(crate) mod submit;
pub(crate) mod timer;
mod wait;

pub use delayed::Delayed;
pub use finish::Unfinished;
pub use handle::WorkerPool;
pub use submission::Submission;
