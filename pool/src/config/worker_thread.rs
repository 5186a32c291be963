//! A worker's thread about to be made: what a custom spawner gets.

use std::fmt;
use std::io;

use crate::sync::thread;

/// A worker's thread about to be made; handed to a custom [`spawner`](crate::WorkerPoolBuilder::spawner).
pub struct WorkerThread {
    pub(crate) name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) body: Box<dyn FnOnce() + Send>,
}

impl WorkerThread {
    /// The name the thread should have.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stack size asked for, in bytes.
    #[must_use]
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// The worker's life: returns when the worker is let go. To be called on the new thread.
    pub fn run(self) {
        (self.body)();
    }

    /// What the pool does without a custom spawner: a thread of that name and stack size.
    pub fn spawn(self) -> io::Result<thread::JoinHandle<()>> {
        let mut builder = thread::Builder::new().name(self.name);
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        let refused = |source: io::Error| match self.stack_size {
            Some(bytes) => io::Error::new(source.kind(), StackRefused { bytes, source }),
            None => source,
        };
        builder.spawn(self.body).map_err(refused)
    }
}

/// A thread was refused of which a stack of so many bytes was asked, perhaps for that.
#[derive(Debug)]
struct StackRefused {
    bytes: usize,
    source: io::Error,
}

impl fmt::Display for StackRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a stack of {} bytes was asked for: {}", self.bytes, self.source)
    }
}

impl std::error::Error for StackRefused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Debug for WorkerThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerThread").field("name", &self.name).finish_non_exhaustive()
    }
}
