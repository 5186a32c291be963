//! The copies that were made of one open file, and those that can be.

use super::super::coded::{CodedCopy, CopyProgress, CopyState, as_copy_of, tag_of_made};
use super::super::content::{Content, FileTags};
use super::line::Answer;
use super::maker::CopyMaker;
use super::packing::{CODINGS, SIZES};
use super::verdicts::Verdict;
use super::version::FileVersion;
use crate::values::coding::ContentCoding;
use std::sync::Arc;

/// See the module's text. When the file is deleted, or another has taken its name, its copies go with this.
#[derive(Debug)]
pub(in crate::files) struct MadeCopies {
    maker: Arc<CopyMaker>,
    plain: Content,
    version: FileVersion,
}

impl MadeCopies {
    /// Adds those of `plain` to `copies`, in codings that are not among them. `None`: there are none, nor will be.
    pub(in crate::files) fn of(
        maker: &Arc<CopyMaker>,
        plain: &Content,
        tags: FileTags,
        copies: &mut Vec<CodedCopy>,
    ) -> Option<Self> {
        let version = FileVersion::of(plain).filter(|_| SIZES.contains(&plain.len()))?;
        let others = copies.len();
        // Opened when it is known that there is something.
        let mut folder = None;
        for (&coding, verdict) in CODINGS.iter().zip(maker.known(&version)) {
            let name = coding.name();
            if copies[..others].iter().any(|copy| copy.coding.eq_ignore_ascii_case(name)) {
                continue;
            }
            let found = match verdict {
                Some(Verdict::NotWorthIt) => continue,
                Some(Verdict::There(known)) => {
                    let folder = folder.get_or_insert_with(|| maker.folder());
                    let found = maker.find(folder, &(version, coding), &known);
                    found.map(|content| (content, known.checksum))
                }
                Some(Verdict::Failed(_)) | None => None,
            };
            let state = match found {
                Some((content, checksum)) => {
                    let tag = tag_of_made(plain, tags, name, checksum);
                    CopyState::Made(as_copy_of(content, plain, tag))
                }
                None => CopyState::ToBeMade(CopyProgress::default()),
            };
            copies.push(CodedCopy { coding: name.into(), state });
        }
        let (maker, plain) = (maker.clone(), plain.clone());
        (copies.len() > others).then_some(Self { maker, plain, version })
    }

    /// Has the copy in `coding` made. True: it was made since the file was opened.
    pub(in crate::files) fn ask(&self, coding: &str, progress: &CopyProgress) -> bool {
        let Some(coding) = ContentCoding::from_name(coding) else { return false };
        match self.maker.ask(&self.plain, (self.version, coding), progress.is_asked_for()) {
            Answer::Begun => {
                progress.note_asked();
                false
            }
            Answer::NotNow => false,
            Answer::Never => {
                progress.give_up();
                false
            }
            Answer::IsOver => true,
        }
    }
}

impl Drop for MadeCopies {
    fn drop(&mut self) {
        // While the file is open its number is given to no other.
        if self.plain.is_deleted() {
            self.maker.discard(&self.version);
        }
    }
}
