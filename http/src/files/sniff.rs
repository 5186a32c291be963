//! The media type of content that no name tells, by its first bytes.
//!
//! Source: the WHATWG standard "MIME Sniffing", section 7.1 (an unknown type, scriptable ones among them), with the
//! tables of sections 6.1 to 6.4.

/// As many bytes as are looked at.
pub(super) const HEADER_BYTES: usize = 1445;

/// The type of content that begins so.
pub(super) fn sniff(start: &[u8]) -> &'static str {
    of_markup(start)
        .or_else(|| of_marks(start))
        .or_else(|| is_mp4(start).then_some("video/mp4"))
        .or_else(|| of_matroska(start))
        .unwrap_or(if start.iter().copied().any(is_binary) {
            "application/octet-stream"
        } else {
            "text/plain"
        })
}

/// Elements that a page of HTML begins with.
const TAGS: [&[u8]; 16] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
];

fn of_markup(start: &[u8]) -> Option<&'static str> {
    let blank = |byte: &u8| matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ');
    let text = &start[start.iter().position(|byte| !blank(byte))?..];
    let ends_tag = |at: usize| matches!(text.get(at), Some(b' ' | b'>'));
    let begins = |tag: &[u8]| text.get(..tag.len()).is_some_and(|found| found.eq_ignore_ascii_case(tag));
    if text.starts_with(b"<!--") || TAGS.iter().any(|tag| begins(tag) && ends_tag(tag.len())) {
        return Some("text/html");
    }
    text.starts_with(b"<?xml").then_some("text/xml")
}

/// What content begins with, `.` standing for any byte, and its type.
const MARKS: [(&[u8], &[u8], &str); 31] = [
    (b"%PDF-", b"", "application/pdf"),
    (b"%!PS-Adobe-", b"", "application/postscript"),
    (b"\xfe\xff", b"", "text/plain"),
    (b"\xff\xfe", b"", "text/plain"),
    (b"\xef\xbb\xbf", b"", "text/plain"),
    (b"\x00\x00\x01\x00", b"", "image/x-icon"),
    (b"\x00\x00\x02\x00", b"", "image/x-icon"),
    (b"BM", b"", "image/bmp"),
    (b"GIF87a", b"", "image/gif"),
    (b"GIF89a", b"", "image/gif"),
    (b"RIFF", b"WEBPVP", "image/webp"),
    (b"\x89PNG\r\n\x1a\n", b"", "image/png"),
    (b"\xff\xd8\xff", b"", "image/jpeg"),
    (b"FORM", b"AIFF", "audio/aiff"),
    (b"ID3", b"", "audio/mpeg"),
    (b"\xff\xfb", b"", "audio/mpeg"),
    (b"OggS\x00", b"", "application/ogg"),
    (b"MThd\x00\x00\x00\x06", b"", "audio/midi"),
    (b"RIFF", b"AVI ", "video/avi"),
    (b"RIFF", b"WAVE", "audio/wave"),
    (b"\x00\x01\x00\x00", b"", "font/ttf"),
    (b"OTTO", b"", "font/otf"),
    (b"ttcf", b"", "font/collection"),
    (b"wOFF", b"", "font/woff"),
    (b"wOF2", b"", "font/woff2"),
    (b"\x1f\x8b\x08", b"", "application/x-gzip"),
    (b"PK\x03\x04", b"", "application/zip"),
    (b"Rar \x1a\x07\x00", b"", "application/x-rar-compressed"),
    (b"Rar!\x1a\x07", b"", "application/x-rar-compressed"),
    (b"\x00asm", b"", "application/wasm"),
    (b"fLaC", b"", "audio/flac"),
];

/// Behind the first mark of two, and the four bytes of a length, stands the second.
fn of_marks(start: &[u8]) -> Option<&'static str> {
    let has = |first: &[u8], second: &[u8]| {
        start.starts_with(first)
            && (second.is_empty()
                || start.get(first.len() + 4..).is_some_and(|rest| rest.starts_with(second)))
    };
    MARKS.iter().find(|(first, second, _)| has(first, second)).map(|(_, _, media_type)| *media_type)
}

/// The signature of MP4, section 6.2.1.
fn is_mp4(start: &[u8]) -> bool {
    let Some((length, rest)) = start.split_first_chunk::<4>() else { return false };
    let length = u32::from_be_bytes(*length) as usize;
    if start.len() < 12 || start.len() < length || length % 4 != 0 || !rest.starts_with(b"ftyp") {
        return false;
    }
    let brands = start.get(16..length).unwrap_or_default();
    start[8..].starts_with(b"mp4") || brands.chunks_exact(4).any(|brand| brand.starts_with(b"mp4"))
}

/// The signature of WebM, section 6.2.2, which also tells Matroska.
fn of_matroska(start: &[u8]) -> Option<&'static str> {
    let header = start.strip_prefix(b"\x1a\x45\xdf\xa3")?;
    let header = &header[..header.len().min(64)];
    let has = |name: &[u8]| memchr::memmem::find(header, name).is_some();
    if has(b"webm") {
        Some("video/webm")
    } else if has(b"matroska") {
        Some("video/matroska")
    } else {
        None
    }
}

/// A byte that no text has.
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_first_bytes() {
        for (start, expected) in [
            (&b""[..], "text/plain"),
            (b"plain words", "text/plain"),
            (b"\x1b[1mbold", "text/plain"),
            (b"a\0b", "application/octet-stream"),
            (b"  \r\n<!doctype html>", "text/html"),
            (b"<!doctype htmlx", "text/plain"),
            (b"<p>", "text/html"),
            (b"<pre>", "text/plain"),
            (b"<BR ", "text/html"),
            (b"<!-- a", "text/html"),
            (b"<?xml version", "text/xml"),
            (b"<svg>", "text/plain"),
            (b"<b", "text/plain"),
            (b"%PDF-1.7", "application/pdf"),
            (b"\xef\xbb\xbftext", "text/plain"),
            (b"\x89PNG\r\n\x1a\nrest", "image/png"),
            (b"GIF89a", "image/gif"),
            (b"GIF88a", "text/plain"),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", "image/webp"),
            (b"RIFF\x01\x02\x03\x04WAVEfmt ", "audio/wave"),
            (b"RIFF\x01\x02\x03", "application/octet-stream"),
            (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "video/mp4"),
            (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00mp41isom", "video/mp4"),
            (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isomisom", "application/octet-stream"),
            (b"\x00\x00\x00\x19ftypmp42", "application/octet-stream"),
            (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video/webm"),
            (b"\x1f\x8b\x08\x00", "application/x-gzip"),
            (b"PK\x03\x04", "application/zip"),
            (b"wOF2", "font/woff2"),
        ] {
            assert_eq!(sniff(start), expected, "{}", start.escape_ascii());
        }
    }
}
