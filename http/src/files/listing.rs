//! Pages that say what is in a folder: as HTML for people, as JSON for programs.
//!
//! The rule: names are whatever somebody has called a file. In HTML they are escaped, and shown such that none can hide
//! what it is or change what stands around it; in links every byte that is not plain is escaped, so that each name is
//! led to, whatever it is; in JSON they are text, beside such a link.
//!
//! Source: the HTML standard (4.3.11 and 4.9 for structure, 3.2.6.4 for directions), WCAG 2.2 (1.3.1, 1.4.3, 1.4.10,
//! 2.4.2, 2.4.4), Unicode Standard Annex #9 (3.1, what changes directions).

use super::file_system::FolderEntry;
use crate::ctx::RequestCtx;
use crate::util::byte_set::{ByteSet, alphanumerics_and};
use crate::util::date::civil;
use crate::util::html::html_escape;
use crate::util::percent::append_encoded;
use crate::values::header::Accept;
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::SystemTime;

/// What of a path stands as it is in a link: what RFC 3986 calls unreserved, and slashes.
pub(super) static PATH_BYTES: ByteSet = alphanumerics_and(b"-._~/");
/// The same of a name.
static NAME_BYTES: ByteSet = alphanumerics_and(b"-._~");

/// The colours are the browser's own, of which there are light and dark ones.
const STYLE: &str = ":root{color-scheme:light dark}\
    body{font-family:system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}\
    h1,th{overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}\
    caption,th,td{padding:.3em .6em;text-align:start}thead th+th,td{text-align:end;white-space:nowrap}\
    tbody th{font-weight:normal;white-space:pre-wrap}tbody tr:hover{background:#8882}";

/// Should a name ever become more than text, it would still run nothing and load nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; \
    form-action 'none'";

/// What is told of a folder.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) entries: Vec<FolderEntry>,
    /// There are more than so many, and the others were not looked at.
    pub(super) left_off_behind: Option<usize>,
}

/// Answers with a page about the folder at `path`, in the form that the client likes better.
pub(super) fn answer(ctx: &mut RequestCtx, path: &[u8], mut listing: Listing) {
    listing
        .entries
        .sort_by(|one, other| other.is_folder.cmp(&one.is_folder).then_with(|| one.name.cmp(&other.name)));
    let wants_json = {
        let accepted = Accept::new(ctx.request.headers().get_all("Accept"));
        accepted.preferred(["text/html", "application/json"]) == Some("application/json")
    };
    ctx.response.append_header("Vary", "Accept");
    if wants_json {
        ctx.success("application/json", json(&listing));
    } else {
        if !ctx.response.headers().contains("Content-Security-Policy") {
            ctx.response.set_header("Content-Security-Policy", POLICY);
        }
        ctx.success("text/html; charset=utf-8", html(path, &listing));
    }
}

fn html(path: &[u8], Listing { entries, left_off_behind }: &Listing) -> String {
    let title = shown(path);
    let title = html_escape(&title);
    let mut page = String::with_capacity(1280 + entries.len() * 224);
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Index of {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Index of <bdi>{title}</bdi></h1>\n"
    );
    if path != b"/" && !path.is_empty() {
        page.push_str("<p><a href=\"../\">Parent folder</a></p>\n");
    }
    match left_off_behind {
        Some(most) => {
            let _ = writeln!(page, "<p>There is more in this folder; only {most} entries were read.</p>");
        }
        None if entries.is_empty() => page.push_str("<p>This folder is empty.</p>\n"),
        None => {}
    }
    if !entries.is_empty() {
        append_table(&mut page, entries);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn append_table(page: &mut String, entries: &[FolderEntry]) {
    page.push_str(
        "<table>\n<caption>Folders first, both by name</caption>\n\
         <thead><tr><th scope=\"col\" aria-sort=\"ascending\">Name</th><th scope=\"col\">Size</th>\
         <th scope=\"col\">Last modified (UTC)</th></tr></thead>\n<tbody>\n",
    );
    for entry in entries {
        append_row(page, entry);
    }
    page.push_str("</tbody>\n</table>\n");
}

fn append_row(page: &mut String, entry: &FolderEntry) {
    let name = shown(&entry.name);
    let name = html_escape(&name);
    let slash = if entry.is_folder { "/" } else { "" };
    let _ = write!(page, "<tr><th scope=\"row\"><a href=\"{}\">", Link(entry));
    // Of letters that may go to the left, what stands behind must not be among them.
    let _ = match name.is_ascii() {
        true => write!(page, "{name}{slash}"),
        false => write!(page, "<bdi>{name}</bdi>{slash}"),
    };
    page.push_str("</a></th><td>");
    if entry.is_folder {
        page.push_str("folder");
    } else {
        let _ = write!(page, "<data value=\"{}\">{}</data>", entry.size, Size(entry.size));
    }
    page.push_str("</td><td>");
    if let Some(time) = entry.modified {
        let time = Iso(time);
        let _ = write!(page, "<time datetime=\"{time}\">{time:#}</time>");
    }
    page.push_str("</td></tr>\n");
}

/// A name as people see it: without line breaks and other controls, which have pictures in their place, and without
/// what turns the direction of the letters behind it, by which `gpj.exe` looks like `exe.jpg`. What is no text, and
/// what has no picture, is a replacement character.
fn shown(name: &[u8]) -> Cow<'_, str> {
    let name = String::from_utf8_lossy(name);
    if name.chars().all(|letter| picture(letter) == letter) {
        return name;
    }
    Cow::Owned(name.chars().map(picture).collect())
}

/// What is shown for it: mostly itself.
fn picture(letter: char) -> char {
    match letter {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(letter)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        letter => letter,
    }
}

/// Where an entry is, from its folder.
struct Link<'a>(&'a FolderEntry);

impl fmt::Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In front of it so that no name is taken for a scheme.
        let mut link = b"./".to_vec();
        append_encoded(&mut link, &self.0.name, &NAME_BYTES);
        f.write_str(&String::from_utf8_lossy(&link))?;
        f.write_str(if self.0.is_folder { "/" } else { "" })
    }
}

fn json(Listing { entries, left_off_behind }: &Listing) -> String {
    let mut list = String::with_capacity(16 + entries.len() * 96);
    list.push('[');
    for (index, entry) in entries.iter().enumerate() {
        list.push_str(if index == 0 { "\n{\"name\":" } else { ",\n{\"name\":" });
        append_json(&mut list, &String::from_utf8_lossy(&entry.name));
        let _ = write!(list, ",\"href\":\"{}\"", Link(entry));
        if entry.is_folder {
            list.push_str(",\"type\":\"directory\"");
        } else {
            let _ = write!(list, ",\"type\":\"file\",\"size\":{}", entry.size);
        }
        if let Some(time) = entry.modified {
            let _ = write!(list, ",\"mtime\":\"{}\"", Iso(time));
        }
        list.push('}');
    }
    if left_off_behind.is_some() {
        list.push_str(if entries.is_empty() { "\n" } else { ",\n" });
        list.push_str("{\"type\":\"more\"}");
    }
    list.push_str("\n]\n");
    list
}

fn append_json(list: &mut String, text: &str) {
    list.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => list.extend(['\\', letter]),
            '\u{0}'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(list, "\\u{:04x}", u32::from(letter));
            }
            _ => list.push(letter),
        }
    }
    list.push('"');
}

/// `1.5 MiB`
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut unit = 0;
        let mut shown = self.0 as f64;
        // What would be shown as 1024 of a unit is 1 of the next.
        while shown >= 1023.95 && unit < 4 {
            (shown, unit) = (shown / 1024.0, unit + 1);
        }
        match unit {
            0 => write!(f, "{} B", self.0),
            _ => write!(f, "{shown:.1} {}", ["B", "KiB", "MiB", "GiB", "TiB"][unit]),
        }
    }
}

/// `2024-01-31T23:59:59Z`; for people (`{:#}`) `2024-01-31 23:59:59`.
struct Iso(SystemTime);

impl fmt::Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, _) = civil(self.0);
        let (between, behind) = if f.alternate() { (' ', "") } else { ('T', "Z") };
        let (year, month, day) = (time.year, time.month, time.day);
        let (hour, minute, second) = (time.hour, time.minute, time.second);
        write!(f, "{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}{behind}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn entry(name: &str, size: Option<u64>) -> FolderEntry {
        let modified = Some(UNIX_EPOCH + Duration::from_secs(784_111_777));
        FolderEntry { name: name.into(), is_folder: size.is_none(), size: size.unwrap_or(0), modified }
    }

    fn listing(entries: Vec<FolderEntry>) -> Listing {
        Listing { entries, left_off_behind: None }
    }

    #[test]
    fn names_are_harmless_everywhere() {
        let nasty = "<b>\"'&\\ \n#?%20javascript:";
        let page = html(b"/<script>/", &listing(vec![entry(nasty, Some(1)), entry("a", None)]));
        assert!(!page.contains("<b>") && !page.contains("<script>"));
        let link = "href=\"./%3Cb%3E%22%27%26%5C%20%0A%23%3F%2520javascript%3A\"";
        assert!(page.contains(link), "{page}");
        assert!(page.contains("&lt;b&gt;&#34;&#39;&amp;\\ \u{240a}#?%20javascript:</bdi></a>"));
        assert!(page.contains("<a href=\"./a/\">a/</a>") && page.contains("../"));
        assert!(page.contains("<time datetime=\"1994-11-06T08:49:37Z\">1994-11-06 08:49:37</time>"));
        let list = json(&listing(vec![entry(nasty, Some(1)), entry("a", None)]));
        let expected = "[\n{\"name\":\"<b>\\\"'&\\\\ \\u000a#?%20javascript:\",\
             \"href\":\"./%3Cb%3E%22%27%26%5C%20%0A%23%3F%2520javascript%3A\",\"type\":\"file\",\"size\":1,\
             \"mtime\":\"1994-11-06T08:49:37Z\"},\n{\"name\":\"a\",\"href\":\"./a/\",\"type\":\"directory\",\
             \"mtime\":\"1994-11-06T08:49:37Z\"}\n]\n";
        assert_eq!(list, expected);
    }

    #[test]
    fn what_is_not_listed_is_said() {
        let empty = listing(Vec::new());
        assert_eq!(json(&empty), "[\n]\n");
        assert!(html(b"/", &empty).contains("empty") && !html(b"/", &empty).contains("../"));
        assert!(!html(b"/", &empty).contains("<table>"), "a table of nothing has no use");
        let hidden = Listing { left_off_behind: Some(7), ..empty };
        assert_eq!(json(&hidden), "[\n{\"type\":\"more\"}\n]\n");
        assert!(html(b"/", &hidden).contains("only 7 entries") && !html(b"/", &hidden).contains("empty"));
    }

    #[test]
    fn names_are_shown_as_what_they_are() {
        for (name, expected) in [
            (&b"a b.txt"[..], "a b.txt"),
            ("\u{5d0}\u{5d1}.txt".as_bytes(), "\u{5d0}\u{5d1}.txt"),
            ("invoice\u{202e}gpj.exe".as_bytes(), "invoice\u{fffd}gpj.exe"),
            ("\u{2066}a\u{2069}\u{2028}".as_bytes(), "\u{fffd}a\u{fffd}\u{fffd}"),
            (b"a\nb\tc\x7f", "a\u{240a}b\u{2409}c\u{2421}"),
            (b"\xff\xc3\xa4\xc2\x80", "\u{fffd}\u{e4}\u{fffd}"),
        ] {
            assert_eq!(shown(name), expected);
        }
        // Letters of either direction, from what stands behind them.
        let page = html(b"/\xd7\x90/", &listing(vec![entry("\u{5d0}", None), entry("a", None)]));
        assert!(page.contains("<h1>Index of <bdi>/\u{5d0}/</bdi></h1>"));
        assert!(page.contains("\"><bdi>\u{5d0}</bdi>/</a>") && page.contains("\">a/</a>"));
    }

    #[test]
    fn sizes_have_units() {
        for (size, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(Size(size).to_string(), expected);
        }
    }
}
