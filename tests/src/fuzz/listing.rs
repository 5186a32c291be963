//! Listings: whatever names there are, a page has nothing in it but what is meant, and leads to each of them.
//!
//! The lines of the input are names; those that begin with `/` are folders.

use std::io;

use anthill_http::files::{FileSystem, Files, FolderEntry, FolderList, FsNode};
use anthill_http::{Handler, Request, RequestCtx};

use super::reference::unescaped;

/// What a page is made of.
const ELEMENTS: &str =
    "!DOCTYPE html head meta title style body main h1 bdi p a table caption thead tbody tr th td data time";

struct Names(Vec<(Vec<u8>, bool)>);

impl FileSystem for Names {
    fn open(&self, path: &[u8]) -> io::Result<FsNode> {
        if path.is_empty() { Ok(FsNode::Folder) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn list(&self, _: &[u8], _: usize) -> io::Result<FolderList> {
        let entry = |(name, is_folder): &(Vec<u8>, bool)| FolderEntry {
            name: name.clone(),
            is_folder: *is_folder,
            size: name.len() as u64,
            modified: None,
        };
        Ok(FolderList { entries: self.0.iter().map(entry).collect(), is_cut: false })
    }
}

pub(super) fn check(data: &[u8]) {
    let names = data.split(|&byte| byte == b'\n').map(|line| match line {
        [b'/', name @ ..] => (name.to_vec(), true),
        name => (name.to_vec(), false),
    });
    // As file systems have them.
    let is_name = |name: &[u8]| !name.is_empty() && !name.iter().any(|byte| matches!(byte, b'/' | 0));
    let names: Vec<(Vec<u8>, bool)> = names.filter(|(name, _)| is_name(name)).take(100).collect();
    let mut shown: Vec<(Vec<u8>, bool)> = names.iter().filter(|(name, _)| name[0] != b'.').cloned().collect();
    let is_well_known = |(name, _): &&(Vec<u8>, bool)| name == b".well-known";
    shown.extend(names.iter().filter(is_well_known).cloned());
    shown.sort();

    let files = Files::over(Names(names)).listing(true).index_names([""; 0]).build().expect("a handler");
    for accept in ["text/html", "application/json"] {
        let mut request = Request::new("GET", "/").expect("a request");
        request.set_header("Accept", accept);
        let mut ctx = RequestCtx::for_request(request, None);
        files.handle(&mut ctx);
        assert_eq!(ctx.response.status_code(), 200);
        let text = ctx.response.body_str().expect("text");
        let mark = if accept == "text/html" {
            judge_page(text);
            "<a href=\"./"
        } else {
            "\"href\":\"./"
        };
        let mut found: Vec<(Vec<u8>, bool)> = text.split(mark).skip(1).map(target).collect();
        found.sort();
        assert_eq!(found, shown, "{accept}");
    }
}

/// What a link leads to, of a text that begins with its rest.
fn target(text: &str) -> (Vec<u8>, bool) {
    let link = text.split('"').next().unwrap_or_default();
    assert!(link.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%/".contains(&byte)), "{link}");
    match link.strip_suffix('/') {
        Some(link) => (unescaped(link.as_bytes()), true),
        None => (unescaped(link.as_bytes()), false),
    }
}

/// Each mark in it is one of ours, and nothing turns or breaks what stands around it.
fn judge_page(page: &str) {
    for begun in page.split('<').skip(1) {
        let name = begun.split(['>', ' ']).next().unwrap_or_default();
        let element = name.strip_prefix('/').unwrap_or(name);
        let is_known = ELEMENTS.split(' ').any(|known| known == element);
        assert!(is_known && begun.contains('>'), "<{begun}");
        let (tag, text) = begun.split_once('>').expect("its end");
        assert!(!tag.contains('\'') || name == "style", "<{begun}");
        // What is left over of a tag would be text with a bracket in it.
        assert!(!text.contains('>') || name == "style", "<{begun}");
        assert_eq!(tag.matches('"').count() % 2, 0, "<{begun}");
    }
    let turns = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!page.contains(|letter: char| turns(letter) || letter.is_control() && letter != '\n'));
}
