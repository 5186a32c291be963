//! Forms as a whole: read the same however they arrive, within their limits, and written so that they read the same.

use std::io::{Cursor, Read};

use anthill_http::Args;
use anthill_http::form::{Form, FormType, Options};
use anthill_http::multipart::Boundary;

use super::plan::{Plan, fields};

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let [content_type, body] = fields::<2>(input);
    let limited = || Form::options().max_fields(3).max_field_bytes(60).max_file_bytes(40).max_body_bytes(500);
    let options: Options = match plan.below(8) {
        0..=4 => Form::options(),
        5 | 6 => limited(),
        // Files go to disk.
        _ => limited().max_memory_bytes(3),
    };
    let whole = options.read(content_type, body);
    let pieces = options.read(content_type, ByteByByte(Cursor::new(body)));
    assert_eq!(describe(&pieces), describe(&whole));
    let Ok(form) = whole else { return };
    assert!(form.values().len() + form.files().len() <= 1000);
    for file in form.files() {
        assert!(!file.file_name().contains(['/', '\\']) && file.file_name() != "..");
        assert_eq!(content(file.reader()).len() as u64, file.len());
        assert!(form.file(file.name()).is_ok() && form.files_of(file.name()).count() > 0);
    }
    match FormType::of(content_type) {
        Ok(FormType::Urlencoded) => assert_eq!(form.values(), &Args::parse(body)),
        Ok(FormType::Multipart(_)) => check_written(&form),
        other => panic!("{other:?} was read as a form"),
    }
}

/// What was written is read and written to the same bytes (row `FRM-02`).
fn check_written(form: &Form) {
    let boundary = Boundary::new("a boundary that a fuzzer has not been told of 5c1f0b").expect("a boundary");
    let written = |form: &Form| {
        let mut body = Vec::new();
        form.write_to(&mut body, &boundary).expect("a vector takes all");
        body
    };
    let body = written(form);
    let text = boundary.as_str().as_bytes();
    let delimiters = body.windows(text.len()).filter(|window| *window == text).count();
    if delimiters != form.values().len() + form.files().len() + 1 {
        return;
    }
    let again = Form::read(boundary.form_content_type(), &body[..]);
    let again = again.unwrap_or_else(|error| panic!("{error:?} in {}", body.escape_ascii()));
    assert_eq!(written(&again).escape_ascii().to_string(), body.escape_ascii().to_string());
    let names = |form: &Form| -> Vec<(String, String, Vec<u8>)> {
        let files = form.files().iter();
        files
            .map(|file| (file.name().to_owned(), file.file_name().to_owned(), content(file.reader())))
            .collect()
    };
    assert_eq!(names(&again), names(form), "{}", body.escape_ascii());
}

fn content(mut reader: impl Read) -> Vec<u8> {
    let mut content = Vec::new();
    reader.read_to_end(&mut content).expect("a file that is there");
    content
}

fn describe(form: &Result<Form, anthill_http::form::Error>) -> String {
    match form {
        Ok(form) => {
            let files: Vec<_> =
                form.files().iter().map(|file| (file.headers(), content(file.reader()))).collect();
            format!("{:?} {files:?}", form.values())
        }
        Err(error) => format!("{error:?}"),
    }
}

struct ByteByByte<'a>(Cursor<&'a [u8]>);

impl Read for ByteByByte<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let most = room.len().min(1);
        self.0.read(&mut room[..most])
    }
}
