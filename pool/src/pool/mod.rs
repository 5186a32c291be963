//! The pool: the handle, how it is built, submitted to and waited for. Carries out what the core decides.

mod build;
mod handle;
pub(crate) mod submission;
pub(crate) mod submit;
mod wait;

pub use handle::WorkerPool;
pub use submission::Submission;
