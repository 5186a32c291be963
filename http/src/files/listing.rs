//! Pages that say what is in a folder: as HTML for people, as JSON for programs.
//!
//! The rule: names are whatever somebody has called a file. In HTML they are escaped, in links every byte that is not
//! plain is, and in JSON they are text.

use super::file_system::FolderEntry;
use crate::ctx::RequestCtx;
use crate::util::byte_set::{ByteSet, alphanumerics_and};
use crate::util::date::civil;
use crate::util::html::html_escape;
use crate::util::percent::append_encoded;
use crate::values::header::Accept;
use std::fmt::Write;
use std::time::SystemTime;

/// What of a path stands as it is in a link: what RFC 3986 calls unreserved, and slashes.
pub(super) static PATH_BYTES: ByteSet = alphanumerics_and(b"-._~/");
/// The same of a name.
static NAME_BYTES: ByteSet = alphanumerics_and(b"-._~");

const STYLE: &str = "body{font-family:system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}\
    table{border-collapse:collapse;width:100%}th,td{padding:.3em .6em;text-align:left}\
    td+td,th+th{text-align:right;white-space:nowrap}tbody tr:hover{background:#8882}\
    :root{color-scheme:light dark}";

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
        let title = String::from_utf8_lossy(path).into_owned();
        ctx.success("text/html; charset=utf-8", html(&title, &listing));
    }
}

fn html(path: &str, Listing { entries, left_off_behind }: &Listing) -> String {
    let title = html_escape(path);
    let mut page = String::with_capacity(1024 + entries.len() * 192);
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Index of {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Index of {title}</h1>\n"
    );
    if path != "/" && !path.is_empty() {
        page.push_str("<p><a href=\"../\">Parent folder</a></p>\n");
    }
    page.push_str(
        "<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Size</th>\
         <th scope=\"col\">Last modified</th></tr></thead>\n<tbody>\n",
    );
    for entry in entries {
        append_row(&mut page, entry);
    }
    page.push_str("</tbody>\n</table>\n");
    match left_off_behind {
        Some(most) => {
            let _ = writeln!(page, "<p>There is more in this folder; only {most} entries were read.</p>");
        }
        None if entries.is_empty() => page.push_str("<p>This folder is empty.</p>\n"),
        None => {}
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn append_row(page: &mut String, entry: &FolderEntry) {
    let slash = if entry.is_folder { "/" } else { "" };
    // In front of it so that no name is taken for a scheme.
    let mut link = b"./".to_vec();
    append_encoded(&mut link, &entry.name, &NAME_BYTES);
    let (link, name) = (String::from_utf8_lossy(&link), String::from_utf8_lossy(&entry.name));
    let _ = write!(page, "<tr><td><a href=\"{link}{slash}\">{}{slash}</a></td><td>", html_escape(&name));
    if entry.is_folder {
        page.push_str("folder");
    } else {
        let _ = write!(page, "<data value=\"{}\">{}</data>", entry.size, Size(entry.size));
    }
    page.push_str("</td><td>");
    if let Some(time) = entry.modified {
        let time = Iso(time);
        let _ = write!(page, "<time datetime=\"{time}\">{time}</time>");
    }
    page.push_str("</td></tr>\n");
}

fn json(Listing { entries, left_off_behind }: &Listing) -> String {
    let mut list = String::with_capacity(16 + entries.len() * 96);
    list.push('[');
    for (index, entry) in entries.iter().enumerate() {
        list.push_str(if index == 0 { "\n{\"name\":" } else { ",\n{\"name\":" });
        append_json(&mut list, &String::from_utf8_lossy(&entry.name));
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

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

/// `2024-01-31T23:59:59Z`
struct Iso(SystemTime);

impl std::fmt::Display for Iso {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (time, _) = civil(self.0);
        let (year, month, day) = (time.year, time.month, time.day);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time.hour, time.minute, time.second)
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

    #[test]
    fn names_are_harmless_everywhere() {
        let nasty = "<b>\"'&\\ \n#?%20javascript:";
        let listing = |entries: Vec<FolderEntry>| Listing { entries, left_off_behind: None };
        let page = html("/<script>/", &listing(vec![entry(nasty, Some(1)), entry("a", None)]));
        assert!(!page.contains("<b>") && !page.contains("<script>"));
        let link = "href=\"./%3Cb%3E%22%27%26%5C%20%0A%23%3F%2520javascript%3A\"";
        assert!(page.contains(link), "{page}");
        assert!(page.contains("&lt;b&gt;&#34;&#39;&amp;\\ \n#?%20javascript:</a>"));
        assert!(page.contains("<a href=\"./a/\">a/</a>") && page.contains("../"));
        assert!(page.contains("<time datetime=\"1994-11-06T08:49:37Z\">"));
        let list = json(&listing(vec![entry(nasty, Some(1)), entry("a", None)]));
        let expected = "[\n{\"name\":\"<b>\\\"'&\\\\ \\u000a#?%20javascript:\",\"type\":\"file\",\"size\":1,\
             \"mtime\":\"1994-11-06T08:49:37Z\"},\n{\"name\":\"a\",\"type\":\"directory\",\
             \"mtime\":\"1994-11-06T08:49:37Z\"}\n]\n";
        assert_eq!(list, expected);
        let empty = listing(Vec::new());
        assert_eq!(json(&empty), "[\n]\n");
        assert!(html("/", &empty).contains("empty") && !html("/", &empty).contains("../"));
        let hidden = Listing { left_off_behind: Some(7), ..empty };
        assert_eq!(json(&hidden), "[\n{\"type\":\"more\"}\n]\n");
        assert!(html("/", &hidden).contains("only 7 entries") && !html("/", &hidden).contains("empty"));
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
