//! Where records end, as far as that is to be known before they are read: what is not whole is not worth reckoning
//! with.

/// The type and the version of a record, and its length.
const HEADER: usize = 5;
/// No record is longer: what it protects may take so much more (RFC 8446 section 5.2, RFC 5246 section 6.2.3).
const LENGTH_MAX: usize = (1 << 14) + 2048;
/// Types are `change_cipher_spec` to `application_data`.
const TYPES: std::ops::RangeInclusive<u8> = 20..=23;

/// A place in a sequence of records.
#[derive(Debug, Default)]
pub(super) struct RecordPlace {
    header: [u8; HEADER],
    /// Bytes of the header that have come.
    have: usize,
    /// Bytes of the record that have not, behind its header.
    missing: usize,
}

impl RecordPlace {
    /// More has come. True: a record has ended in it, or it goes on with what is none.
    pub(super) fn passes(&mut self, mut bytes: &[u8]) -> bool {
        let mut has_ended = false;
        while !bytes.is_empty() {
            if self.have < HEADER {
                let count = bytes.len().min(HEADER - self.have);
                let (header, rest) = bytes.split_at(count);
                self.header[self.have..self.have + count].copy_from_slice(header);
                self.have += count;
                bytes = rest;
                if self.have < HEADER {
                    break;
                }
                self.missing = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
                if !TYPES.contains(&self.header[0]) || self.header[1] != 3 || self.missing > LENGTH_MAX {
                    return true;
                }
            }
            let count = bytes.len().min(self.missing);
            self.missing -= count;
            bytes = &bytes[count..];
            if self.missing == 0 {
                has_ended = true;
                self.have = 0;
            }
        }
        has_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_ends_where_it_says_however_it_comes() {
        let records = [&[22, 3, 1, 0, 3, 1, 2, 3][..], &[23, 3, 3, 0, 1, 9], &[20, 3, 3, 0, 0]];
        let all = records.concat();
        let ends: Vec<usize> = records
            .iter()
            .scan(0, |end, record| {
                *end += record.len();
                Some(*end)
            })
            .collect();
        for size in 1..=all.len() {
            let (mut place, mut passed) = (RecordPlace::default(), 0);
            for piece in all.chunks(size) {
                let expected = ends.iter().any(|end| (passed + 1..=passed + piece.len()).contains(end));
                passed += piece.len();
                // The last one has nothing behind its header.
                assert_eq!(place.passes(piece), expected, "{passed} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_is_no_record_is_not_waited_for() {
        for header in [[0x80, 3, 1, 0, 1], [22, 2, 1, 0, 1], [22, 3, 1, 0xff, 0xff]] {
            let mut place = RecordPlace::default();
            assert!(!place.passes(&header[..4]));
            assert!(place.passes(&header[4..]));
        }
    }
}
