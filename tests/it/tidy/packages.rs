//! What each library has in its package for the registry: a front page that says what the main one says, the licences,
//! and the keys by which it is found.

use std::fs;

use super::files::root;
use super::layers::FLOORS;

/// Whether the libraries are on crates.io. Once they are, and this says so, tests name the lines that have to change.
const ARE_PUBLISHED: bool = false;

/// How a program says that it depends on a library, after its name.
fn source() -> String {
    let workspace = read("Cargo.toml");
    let (version, _) =
        key(&workspace, "version").and_then(|version| version.rsplit_once('.')).expect("a version");
    match ARE_PUBLISHED {
        true => format!("\"{version}\""),
        false => format!("{{ git = {:?} }}", key(&workspace, "repository").expect("an address")),
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The Rust programs of a page, with their first lines.
fn programs(page: &str) -> Vec<&str> {
    let starts = page.match_indices("\n```rust").map(|(at, _)| at + 1);
    starts.map(|at| &page[at..at + page[at..].find("\n```\n").expect("a program ends")]).collect()
}

/// What stands below a heading, up to the next one of its rank.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
    rest.split("\n## ").next().expect("a section").trim()
}

/// The relative links of a page, without what is behind `#`.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1).map(|rest| rest.split([')', '#']).next().expect("a target"));
    targets.filter(|target| !target.contains("://") && !target.is_empty()).collect()
}

/// The value of a key in a manifest, without its quotes.
fn key<'a>(manifest: &'a str, key: &str) -> Option<&'a str> {
    let value = manifest.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
    Some(value.trim_matches('"'))
}

/// How the main page calls what a library does.
fn deeds(library: &str) -> String {
    format!("What the {} does for you", if library == "pool" { "pool" } else { "server" })
}

#[test]
fn front_pages_say_what_the_main_one_says() {
    let main = read("README.md");
    let mut seen = 0;
    for (library, _) in FLOORS {
        let page = read(&format!("{library}/README.md"));
        let name = format!("anthill_{library}");
        let shared: Vec<&str> =
            programs(&main).into_iter().filter(|program| program.contains(&name)).collect();
        let own = programs(&page);
        for program in &shared {
            assert!(own.contains(program), "{library}/README.md lacks or changes a program:\n{program}");
        }
        seen += shared.len();
        let told = section(&main, &deeds(library)).replace(&format!("]({library}/"), "](");
        assert_eq!(section(&page, &deeds(library)), told, "{library}/README.md and README.md");
    }
    assert!(seen >= 5 && seen == programs(&main).len(), "{seen} programs are of neither library, or of both");
}

#[test]
fn front_pages_are_true() {
    let workspace = read("Cargo.toml");
    let rust = key(&workspace, "rust-version").expect("a minimum of Rust");
    assert!(read("README.md").contains(&format!("Rust {rust}")), "README.md and Rust {rust}");
    for (library, _) in FLOORS {
        let page = read(&format!("{library}/README.md"));
        let manifest = read(&format!("{library}/Cargo.toml"));
        let told = format!("\nanthill-{library} = {}\n", source());
        assert!(page.contains(&told) && read("README.md").contains(&told), "{library}: {told}");
        assert_eq!(page.contains("not on crates.io yet"), !ARE_PUBLISHED, "{library}/README.md");
        assert!(page.contains(&format!("\nRust {rust}. ")), "{library}: Rust {rust}");
        for link in links(&page) {
            assert!(root().join(library).join(link).exists(), "{library}/README.md links to {link}");
        }
        let (_, features) = manifest.split_once("\n[features]\n").expect("features");
        let features = features.split("\n[").next().expect("a table");
        let features = features.lines().filter_map(|line| Some(line.split_once(" = ")?.0));
        // For this repository's own tests; users are promised nothing of it.
        let features = features.filter(|feature| !["default", "unstable"].contains(feature));
        let told =
            section(&page, "Features").lines().filter_map(|line| line.strip_prefix("- `")?.split('`').next());
        assert!(features.eq(told), "{library}/README.md has other features than its manifest");
    }
}

/// The source in a line that says how to depend on one of the libraries; in comments, too.
fn told_source(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(['/', '!', ' ']);
    let rest = ["anthill-http", "anthill-pool"].iter().find_map(|name| line.strip_prefix(name))?;
    let rest = rest.strip_prefix(" = ")?.trim_start_matches("{ ");
    Some(rest.split([',', '}']).next()?.trim().trim_start_matches("version = "))
}

#[test]
fn dependencies_are_told_as_they_can_be_had() {
    let source = source();
    let wanted = told_source(&format!("anthill-http = {source}")).expect("a source").to_owned();
    let (mut seen, mut found) = (0, Vec::new());
    let folders = ["http", "pool", "tests", "loom-tests", "benches"];
    let pages = super::links::all_pages().into_iter().map(|page| {
        let text = fs::read_to_string(&page).expect("a readable page");
        (page.display().to_string(), text)
    });
    for (path, text) in pages.chain(folders.into_iter().flat_map(super::files::sources)) {
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(told) = told_source(line) {
                seen += 1;
                if told != wanted {
                    found.push((line.to_owned(), format!("{path}:{number}")));
                }
            }
        }
    }
    assert!(seen >= 5, "{seen} lines");
    super::findings::none("dependencies that cannot be had", &found);
}

#[test]
fn sources_are_taken_apart() {
    assert_eq!(told_source("//! anthill-http = { version = \"0.1\", features = [] }"), Some("\"0.1\""));
    assert_eq!(told_source("anthill-pool = \"0.1\""), Some("\"0.1\""));
    assert_eq!(told_source("anthill-http = { git = \"u\" }"), Some("git = \"u\""));
    assert_eq!(told_source("anthill-http is"), None);
}

#[test]
fn packages_have_licences_and_keys() {
    let workspace = read("Cargo.toml");
    assert!(key(&workspace, "repository").is_some_and(|url| url.starts_with("https://")));
    for (library, _) in FLOORS {
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert_eq!(read(&format!("{library}/{licence}")), read(licence), "{library}/{licence}");
            // The registry gets what is in the folder.
            let kind =
                fs::symlink_metadata(root().join(library).join(licence)).expect("a licence").file_type();
            assert!(kind.is_file(), "{library}/{licence} is no file");
        }
        let manifest = read(&format!("{library}/Cargo.toml"));
        for inherited in ["license", "repository", "rust-version", "version"] {
            assert_eq!(
                key(&manifest, &format!("{inherited}.workspace")),
                Some("true"),
                "{library}: {inherited}"
            );
        }
        assert_eq!(key(&manifest, "readme"), Some("README.md"));
        let docs = format!("https://docs.rs/anthill-{library}");
        assert_eq!(key(&manifest, "documentation"), Some(docs.as_str()));
        assert!(
            key(&manifest, "description").is_some_and(|text| (40..=200).contains(&text.len())),
            "{library}"
        );
        for list in ["keywords", "categories"] {
            let count = key(&manifest, list).map_or(0, |list| list.split(',').count());
            assert!((1..=5).contains(&count), "{library}: {list}");
        }
        assert_eq!(key(&manifest, "publish"), None, "{library}");
    }
}

/// Cargo lists an optional package in no lock file but of those who ask for it.
#[test]
fn what_only_models_need_is_optional() {
    let mut seen = 0;
    for (library, _) in FLOORS {
        let manifest = read(&format!("{library}/Cargo.toml"));
        for table in manifest.split("\n[target.'cfg(anthill_loom)'.dependencies]\n").skip(1) {
            let table = table.split("\n[").next().expect("a table");
            for line in table.lines().filter(|line| line.contains('=') && !line.starts_with('#')) {
                assert!(line.contains("optional = true"), "{library}: {line}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 1, "the model checker");
}

#[test]
fn pages_are_taken_apart() {
    let page = "# A\n\n## B\n\ntext [x](y.md#z) [w](https://w)\n\n```rust,no_run\nf();\n```\n\n## C\nend\n";
    assert_eq!(programs(page), ["```rust,no_run\nf();"]);
    assert_eq!(section(page, "C"), "end");
    assert!(section(page, "B").starts_with("text"));
    assert_eq!(links(page), ["y.md"]);
    assert_eq!(key("a = \"b\"\nab = true", "ab"), Some("true"));
    assert_eq!(key("a = \"b\"", "b"), None);
}
