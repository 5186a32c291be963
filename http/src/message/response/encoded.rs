//! Bodies that are given a content coding: those that are there at once, others piece by piece as they are sent.
//!
//! The idea: compressing is computing. What is small is compressed within its handler's run. What is large, or not
//! there yet, becomes a source in front of its own, so that it is compressed for as long as its client takes it, in
//! pieces that the driver of the connection sees as the user's code: timed, learned from, and handed to workers when
//! they take long. Events alone are compressed where they are sent.
//!
//! The rule: whoever wrote or sent a piece finds it with the client at once, so each is flushed. What was there from
//! the start is not.

use super::Response;
use super::body::{BodySource, WriterSource};
use super::filter::BodyFilter;
use super::outgoing::pull_next;
use super::source::{Live, Pull, SharedBytes, SharedRest};
use crate::values::coding::encoder::{Encoder, Extent, StreamCoders};
use crate::values::coding::{CompressionLevel, ContentCoding};
use crate::wire::transport::Transport;
use crate::wire::wake::Waker;
use anthill_pool::buffers::BufferPool;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Bodies up to this are compressed at once: at the usual levels in about a millisecond.
const WHOLE_BYTES_MAX: usize = 64 * 1024;

/// With less a source goes on to its next piece.
const PIECE_BYTES_MIN: usize = 1024;

/// So much is compressed at once, though nothing comes out of it.
const TAKEN_BYTES_MAX: usize = 256 * 1024;

/// Larger buffers are not kept.
const BUFFER_BYTES_MAX: usize = 2 * WHOLE_BYTES_MAX;

/// What bodies are compressed into before they change places, and what their pieces are brought into.
static BUFFERS: LazyLock<BufferPool> =
    LazyLock::new(|| BufferPool::builder().max_capacity(BUFFER_BYTES_MAX).max_idle(4).build());

impl Response {
    /// Whether the body is one that comes of events, for as long as the client listens.
    pub(crate) fn is_live(&mut self) -> bool {
        match &mut self.source {
            BodySource::Pull(source) => source.live().is_some(),
            _ => false,
        }
    }

    /// Has the body left in the form that it has, until the response is another one.
    pub(crate) fn keep_form(&mut self) {
        self.keeps_form = true;
    }

    /// Whether the body is to be left in the form that it has.
    pub(crate) fn keeps_form(&self) -> bool {
        self.keeps_form
    }

    /// The bytes of a body that lives as long as the program.
    pub(crate) fn static_body(&self) -> Option<&'static [u8]> {
        match self.source {
            BodySource::Shared(SharedBytes::Static(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Gives the body that coding. False: it is no shorter then, or is sent for long and all of `coders` are taken; it
    /// is as it was.
    ///
    /// # Errors
    /// When there is no coder to be had, or it fails. The body is as it was then.
    pub(crate) fn encode_body(
        &mut self,
        coding: ContentCoding,
        level: CompressionLevel,
        coders: &Arc<StreamCoders>,
    ) -> io::Result<bool> {
        if self.is_encoded_at_once() {
            return self.encode_whole(coding, level);
        }
        if self.is_live() {
            // Those have no coder while they wait.
            self.encode_as_sent(Encoder::new(coding, level, Extent::Stream)?);
            return Ok(true);
        }
        let Some(place) = coders.take() else { return Ok(false) };
        self.encode_as_sent(Encoder::new(coding, level, Extent::Stream)?.at(place));
        Ok(true)
    }

    /// Does the same with bytes that are there, which `witness` sees encoded; none when they are no shorter then.
    ///
    /// # Errors
    /// Those of [`encode_body`](Self::encode_body).
    pub(crate) fn encode_body_before(
        &mut self,
        mut witness: Box<dyn BodyWitness>,
        coding: ContentCoding,
        level: CompressionLevel,
        coders: &Arc<StreamCoders>,
    ) -> io::Result<bool> {
        if self.is_encoded_at_once() {
            let is_shorter = self.encode_whole(coding, level)?;
            if !is_shorter || witness.see(&self.body) {
                witness.end();
            }
            return Ok(is_shorter);
        }
        let Some(place) = coders.take() else { return Ok(false) };
        let encoder = Encoder::new(coding, level, Extent::Stream)?.at(place);
        match std::mem::take(&mut self.source) {
            BodySource::Shared(bytes) => {
                let mut source = EncodedSource::before(Box::new(SharedRest::new(bytes)), encoder, false);
                source.witness = Some(witness);
                self.source = BodySource::Pull(Box::new(source));
            }
            other => {
                self.source = other;
                self.encode_as_sent(encoder);
            }
        }
        Ok(true)
    }

    fn is_encoded_at_once(&self) -> bool {
        matches!(self.source, BodySource::Buffer | BodySource::Shared(_))
            && self.body().len() <= WHOLE_BYTES_MAX
    }

    fn encode_as_sent(&mut self, encoder: Encoder) {
        self.source = match std::mem::take(&mut self.source) {
            BodySource::Buffer => {
                let rest = SharedRest::new(SharedBytes::Owned(std::mem::take(&mut self.body)));
                EncodedSource::put_before(Box::new(rest), encoder, false)
            }
            BodySource::Shared(bytes) => {
                EncodedSource::put_before(Box::new(SharedRest::new(bytes)), encoder, false)
            }
            BodySource::File(range) => EncodedSource::put_before(Box::new(range), encoder, false),
            BodySource::Pull(source) => EncodedSource::put_before(source, encoder, true),
            BodySource::Writer(writer) => {
                BodySource::Writer(WriterSource { filter: Some(Box::new(encoder)), length: None, ..writer })
            }
        };
    }

    fn encode_whole(&mut self, coding: ContentCoding, level: CompressionLevel) -> io::Result<bool> {
        let plain = self.body();
        let mut packed = BUFFERS.get();
        let mut encoder = Encoder::new(coding, level, Extent::Whole(plain.len()))?;
        encoder.encode_last(plain, &mut packed)?;
        if packed.len() >= plain.len() {
            return Ok(false);
        }
        self.source = BodySource::Buffer;
        std::mem::swap(&mut self.body, &mut packed);
        Ok(true)
    }

    /// Replaces the body by bytes that somebody has encoded before.
    pub(crate) fn put_encoded(&mut self, bytes: Arc<[u8]>) {
        self.set_source(BodySource::Shared(SharedBytes::Counted(bytes)));
    }
}

impl BodyFilter for Encoder {
    fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.encode(bytes, out)
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        Encoder::flush(self, out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        Encoder::finish(self, out)
    }
}

/// Sees a body that is encoded as it is sent. It is dropped before the end where the client does not get all of it.
pub(crate) trait BodyWitness: Send {
    /// The next bytes that were made. False: it wants no more, and the end neither.
    fn see(&mut self, bytes: &[u8]) -> bool;

    /// That was all.
    fn end(&mut self);
}

/// Gives what another source gives, compressed.
struct EncodedSource {
    of: Box<dyn Pull>,
    /// `None` behind the end.
    encoder: Option<Encoder>,
    /// What the other one is still to give, if that is known.
    left: Option<u64>,
    /// What comes of each of its pieces is the client's at once.
    flushes: bool,
    witness: Option<Box<dyn BodyWitness>>,
}

impl EncodedSource {
    fn before(of: Box<dyn Pull>, encoder: Encoder, flushes: bool) -> Self {
        let left = of.size();
        Self { of, encoder: Some(encoder), left, flushes, witness: None }
    }

    fn put_before(of: Box<dyn Pull>, encoder: Encoder, flushes: bool) -> BodySource {
        BodySource::Pull(Box::new(Self::before(of, encoder, flushes)))
    }

    /// Replaces what is in `piece` by what comes of the next pieces of the other source.
    fn encode_next(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        piece.clear();
        // Not kept with the source, whose client may take long.
        let mut plain = BUFFERS.get();
        let mut taken = 0;
        while self.encoder.is_some() && piece.len() < PIECE_BYTES_MIN {
            let has_more = pull_next(&mut *self.of, &mut self.left, &mut plain, most)?;
            let Some(encoder) = &mut self.encoder else { return Ok(()) };
            if !has_more {
                encoder.finish(piece)?;
                self.encoder = None;
                return Ok(());
            }
            encoder.encode(&plain, piece)?;
            taken += plain.len();
            if self.flushes || taken >= TAKEN_BYTES_MAX {
                encoder.flush(piece)?;
                break;
            }
        }
        Ok(())
    }

    fn show(&mut self, piece: &[u8]) {
        let Some(witness) = &mut self.witness else { return };
        let wants_more = witness.see(piece);
        let is_last = self.encoder.is_none();
        if wants_more && is_last {
            witness.end();
        }
        if !wants_more || is_last {
            self.witness = None;
        }
    }
}

impl Pull for EncodedSource {
    fn size(&self) -> Option<u64> {
        None
    }

    fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        self.encode_next(piece, most)?;
        self.show(piece);
        if let (Some(encoder), Some(_)) = (&mut self.encoder, self.of.live()) {
            // There may be thousands that wait.
            encoder.rest();
        }
        Ok(())
    }

    fn append_trailers(&mut self, lines: &mut Vec<u8>) {
        self.of.append_trailers(lines);
    }

    fn see_client(&mut self, client: &dyn Fn() -> Option<Arc<dyn Transport>>) {
        self.of.see_client(client);
    }

    fn computes(&self) -> bool {
        true
    }

    fn live(&mut self) -> Option<&mut dyn Live> {
        if self.of.live().is_some() { Some(self) } else { None }
    }
}

impl Live for EncodedSource {
    fn is_ready(&mut self, waker: &dyn Fn() -> Waker) -> bool {
        self.encoder.is_none() || self.of.live().is_none_or(|live| live.is_ready(waker))
    }

    fn beat(&mut self) {
        if let Some(live) = self.of.live() {
            live.beat();
        }
    }

    fn end(&mut self) {
        if let Some(live) = self.of.live() {
            live.end();
        }
    }

    fn has_failed(&mut self) -> bool {
        self.of.live().is_some_and(|live| live.has_failed())
    }

    fn heartbeat(&mut self) -> Option<Duration> {
        self.of.live().and_then(|live| live.heartbeat())
    }
}
