//! Row 100: every race on the list has a model, or a reason why not.
//!
//! The models themselves are in `loom-tests` and run with `cargo test`; here the list is held against them.

use std::fs;
use std::path::Path;

/// All sources below a folder, as one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            text += &sources(&path);
        } else {
            text += &fs::read_to_string(&path).expect("readable source");
        }
    }
    text
}

#[test]
fn pool_100_every_race_on_the_list_has_a_model_or_a_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("loom-tests");
    let list = fs::read_to_string(folder.join("README.md")).expect("the list");
    let models = sources(&folder.join("tests"));
    let mut without = Vec::new();
    for number in 1..=42 {
        let row = list.lines().find(|line| line.starts_with(&format!("| L{number} |")));
        let row = row.unwrap_or_else(|| panic!("L{number} is not on the list"));
        let answer = row.trim_end_matches(" |").rsplit("| ").next().expect("a last cell");
        if answer.starts_with("none: ") {
            without.push(number);
            continue;
        }
        // Some rows are shown by the models of another one that they name.
        let named: Vec<&str> =
            answer.split('`').filter(|part| part.contains("l") && part.contains('_')).collect();
        assert!(!named.is_empty(), "L{number} names no model: {answer}");
        for name in named {
            let function = name.rsplit("::").next().expect("a name").trim_end_matches('…');
            assert!(models.contains(&format!("fn {function}")), "L{number}: there is no model {name}");
        }
    }
    assert_eq!(without, [5, 37], "these do not apply to this pool; all others have a model");
}
