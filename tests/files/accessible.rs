//! A listing as people meet it: what a browser tells those who do not see it, where its keys lead, how it looks by day,
//! by night and on a small screen, and what becomes of names that somebody has chosen with care.
//!
//! Where there is no Chromium this is skipped, and says so.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use anthill_tests::server::{Running, skip};
use serde_json::{Value, json};

use crate::tree::{Tree, once, settle};
use anthill_tests::devtools::Page;

/// Names, and how they are shown.
const NAMES: [(&[u8], &str); 17] = [
    (b"plain.txt", "plain.txt"),
    (b"<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
    (b"\"><script>alert(1)<", "\"><script>alert(1)<"),
    (b"' onclick='alert(1)", "' onclick='alert(1)"),
    (b"&lt;b&gt;&amp;", "&lt;b&gt;&amp;"),
    (b"--><!--", "--><!--"),
    (b"javascript:alert(1)", "javascript:alert(1)"),
    (b"http:", "http:"),
    (b"line\nbreak\tand\x1bescape", "line\u{240a}break\u{2409}and\u{241b}escape"),
    (b"no text \xff\xfe", "no text \u{fffd}\u{fffd}"),
    ("invoice\u{202e}gpj.exe".as_bytes(), "invoice\u{fffd}gpj.exe"),
    ("\u{5d0}\u{5d1}\u{5d2} 123".as_bytes(), "\u{5d0}\u{5d1}\u{5d2} 123"),
    (b"%2e%2e%2fetc", "%2e%2e%2fetc"),
    (b"a?b#c", "a?b#c"),
    (b"back\\slash", "back\\slash"),
    ("\u{2028}e\u{301}\u{1f41c}".as_bytes(), "\u{fffd}e\u{301}\u{1f41c}"),
    (b"...a", "...a"),
];

const FOLDERS: [&[u8]; 2] = [b"folder", b"<i>"];

/// A folder with all of them, each file's content its name; hidden ones are listed.
fn tree() -> Tree {
    let tree = Tree::new(&[]);
    let within = tree.at("<b> & \u{202e}more");
    fs::create_dir(&within).unwrap();
    for (name, _) in NAMES {
        fs::write(within.join(OsStr::from_bytes(name)), name).unwrap();
    }
    for name in FOLDERS {
        fs::create_dir(within.join(OsStr::from_bytes(name))).unwrap();
    }
    fs::write(within.join("x".repeat(255)), "x".repeat(255)).unwrap();
    settle();
    tree
}

const TARGET: &str = "/%3Cb%3E%20%26%20%E2%80%AEmore/";

fn served(tree: &Tree) -> Running {
    tree.served(|files| files.listing(true).hidden_files(true).index_names([""; 0]))
}

/// What is shown of each entry, in order: folders, then files, both by their bytes.
fn expected_names() -> Vec<String> {
    let mut files: Vec<(Vec<u8>, String)> =
        NAMES.iter().map(|(name, shown)| (name.to_vec(), (*shown).to_owned())).collect();
    files.push(("x".repeat(255).into_bytes(), "x".repeat(255)));
    files.sort();
    let mut folders: Vec<String> =
        FOLDERS.iter().map(|name| format!("{}/", String::from_utf8_lossy(name))).collect();
    folders.sort();
    folders.into_iter().chain(files.into_iter().map(|(_, shown)| shown)).collect()
}

/// The bytes that `target` stands for.
fn decoded(target: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(target).collect()
}

#[test]
fn fs_04_links_lead_to_whatever_there_is() {
    let tree = tree();
    let running = served(&tree);
    let page = once(&running, TARGET, &[]);
    let page = page.text();
    let links: Vec<&str> =
        page.split("<a href=\"./").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links.len(), expected_names().len());
    let list = once(&running, TARGET, &["Accept: application/json"]);
    let list: Value = serde_json::from_slice(&list.body).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), links.len());
    for (link, entry) in links.iter().zip(list) {
        assert_eq!(entry["href"], format!("./{link}"), "both lead to the same");
        let reply = once(&running, &format!("{TARGET}{link}"), &[]);
        assert_eq!(reply.status, 200, "{link}");
        if entry["type"] == "file" {
            assert_eq!(reply.body, decoded(link), "{link}");
            assert_eq!(entry["size"], reply.body.len());
        }
        let name = decoded(link.trim_end_matches('/'));
        assert_eq!(entry["name"], *String::from_utf8_lossy(&name), "{link}");
    }
}

/// Of what is told to those who do not see the page, all of one role.
fn names_of(tree: &Value, role: &str) -> Vec<String> {
    let nodes = tree["nodes"].as_array().unwrap().iter();
    let of_role = nodes.filter(|node| node["ignored"] == false && node["role"]["value"] == role);
    of_role.map(|node| node["name"]["value"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The smallest contrast of a text with what is behind it, as WCAG reckons it. The page has no ground of its own, so
/// that is the browser's.
const CONTRAST: &str = "(() => {
    const probe = document.createElement('p'); document.body.append(probe);
    const colour = value => {
        probe.style.color = value;
        return getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number) };
    const linear = c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
    const ground = light(colour('Canvas'));
    const all = [...document.querySelectorAll('h1, a, caption, th, td, p')].map(element => {
        const text = light(colour(getComputedStyle(element).color));
        return (Math.max(text, ground) + .05) / (Math.min(text, ground) + .05) });
    probe.remove();
    return [Math.min(...all), ground] })()";

#[test]
fn fs_04_a_listing_is_for_everybody() {
    let profile = tempfile::tempdir().unwrap();
    let Some(mut page) = Page::new(profile.path()) else { return skip("there is no Chromium") };
    let tree = tree();
    let running = served(&tree);
    page.show(&format!("http://{}{TARGET}", running.address()));
    // Nothing is there but what we wrote.
    let strangers =
        "document.querySelectorAll('script, img, iframe, object, i, b, [onerror], [onclick]').length";
    assert_eq!(page.evaluate(strangers), 0);
    assert_eq!(page.evaluate("document.documentElement.lang"), "en");
    assert_eq!(page.evaluate("document.compatMode"), "CSS1Compat");
    let times = "[...document.querySelectorAll('time')].every(time => Date.parse(time.dateTime) > 0)";
    assert_eq!(page.evaluate(times), true);
    check_what_is_told(&mut page);
    check_keys(&mut page);
    check_looks(&mut page);
}

/// To those who hear it, or feel it.
fn check_what_is_told(page: &mut Page) {
    let told = page.call("Accessibility.getFullAXTree", json!({}));
    let title = "Index of /<b> & \u{fffd}more/";
    assert_eq!(names_of(&told, "RootWebArea"), [title]);
    assert_eq!(names_of(&told, "heading"), [title]);
    assert_eq!(names_of(&told, "main").len(), 1);
    assert_eq!(names_of(&told, "table"), ["Folders first, both by name"]);
    assert_eq!(names_of(&told, "columnheader"), ["Name", "Size", "Last modified (UTC)"]);
    assert_eq!(page.evaluate("document.querySelector('[aria-sort=ascending]').innerText"), "Name");
    let names = expected_names();
    assert_eq!(names_of(&told, "rowheader"), names);
    assert_eq!(names_of(&told, "link")[1..], names);
    assert_eq!(names_of(&told, "link")[0], "Parent folder");
}

/// By keys one comes to each link in turn, and sees where one is.
fn check_keys(page: &mut Page) {
    let names = expected_names();
    let mut reached = Vec::new();
    for _ in 0..=names.len() {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
            page.call("Input.dispatchKeyEvent", key);
        }
        let here =
            "(at => [at.innerText, getComputedStyle(at).outlineStyle != 'none'])(document.activeElement)";
        let here = page.evaluate(here);
        assert_eq!(here[1], true, "{here}");
        reached.push(here[0].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(reached[0], "Parent folder");
    assert_eq!(reached[1..], names);
}

/// By day and by night, and on a screen that is 320 pixels wide.
fn check_looks(page: &mut Page) {
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        page.call("Emulation.setEmulatedMedia", features);
        let contrast = page.evaluate(CONTRAST);
        assert!(contrast[0].as_f64().unwrap() >= 4.5, "{scheme}: {contrast}");
        grounds.push(contrast[1].as_f64().unwrap());
    }
    assert!(grounds[0] > 0.9 && grounds[1] < 0.1, "{grounds:?}");
    let narrow = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": true });
    page.call("Emulation.setDeviceMetricsOverride", narrow);
    let width = page.evaluate("document.documentElement.scrollWidth");
    assert!(width.as_u64().unwrap() <= 320, "{width}");
}
