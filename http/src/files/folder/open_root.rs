//! The root's own descriptor, which is there while a file below it is.
//!
//! The idea: most of what is opened lies below the same root, so that is not opened for each, but shared by those that
//! are kept. Whether it is still the folder of that name is told by what is found in it (`beneath`); who holds none of
//! its files holds none of it, so that a folder that nobody asks for can be removed, and its file system as well.

use parking_lot::Mutex;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

/// The root that is open, if there is one; copies are of the same.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenRoot(Arc<Mutex<Weak<OwnedFd>>>);

impl OpenRoot {
    pub(super) fn get(&self) -> Option<Arc<OwnedFd>> {
        self.0.lock().upgrade()
    }

    /// Shares `root` with those who come, if there is none to be shared. So there is one at a time, whatever is opened;
    /// the next one is there when nobody has the last any more.
    pub(super) fn share(&self, root: OwnedFd) -> Option<Arc<OwnedFd>> {
        let root = Arc::new(root);
        let mut shared = self.0.lock();
        if shared.strong_count() > 0 {
            return None;
        }
        *shared = Arc::downgrade(&root);
        Some(root)
    }
}
