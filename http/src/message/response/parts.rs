//! A body of parts of what several responses share, each behind a text of its own.
//!
//! The rule: the size is what texts and parts come to, so a file that has become shorter is noticed like any source
//! that ends early.

use super::source::{FileStretch, Pull, SharedBytes};
use crate::util::file::read_at;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::vec;

/// Something that parts can be sent of, again and again.
#[derive(Clone, Debug)]
pub(crate) enum WholeContent {
    File(Arc<File>),
    Bytes(SharedBytes),
}

/// A text, and what follows it.
#[derive(Debug)]
pub(crate) struct BodyPart {
    text: Vec<u8>,
    offset: u64,
    size: u64,
}

impl BodyPart {
    pub(crate) fn new(text: Vec<u8>, offset: u64, size: u64) -> Self {
        Self { text, offset, size }
    }
}

/// Gives one part after the other.
pub(super) struct PartedSource {
    whole: WholeContent,
    size: u64,
    /// What of the text of the current part was not given yet begins here.
    text_at: usize,
    current: BodyPart,
    rest: vec::IntoIter<BodyPart>,
}

impl PartedSource {
    pub(super) fn new(whole: WholeContent, parts: Vec<BodyPart>) -> Self {
        let size = parts.iter().map(|part| part.size.saturating_add(part.text.len() as u64));
        let size = size.fold(0, u64::saturating_add);
        let current = BodyPart::new(Vec::new(), 0, 0);
        let mut source = Self { whole, size, text_at: 0, current, rest: parts.into_iter() };
        source.skip_ended();
        source
    }

    /// Goes on to the next part when nothing is left of this one.
    fn skip_ended(&mut self) {
        while self.current.size == 0 && self.text_at == self.current.text.len() {
            let Some(next) = self.rest.next() else { return };
            (self.current, self.text_at) = (next, 0);
        }
    }

    fn read(&self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        let most = usize::try_from(self.current.size).map_or(most, |left| left.min(most));
        match &self.whole {
            WholeContent::File(file) => {
                piece.resize(most, 0);
                let count = read_at(file, piece, self.current.offset)?;
                piece.truncate(count);
            }
            WholeContent::Bytes(bytes) => {
                let start = usize::try_from(self.current.offset).unwrap_or(usize::MAX);
                let rest = bytes.as_ref().get(start..).unwrap_or_default();
                piece.extend_from_slice(&rest[..rest.len().min(most)]);
            }
        }
        Ok(())
    }
}

impl Pull for PartedSource {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        piece.clear();
        let text = self.current.text.get(self.text_at..).unwrap_or_default();
        if text.is_empty() {
            self.read(piece, most)?;
            self.skip(piece.len() as u64);
        } else {
            piece.extend_from_slice(&text[..text.len().min(most)]);
            self.text_at += piece.len();
            self.skip_ended();
        }
        Ok(())
    }

    fn file(&self) -> Option<FileStretch<'_>> {
        let is_in_text = self.text_at < self.current.text.len();
        match &self.whole {
            WholeContent::File(file) if !is_in_text && self.current.size > 0 => {
                Some(FileStretch { file, offset: self.current.offset, count: self.current.size })
            }
            _ => None,
        }
    }

    fn skip(&mut self, count: u64) {
        self.current.offset = self.current.offset.saturating_add(count);
        self.current.size = self.current.size.saturating_sub(count);
        self.skip_ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(source: &mut PartedSource, most: usize) -> Vec<u8> {
        let (mut all, mut piece) = (Vec::new(), Vec::new());
        loop {
            source.pull(&mut piece, most).expect("a piece");
            assert!(piece.len() <= most);
            if piece.is_empty() {
                return all;
            }
            all.extend_from_slice(&piece);
        }
    }

    #[test]
    fn parts_stand_behind_their_texts() {
        let whole = WholeContent::Bytes(SharedBytes::Static(b"0123456789"));
        let parts = || {
            vec![
                BodyPart::new(b"<a>".to_vec(), 2, 3),
                BodyPart::new(Vec::new(), 9, 1),
                BodyPart::new(b"<b>".to_vec(), 0, 0),
                BodyPart::new(b"<end>".to_vec(), 0, 0),
            ]
        };
        for most in [1, 2, 3, 100] {
            let mut source = PartedSource::new(whole.clone(), parts());
            assert_eq!(source.size(), Some(15));
            assert_eq!(given(&mut source, most), b"<a>2349<b><end>");
        }
        assert_eq!(given(&mut PartedSource::new(whole, Vec::new()), 8), b"");
    }

    #[test]
    fn a_file_is_offered_where_its_bytes_are_next() {
        let file = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut &file, b"0123456789").expect("written");
        let whole = WholeContent::File(Arc::new(file));
        let mut source = PartedSource::new(
            whole,
            vec![BodyPart::new(b"<a>".to_vec(), 2, 3), BodyPart::new(b"<b>".to_vec(), 8, 9)],
        );
        assert!(source.file().is_none());
        let mut piece = Vec::new();
        source.pull(&mut piece, 100).expect("a piece");
        assert_eq!(piece, b"<a>");
        let next = source.file().map(|next| (next.offset, next.count));
        assert_eq!(next, Some((2, 3)));
        source.skip(3);
        assert!(source.file().is_none());
        // The file is shorter than the second part: it ends early, which whoever counts sees.
        assert_eq!(given(&mut source, 100), b"<b>89");
    }
}
