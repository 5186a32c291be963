//! No line is wider than 120 columns: what is wider is read neither beside another file nor in a review.
//!
//! Strings may be: a message is searched for as a whole. So may rows of tables in comments, which Markdown cannot
//! break.

use super::files::sources;
use super::findings;
use super::tokens::without_strings;

const COLUMNS_MAX: usize = 120;

/// Where the rule holds.
const FOLDERS: [&str; 5] = ["pool", "http", "tests", "loom-tests", "benches"];

/// The numbers of the lines that are too wide.
fn wide(text: &str) -> Vec<usize> {
    let shown = without_strings(text);
    let numbered = (1..).zip(shown.lines());
    let too_wide = numbered.filter(|(_, line)| line.chars().count() > COLUMNS_MAX && !is_table_row(line));
    too_wide.map(|(number, _)| number).collect()
}

/// Whether a line is a comment with a row of a table.
fn is_table_row(line: &str) -> bool {
    let line = line.trim_start();
    ["///", "//!"]
        .iter()
        .any(|mark| line.strip_prefix(mark).is_some_and(|row| row.trim_start().starts_with('|')))
}

#[test]
fn no_line_is_too_wide() {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for (path, text) in sources(folder) {
            found.extend(wide(&text).iter().map(|number| (folder.to_owned(), format!("{path}:{number}"))));
        }
    }
    findings::none("lines wider than 120 columns", &found);
}

#[test]
fn widths_are_counted() {
    let word = |columns: usize| "x".repeat(columns);
    assert!(wide(&format!("// {}\n//! {}\n", word(117), word(116))).is_empty());
    assert_eq!(wide(&format!("a\n// {}\n\n    /// {}\n", word(118), word(113))), [2, 4]);
    // Letters count, and not their bytes.
    assert!(wide(&format!("// {}", "ä".repeat(117))).is_empty());
    assert_eq!(wide(&format!("let {} = 1;", word(120))), [1]);
    for string in [format!("f(\"{}\");", word(130)), format!("f(r#\"{}\n{}\"#);", word(130), word(140))] {
        assert!(wide(&string).is_empty(), "{string}");
        assert_eq!(wide(&format!("{string}\n// {}", word(118))).len(), 1, "{string}");
        assert_eq!(wide(&format!("{string} // {}", word(120))).len(), 1, "{string}");
    }
    // A string in a comment is a comment.
    assert_eq!(wide(&format!("// \"{}\"", word(118))), [1]);
    assert!(wide(&format!("/// | {} |\n//! | {} |", word(130), word(130))).is_empty());
    assert_eq!(wide(&format!("// | {} |", word(130))), [1], "there are no tables in plain comments");
}
