//! What has become of bodies that live as long as the program.
//!
//! The idea: such a body is known by its place, because nothing else can ever be there.

use crate::values::coding::{CompressionLevel, ContentCoding};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Results, as many as fit.
pub(super) struct KeptBodies {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

/// Where a body is, how long it is, and in which coding.
type BodyPlace = (usize, usize, ContentCoding);

#[derive(Default)]
struct Kept {
    /// `None`: it becomes no shorter.
    results: HashMap<BodyPlace, Option<Arc<[u8]>>>,
    bytes: usize,
}

/// What a result takes beside its bytes.
const ENTRY_BYTES: usize = 128;

impl KeptBodies {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, kept: Mutex::default() }
    }

    pub(super) fn is_used(&self) -> bool {
        self.bytes_max > 0
    }

    /// `body` in that coding; `None`: it is no shorter then.
    pub(super) fn get(
        &self,
        body: &'static [u8],
        coding: ContentCoding,
        level: CompressionLevel,
    ) -> io::Result<Option<Arc<[u8]>>> {
        let place = (body.as_ptr() as usize, body.len(), coding);
        if let Some(result) = self.kept.lock().results.get(&place) {
            return Ok(result.clone());
        }
        let mut encoded = Vec::new();
        coding.append_encoded(&mut encoded, body, level)?;
        let result: Option<Arc<[u8]>> = (encoded.len() < body.len()).then(|| encoded.into());
        let bytes = ENTRY_BYTES + result.as_ref().map_or(0, |bytes| bytes.len());
        let mut kept = self.kept.lock();
        if kept.bytes.saturating_add(bytes) <= self.bytes_max && !kept.results.contains_key(&place) {
            kept.bytes += bytes;
            kept.results.insert(place, result.clone());
        }
        Ok(result)
    }
}
