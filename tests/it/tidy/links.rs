//! Links of the pages: none is dead, neither on a page of GitHub nor in the documentation.
//!
//! The idea: a page that is a module of the documentation is read in both places. Its links have a label, and two
//! definitions: one on the page, to another page or to docs.rs, and one that stands before the page in the
//! documentation, to the item itself. Of two the first counts. That the second one leads somewhere is rustdoc's
//! affair (`-D warnings`); that the first one does, and to the same, is tested here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{root, sources};
use super::findings;
use super::layers::FLOORS;

/// What is said on a page outside of its programs.
fn prose(page: &str) -> String {
    let mut is_program = false;
    let lines = page.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_program ^= is_fence;
        !is_program && !is_fence
    });
    // What is code within a line is no link.
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split('`').enumerate().map(|(at, part)| if at % 2 == 1 { "code" } else { part }).collect()
}

/// The targets of links that stand in the text itself.
fn inline(prose: &str) -> Vec<&str> {
    prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The labels that links of a page have.
fn used(prose: &str) -> BTreeSet<&str> {
    prose.split("][").skip(1).filter_map(|rest| rest.split(']').next()).collect()
}

/// What labels are defined as, on a page or in a list.
fn definitions(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    lines.map(|(label, target)| (label.to_owned(), target.trim().to_owned())).collect()
}

/// What headings of a page are called behind a `#`.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
    let name = |heading: &str| {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    headings.map(name).collect()
}

/// Why a relative link of a page leads nowhere.
fn dead(page: &Path, target: &str) -> Option<String> {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => page.to_path_buf(),
        file => page.parent().expect("a folder").join(file),
    };
    if !path.exists() {
        return Some("there is no such file".to_owned());
    }
    let is_page = path.extension().is_some_and(|extension| extension == "md");
    if anchor.is_empty() || !is_page {
        return None;
    }
    let known = anchors(&fs::read_to_string(path).expect("a readable page"));
    (!known.contains(anchor)).then(|| "there is no such heading".to_owned())
}

/// Every page below `folder`, but those that are made.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && ![".git", "target", "node_modules"].contains(&name) {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

pub(super) fn all_pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    pages(&root(), &mut found);
    found
}

/// The pages that are documentation of a library, each with what stands before it.
fn documentation(library: &str) -> Vec<(PathBuf, BTreeMap<String, String>)> {
    let mut found = Vec::new();
    for (path, text) in sources(&format!("{library}/src")) {
        let folder = root().join(path).parent().expect("a folder").to_path_buf();
        let mut before = String::new();
        for line in text.lines().map(str::trim) {
            let include =
                line.strip_prefix("#[doc = include_str!(\"").and_then(|rest| rest.strip_suffix("\")]"));
            let own = line.strip_prefix("#[doc = \"").and_then(|rest| rest.strip_suffix("\"]"));
            if let Some(page) = include.filter(|file| file.ends_with(".md")) {
                found.push((folder.join(page), definitions(&before)));
            } else if let Some(list) = include {
                before += &fs::read_to_string(folder.join(list)).expect("a list of definitions");
            } else if let Some(own) = own {
                before += own;
                before.push('\n');
            } else if line.contains("mod ") || line.contains("struct ") {
                before.clear();
            }
        }
    }
    found
}

/// The address in the documentation of what `path` names (`crate::RequestCtx::time`): of an item, of something that is
/// part of one, or of a module.
fn addresses(library: &str, path: &str) -> Vec<String> {
    const KINDS: [&str; 6] = ["struct", "enum", "trait", "type", "fn", "constant"];
    const PARTS: [&str; 3] = ["method", "tymethod", "variant"];
    let base = format!("https://docs.rs/anthill-{library}/latest/anthill_{library}");
    if let Some(anchor) = path.strip_prefix("crate#") {
        return vec![format!("{base}/index.html#{anchor}")];
    }
    let path = path.strip_prefix("crate::").unwrap_or(path).trim_end_matches("()").replace("::", "/");
    let mut found = vec![format!("{base}/{path}/index.html")];
    let (modules, last) = path.rsplit_once('/').map_or(("", &*path), |(modules, last)| (modules, last));
    let folder = |modules: &str| if modules.is_empty() { base.clone() } else { format!("{base}/{modules}") };
    found.extend(KINDS.map(|kind| format!("{}/{kind}.{last}.html", folder(modules))));
    let (modules, owner) = modules.rsplit_once('/').unwrap_or(("", modules));
    for kind in KINDS {
        found.extend(PARTS.map(|part| format!("{}/{kind}.{owner}.html#{part}.{last}", folder(modules))));
    }
    // A router is shown where routes are.
    let in_module = found.iter().filter(|address| address.contains(".Router.html"));
    let in_module = in_module.map(|address| address.replace("/struct.Router", "/router/struct.Router"));
    let in_module: Vec<String> = in_module.collect();
    found.extend(in_module);
    found
}

#[test]
fn relative_links_lead_to_files_and_headings() {
    let all = all_pages();
    assert!(all.len() >= 30, "{} pages", all.len());
    let mut found = Vec::new();
    for page in all {
        let text = fs::read_to_string(&page).expect("a readable page");
        let (prose, definitions) = (prose(&text), definitions(&text));
        let targets = inline(&prose).into_iter().chain(definitions.values().map(String::as_str));
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")) {
            if let Some(why) = dead(&page, target) {
                found.push((format!("{target}: {why}"), page.display().to_string()));
            }
        }
        for label in used(&prose) {
            if !definitions.contains_key(label) {
                found.push((format!("[{label}] is not defined"), page.display().to_string()));
            }
        }
    }
    findings::none("dead links", &found);
}

#[test]
fn links_of_pages_lead_to_the_same_in_the_documentation() {
    let mut seen = 0;
    let mut found = Vec::new();
    for (library, _) in FLOORS {
        for (page, before) in documentation(library) {
            let text = fs::read_to_string(&page).expect("a readable page");
            let (prose, own, place) = (prose(&text), definitions(&text), page.display().to_string());
            let is_front_page = page.ends_with("README.md");
            // Front pages are no documentation; rustdoc has their programs alone.
            for target in inline(&prose).into_iter().filter(|_| !is_front_page) {
                if !target.contains("://") && !target.starts_with('#') {
                    found.push((format!("{target} leads nowhere in the documentation"), place.clone()));
                }
            }
            for (label, target) in &own {
                seen += 1;
                let Some(item) = before.get(label) else {
                    if !target.contains("://") || target.contains("://docs.rs/anthill-") {
                        found.push((format!("[{label}] is not defined before the page"), place.clone()));
                    }
                    continue;
                };
                if target.contains("://docs.rs/") && !addresses(library, item).contains(target) {
                    found.push((
                        format!("[{label}] leads to {target} here, and to {item} there"),
                        place.clone(),
                    ));
                }
                if !used(&prose).contains(label.as_str()) {
                    found.push((format!("[{label}] is not used"), place.clone()));
                }
            }
        }
    }
    assert!(seen > 150, "{seen} definitions");
    findings::none("links that differ", &found);
}

/// A guard against a link that is defined for the documentation and by no page, so that the list does not rot.
#[test]
fn every_definition_for_the_documentation_is_some_pages() {
    for (library, list) in [("http", "http/docs/links.txt"), ("pool", "pool/src/links.txt")] {
        let list = definitions(&fs::read_to_string(root().join(list)).expect("a list"));
        let mut pages = BTreeSet::new();
        for (page, _) in documentation(library) {
            pages.extend(definitions(&fs::read_to_string(page).expect("a page")).into_keys());
        }
        let unused: Vec<&String> = list.keys().filter(|label| !pages.contains(*label)).collect();
        assert!(unused.is_empty(), "{library}: {unused:?}");
    }
}

#[test]
fn links_are_taken_apart() {
    let page = "# A `b` c\n[x](y.md#z) and `[no](link)`, [t\nu][v]\n\n```\n[no](link)\n```\n\n[v]: w.md\n";
    let prose = prose(page);
    assert_eq!(inline(&prose), ["y.md#z"]);
    assert_eq!(used(&prose), BTreeSet::from(["v"]));
    assert_eq!(definitions(page), BTreeMap::from([("v".to_owned(), "w.md".to_owned())]));
    assert_eq!(anchors(page), BTreeSet::from(["a-b-c".to_owned()]));

    let page = root().join("README.md");
    assert_eq!(dead(&page, "http/README.md#examples"), None);
    assert!(dead(&page, "http/README.md#none").is_some() && dead(&page, "none.md").is_some());

    let base = "https://docs.rs/anthill-http/latest/anthill_http";
    for (path, address) in [
        ("crate::events", "events/index.html"),
        ("crate::compress()", "fn.compress.html"),
        ("crate::form::FormFile::persist", "form/struct.FormFile.html#method.persist"),
        ("crate::Router::wrap", "router/struct.Router.html#method.wrap"),
        ("crate#features", "index.html#features"),
    ] {
        assert!(addresses("http", path).contains(&format!("{base}/{address}")), "{path}");
    }
    assert!(!addresses("http", "crate::events").contains(&format!("{base}/struct.Events.html")));
}
