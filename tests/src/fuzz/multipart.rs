//! Multipart bodies: the same parts however the body is cut, and the parts that a plain reader finds.
//!
//! The idea: the plain reader splits the whole body at its delimiters first, and then looks at what is between. The
//! rule: a line that starts with the delimiter is a delimiter, wherever it stands, or the body is refused.

use std::io::Read;

use anthill_http::multipart::{Boundary, Error, Limits, Multipart, MultipartWriter};

use super::plan::{Plan, fields};

/// A part: the fields of its head, its names, and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    fields: Vec<(String, Vec<u8>)>,
    name: Option<String>,
    file_name: Option<String>,
    content: Vec<u8>,
}

/// All parts, and the error behind them.
type Parts = (Vec<Part>, Option<String>);

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let [boundary, body] = fields::<2>(input);
    let announced = Boundary::from_content_type([b"multipart/mixed; boundary=", boundary].concat());
    let boundary =
        Boundary::new(boundary).or(announced).unwrap_or_else(|_| Boundary::new("b").expect("a boundary"));
    let limits = match plan.below(4) {
        0 => Limits::new(),
        1 => Limits::new().max_parts(plan.below(4) + 1),
        2 => Limits::new().max_head_bytes(plan.below(256) + 1).max_part_bytes(plan.below(256) as u64 + 1),
        _ => Limits::new().max_body_bytes(u64::from(plan.byte()) * 2 + 1),
    };
    let is_limited = !plan_is_default(data);
    let cuts = plan.bytes(9);
    let whole = read(body, &[], &boundary, &limits, Way::All);
    let skipping = plan.is_yes();
    for (cuts, way) in [(cuts, Way::Small), (&[1], Way::All), (&[2, 7], Way::Small)] {
        let pieces = read(body, cuts, &boundary, &limits, way);
        assert_eq!(pieces, whole, "cut {cuts:?}, read {way:?}");
    }
    if skipping {
        let (parts, error) = read(body, cuts, &boundary, &limits, Way::Nothing);
        let heads = |parts: &[Part]| -> Vec<Part> {
            parts.iter().map(|part| Part { content: Vec::new(), ..part.clone() }).collect()
        };
        assert_eq!((heads(&parts), error), (heads(&whole.0), whole.1.clone()), "parts that are skipped");
    }
    if is_limited {
        return;
    }
    match split(body, boundary.as_str().as_bytes()) {
        Some(contents) => {
            let found: Vec<&[u8]> = whole.0.iter().map(|part| &part.content[..]).collect();
            assert!(contents.starts_with(&found), "{found:?} is not of {contents:?}");
            assert!(whole.1.is_some() || found.len() == contents.len(), "parts are missing: {contents:?}");
        }
        None => assert!(whole.1.is_some(), "no multipart body was read to its end: {whole:?}"),
    }
    if whole.1.is_none() {
        check_written(&whole.0);
    }
}

fn plan_is_default(data: &[u8]) -> bool {
    Plan::split(data).0.below(4) == 0
}

/// How parts are read.
#[derive(Clone, Copy, Debug)]
enum Way {
    All,
    Small,
    Nothing,
}

fn read(body: &[u8], cuts: &[u8], boundary: &Boundary, limits: &Limits, way: Way) -> Parts {
    let mut multipart =
        Multipart::with_limits(Pieces { rest: body, cuts, turn: 0 }, boundary, limits.clone());
    let mut parts = Vec::new();
    let error = loop {
        match read_part(&mut multipart, way) {
            Ok(Some(part)) => parts.push(part),
            Ok(None) => break None,
            Err((part, error)) => {
                parts.extend(part);
                break Some(error);
            }
        }
        assert!(parts.len() <= body.len(), "more parts than bytes");
    };
    // The end is the end, and an error stays.
    match (multipart.next_part(), &error) {
        (Ok(None), None) => {}
        (Err(again), Some(error)) => assert_eq!(describe(&again), *error),
        (again, error) => panic!("{error:?}, and then {again:?}"),
    }
    (parts, error)
}

#[allow(clippy::type_complexity)]
fn read_part(
    multipart: &mut Multipart<Pieces<'_>>,
    way: Way,
) -> Result<Option<Part>, (Option<Part>, String)> {
    let Some(mut part) = multipart.next_part().map_err(|error| (None, describe(&error)))? else {
        return Ok(None);
    };
    let mut found = Part {
        fields: part.headers().iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
        name: part.name().map(str::to_owned),
        file_name: part.file_name().map(str::to_owned),
        content: Vec::new(),
    };
    let is_fine = found.file_name.as_ref().is_none_or(|name| !name.contains(['/', '\\']) && name != "..");
    assert!(is_fine, "a file name that is a path: {found:?}");
    let result = match way {
        Way::All => part.read_to_end(&mut found.content).map(drop),
        Way::Nothing => Ok(()),
        Way::Small => loop {
            let mut room = [0; 3];
            match part.read(&mut room) {
                Ok(0) => break Ok(()),
                Ok(count) => found.content.extend_from_slice(&room[..count]),
                Err(error) => break Err(error),
            }
        },
    };
    match result {
        Ok(()) => Ok(Some(found)),
        Err(error) => Err((Some(found), describe(&Error::from(error)))),
    }
}

fn describe(error: &Error) -> String {
    format!("{error:?}")
}

/// A body that arrives in pieces of these lengths.
struct Pieces<'a> {
    rest: &'a [u8],
    cuts: &'a [u8],
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let most =
            self.turn.checked_rem(self.cuts.len()).map_or(usize::MAX, |index| self.cuts[index].max(1).into());
        self.turn += 1;
        let count = most.min(room.len()).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(count);
        room[..count].copy_from_slice(piece);
        self.rest = rest;
        Ok(count)
    }
}

/// The contents of the parts, or `None` when that is no multipart body.
fn split<'a>(body: &'a [u8], boundary: &[u8]) -> Option<Vec<&'a [u8]>> {
    let delimiter = [b"--", boundary].concat();
    let needle = [b"\r\n", &delimiter[..]].concat();
    let mut rest = match body.strip_prefix(&delimiter[..]) {
        Some(rest) => rest,
        None => &body[find(body, &needle)? + needle.len()..],
    };
    let mut contents = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(contents);
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        // The line end of the delimiter may be that of the next one, or of the blank line.
        let part = &rest[padding..];
        part.strip_prefix(b"\r\n")?;
        let end = find(part, &needle)?;
        let head_end = find(part, b"\r\n\r\n")?;
        match part[..end].get(head_end + 4..) {
            Some(content) => contents.push(content),
            // The blank line is the delimiter's own.
            None if head_end + 2 == end => contents.push(&[]),
            None => return None,
        }
        rest = &part[end + needle.len()..];
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Writes the parts and reads them again.
fn check_written(parts: &[Part]) {
    let boundary = Boundary::new("a boundary that a fuzzer has not been told of 5c1f0b").expect("a boundary");
    let mut writer = MultipartWriter::new(Vec::new(), &boundary);
    for part in parts {
        if find(&part.content, boundary.as_str().as_bytes()).is_some() {
            return;
        }
        let mut headers = anthill_http::Headers::new();
        headers.set_names_normalizing(false);
        for (name, value) in &part.fields {
            headers.append(name, value);
        }
        writer.part(&headers, &part.content[..]).expect("a vector takes all");
    }
    let body = writer.finish().expect("a vector takes all");
    let (again, error) = read(&body, &[], &boundary, &Limits::new(), Way::All);
    assert_eq!((&again[..], error), (parts, None), "{}", body.escape_ascii());
    // The same as form fields, whatever their names are.
    let mut writer = MultipartWriter::new(Vec::new(), &boundary);
    for part in parts {
        let name = part.name.as_deref().unwrap_or_default();
        let file_name = part.file_name.as_deref().unwrap_or_default();
        writer.field(name, &part.content).expect("a vector takes all");
        writer.file(name, file_name, "a/b", &part.content[..]).expect("a vector takes all");
    }
    let body = writer.finish().expect("a vector takes all");
    let (again, error) = read(&body, &[], &boundary, &Limits::new(), Way::All);
    assert_eq!((again.len(), error), (parts.len() * 2, None), "{}", body.escape_ascii());
    for (pair, part) in again.chunks(2).zip(parts) {
        assert_eq!(pair[0].content, part.content);
        assert_eq!(pair[1].content, part.content);
        let name = part.name.as_deref().unwrap_or_default();
        if !name.contains(|c: char| c.is_ascii_control()) {
            assert_eq!((pair[0].name.as_deref(), pair[1].name.as_deref()), (Some(name), Some(name)));
        }
    }
}
