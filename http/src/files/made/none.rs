//! What stands for the maker where no copies are made: without any coding, and on systems of which the standard library
//! does not tell when a file was last changed in any way.

use super::super::coded::{CodedCopy, CopyProgress};
use super::super::content::{Content, FileTags};
use std::io;
use std::sync::Arc;

/// There is none.
#[derive(Debug)]
pub(in crate::files) enum NoMaker {}

/// Nor of any file.
#[derive(Debug)]
pub(in crate::files) enum NothingMade {}

impl NoMaker {
    pub(in crate::files) fn is_copy(&self, _file: &Content) -> io::Result<bool> {
        match *self {}
    }
}

impl NothingMade {
    pub(in crate::files) fn of(
        maker: &Arc<NoMaker>,
        _plain: &Content,
        _tags: FileTags,
        _copies: &mut Vec<CodedCopy>,
    ) -> Option<Self> {
        match **maker {}
    }

    pub(in crate::files) fn ask(&self, _coding: &str, _progress: &CopyProgress) -> bool {
        match *self {}
    }
}
