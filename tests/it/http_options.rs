//! The options of a server as its documentation has them: none is left out, and each says what holds without it.

use std::fs;
use std::path::Path;

/// The methods of the builder that set something, each with its documentation.
fn options() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/src/config");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the options") {
        let text = fs::read_to_string(entry.expect("a readable entry").path()).expect("source");
        let (mut of_builder, mut told) = (false, String::new());
        for line in text.lines() {
            if line.starts_with("impl ") {
                of_builder = line == "impl ServerBuilder {";
            }
            let line = line.trim();
            if let Some(text) = line.strip_prefix("///") {
                told += text;
            } else if let Some(rest) = line.strip_prefix("pub fn ").filter(|_| of_builder) {
                let name = rest.split(['(', '<']).next().expect("a name").to_owned();
                found.push((name, std::mem::take(&mut told)));
            } else if !line.starts_with("//") && !line.starts_with("#[") {
                told.clear();
            }
        }
    }
    found
}

#[test]
fn every_option_is_in_the_table_and_says_what_holds_without_it() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/src/config/options.rs");
    let page = fs::read_to_string(page).expect("source");
    let (page, _) = page.split_once("pub struct ServerBuilder").expect("the builder");
    let options = options();
    assert!(options.len() > 45, "only {} options were found", options.len());
    let (hooks, plain): (Vec<_>, Vec<_>) = options.iter().partition(|(name, _)| {
        let (_, list) = page.split_once("Hooks, none of which is set by default").expect("a list of hooks");
        list.contains(&format!("(Self::{name})"))
    });
    assert!(hooks.len() >= 9, "{hooks:?}");
    for (name, told) in plain {
        assert!(page.contains(&format!("(Self::{name})")), "{name} is not in the table of ServerBuilder");
        let told: Vec<&str> = told.split_whitespace().collect();
        assert!(
            told.join(" ").contains("when not set"),
            "{name} does not say what holds without it: {told:?}"
        );
    }
}
