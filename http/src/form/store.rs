//! Where the content of a file is: in memory, or in a temporary file without a name.
//!
//! The rule: reading never moves a position that is shared, so any number of readers may read at once.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Content that grows at its end.
#[derive(Debug)]
pub(super) enum Store {
    Memory(Vec<u8>),
    Disk { file: File, length: u64 },
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

    /// Appends `piece`, in memory as long as `memory_left` is enough, and gives that memory back when it no longer
    /// is.
    pub(super) fn append(
        &mut self,
        piece: &[u8],
        memory_left: &mut usize,
        temp_dir: Option<&Path>,
    ) -> io::Result<()> {
        match self {
            Store::Memory(content) if piece.len() <= *memory_left => {
                content.extend_from_slice(piece);
                *memory_left -= piece.len();
            }
            Store::Memory(content) => {
                let mut file = match temp_dir {
                    Some(folder) => tempfile::tempfile_in(folder)?,
                    None => tempfile::tempfile()?,
                };
                file.write_all(content)?;
                file.write_all(piece)?;
                *memory_left += content.len();
                *self = Store::Disk { file, length: (content.len() + piece.len()) as u64 };
            }
            Store::Disk { file, length } => {
                file.write_all(piece)?;
                *length += piece.len() as u64;
            }
        }
        Ok(())
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
            Store::Disk { file, .. } => read_file_at(file, out, position),
        }
    }
}

#[cfg(unix)]
fn read_file_at(file: &File, out: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, position)
}

#[cfg(windows)]
fn read_file_at(file: &File, out: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_to_disk_and_gives_its_memory_back() {
        let mut memory_left = 5;
        let mut store = Store::default();
        store.append(b"1234", &mut memory_left, None).expect("memory");
        assert!(matches!(store, Store::Memory(_)) && memory_left == 1);
        store.append(b"56", &mut memory_left, None).expect("a temporary file");
        assert!(matches!(store, Store::Disk { length: 6, .. }) && memory_left == 5);
        store.append(b"7", &mut memory_left, None).expect("a temporary file");
        assert_eq!(store.len(), 7);
        let mut out = [0; 16];
        let count = store.read_at(&mut out, 2).expect("a file that can be read");
        assert_eq!(&out[..count], b"34567");
        assert_eq!(store.read_at(&mut out, 7).expect("a file that can be read"), 0);
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
