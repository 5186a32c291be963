//! What is kept of a session, as bytes.
//!
//! The form: a byte 1, when it was begun and last used in seconds since 1970, then names and values, each behind its
//! length. Numbers are of 8 and 4 bytes, the highest first.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const FORM: u8 = 1;

/// What is kept of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SessionRecord {
    pub(super) begun: u64,
    pub(super) used: u64,
    pub(super) values: BTreeMap<String, String>,
}

impl SessionRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORM];
        out.extend_from_slice(&self.begun.to_be_bytes());
        out.extend_from_slice(&self.used.to_be_bytes());
        for text in self.values.iter().flat_map(|(name, value)| [name, value]) {
            // What is longer than that is refused for its size.
            out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out
    }

    /// `None`: it is of another form, or damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&FORM, mut rest) = bytes.split_first()? else { return None };
        let begun = u64::from_be_bytes(take(&mut rest)?);
        let used = u64::from_be_bytes(take(&mut rest)?);
        let mut values = BTreeMap::new();
        while !rest.is_empty() {
            values.insert(text(&mut rest)?, text(&mut rest)?);
        }
        Some(Self { begun, used, values })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(u32::from_be_bytes(take(rest)?)).ok()?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    String::from_utf8(text.to_vec()).ok()
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

pub(super) fn time_at(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            begun in any::<u64>(),
            used in any::<u64>(),
            values in proptest::collection::btree_map(".{0,9}", ".{0,99}", 0..9),
        ) {
            let record = SessionRecord { begun, used, values };
            let bytes = record.encode();
            prop_assert_eq!(SessionRecord::decode(&bytes), Some(record));
            if bytes.len() > 17 {
                prop_assert_eq!(SessionRecord::decode(&bytes[..bytes.len() - 1]), None);
            }
        }

        #[test]
        fn nothing_that_is_stored_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let _ = SessionRecord::decode(&bytes);
            let _ = SessionRecord::decode(&[&[FORM][..], &bytes].concat());
        }
    }

    #[test]
    fn other_forms_are_none() {
        assert_eq!(SessionRecord::decode(&[]), None);
        assert_eq!(SessionRecord::decode(&[2; 17]), None);
        assert_eq!(SessionRecord::decode(&[FORM; 17]).map(|record| record.values.len()), Some(0));
    }
}
