//! Where the content of a file is: in memory, or in a temporary file without a name.
//!
//! The idea: all files of a form that do not stay in memory lie one behind the other in one temporary file. A file each
//! would let a form of many small files use up the descriptors of the whole process; so there are only as many of these
//! as the program asks for.
//!
//! The rule: reading never depends on a position that is shared, so any number of readers may read at once.

use crate::util::file::read_at;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// What the files of one form share while they are received.
#[derive(Debug)]
pub(super) struct Space<'a> {
    memory_left: usize,
    temp_dir: Option<&'a Path>,
    /// How many files may still have a temporary file of their own.
    own_left: usize,
    file: Option<Arc<File>>,
    file_length: u64,
}

impl<'a> Space<'a> {
    /// So many bytes of memory, and a folder (or else the system's) for temporary files should they not be enough: so
    /// many of one content, and one for the rest.
    pub(super) fn new(memory_bytes: usize, temp_dir: Option<&'a Path>, own_files: usize) -> Self {
        Self { memory_left: memory_bytes, temp_dir, own_left: own_files, file: None, file_length: 0 }
    }

    fn new_file(&self) -> io::Result<Arc<File>> {
        Ok(Arc::new(match self.temp_dir {
            Some(folder) => tempfile::tempfile_in(folder)?,
            None => tempfile::tempfile()?,
        }))
    }

    /// Where the next content goes, and from which place on.
    fn place(&mut self) -> io::Result<(Arc<File>, u64)> {
        if self.own_left > 0 {
            let own = self.new_file()?;
            self.own_left -= 1;
            return Ok((own, 0));
        }
        Ok((self.file()?, self.file_length))
    }

    /// The temporary file of the rest, which is made when it is asked for first.
    fn file(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let file = self.new_file()?;
        Ok(self.file.insert(file).clone())
    }

    /// Writes behind what a temporary file has.
    fn write(&mut self, file: &Arc<File>, piece: &[u8]) -> io::Result<()> {
        (&**file).write_all(piece)?;
        if self.file.as_ref().is_some_and(|shared| Arc::ptr_eq(shared, file)) {
            self.file_length += piece.len() as u64;
        }
        Ok(())
    }
}

/// Content that grows at its end, until the next one of the same form has grown.
#[derive(Debug)]
pub(super) enum Store {
    Memory(Vec<u8>),
    /// So many bytes from `start` on.
    Disk {
        file: Arc<File>,
        start: u64,
        length: u64,
    },
}

impl Default for Store {
    fn default() -> Self {
        Store::Memory(Vec::new())
    }
}

impl Store {
    pub(super) fn len(&self) -> u64 {
        match self {
            Store::Memory(content) => content.len() as u64,
            Store::Disk { length, .. } => *length,
        }
    }

    /// Appends `piece`, in memory as long as there is enough, and gives that memory back when there no longer is.
    pub(super) fn append(&mut self, piece: &[u8], space: &mut Space<'_>) -> io::Result<()> {
        match self {
            Store::Memory(content) if piece.len() <= space.memory_left => {
                content.extend_from_slice(piece);
                space.memory_left -= piece.len();
            }
            Store::Memory(content) => {
                let (file, start) = space.place()?;
                space.write(&file, content)?;
                space.write(&file, piece)?;
                space.memory_left += content.len();
                let length = (content.len() + piece.len()) as u64;
                *self = Store::Disk { file, start, length };
            }
            Store::Disk { file, length, .. } => {
                space.write(file, piece)?;
                *length += piece.len() as u64;
            }
        }
        Ok(())
    }

    /// The temporary file that has this content and no other.
    pub(super) fn alone_in(&self) -> io::Result<Option<&File>> {
        match self {
            Store::Disk { file, start: 0, length } if file.metadata()?.len() == *length => Ok(Some(file)),
            _ => Ok(None),
        }
    }

    /// Reads from `position` on, as [`Read::read`](io::Read::read) does.
    pub(super) fn read_at(&self, out: &mut [u8], position: u64) -> io::Result<usize> {
        match self {
            Store::Memory(content) => {
                let start = usize::try_from(position).unwrap_or(usize::MAX).min(content.len());
                let count = out.len().min(content.len() - start);
                out[..count].copy_from_slice(&content[start..start + count]);
                Ok(count)
            }
            Store::Disk { file, start, length } => {
                let left = length.saturating_sub(position);
                let count = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
                if count == 0 { Ok(0) } else { read_at(file, &mut out[..count], start + position) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_to_disk_and_gives_its_memory_back() {
        let mut space = Space::new(5, None, 0);
        let mut store = Store::default();
        store.append(b"1234", &mut space).expect("memory");
        assert!(matches!(store, Store::Memory(_)) && space.memory_left == 1);
        store.append(b"56", &mut space).expect("a temporary file");
        assert!(matches!(store, Store::Disk { length: 6, .. }) && space.memory_left == 5);
        store.append(b"7", &mut space).expect("a temporary file");
        assert_eq!(store.len(), 7);
        let mut out = [0; 16];
        let count = store.read_at(&mut out, 2).expect("a file that can be read");
        assert_eq!(&out[..count], b"34567");
        assert_eq!(store.read_at(&mut out, 7).expect("a file that can be read"), 0);
    }

    #[test]
    fn each_sees_its_own_part_of_the_file_that_they_share() {
        let mut space = Space::new(0, None, 0);
        let stores = [&b"first"[..], b"", b"second"].map(|content| {
            let mut store = Store::default();
            for piece in content.chunks(2) {
                store.append(piece, &mut space).expect("a temporary file");
            }
            (store, content)
        });
        for (store, content) in &stores {
            for position in 0..=content.len() {
                let mut out = [0; 16];
                let count = store.read_at(&mut out, position as u64).expect("a file that can be read");
                assert_eq!(&out[..count], &content[position..]);
            }
            assert_eq!(store.read_at(&mut [0; 4], u64::MAX).expect("nothing"), 0);
        }
        assert!(matches!(&stores[1].0, Store::Memory(_)), "nothing needs no file");
        let (Store::Disk { file: one, .. }, Store::Disk { file: other, .. }) = (&stores[0].0, &stores[2].0)
        else {
            panic!("they are on disk");
        };
        assert!(Arc::ptr_eq(one, other));
    }

    #[test]
    fn reading_memory_anywhere() {
        let store = Store::Memory(b"abc".to_vec());
        let mut out = [0; 2];
        assert_eq!((store.read_at(&mut out, 1).unwrap(), &out), (2, b"bc"));
        for position in [3, 4, u64::MAX] {
            assert_eq!(store.read_at(&mut out, position).unwrap(), 0);
        }
    }
}
