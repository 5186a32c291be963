//! Where two texts differ, line by line.

use super::exchange::printable;
use std::fmt::Write;

/// So many lines that are the same are shown beside those that are not.
const CONTEXT: usize = 2;

/// So much of a line is shown.
const LINE_CHARS_MAX: usize = 500;

/// So many lines that are not the same are shown of each text.
const SHOWN_MAX: usize = 40;

/// Where two texts differ: the lines between what they have in common at their beginning and at their end.
pub(super) fn line_differences(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) =
        (expected.split('\n').collect(), found.split('\n').collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let start = expected.iter().zip(&found).take_while(same).count();
    let rest = expected.len().min(found.len()) - start;
    let end = expected.iter().rev().zip(found.iter().rev()).take(rest).take_while(same).count();
    let mut text = String::new();
    let mut add = |mark: &str, lines: &[&str]| {
        for line in lines.iter().take(SHOWN_MAX) {
            let short: String = line.chars().take(LINE_CHARS_MAX).collect();
            let rest = if short.len() < line.len() { "..." } else { "" };
            let _ = writeln!(text, "{mark}{}{rest}", printable(short.as_bytes()));
        }
        if lines.len() > SHOWN_MAX {
            let _ = writeln!(text, "{mark}... ({} lines more)", lines.len() - SHOWN_MAX);
        }
    };
    add("  ", &expected[start.saturating_sub(CONTEXT)..start]);
    add("- ", &expected[start..expected.len() - end]);
    add("+ ", &found[start..found.len() - end]);
    add("  ", &found[found.len() - end..(found.len() - end + CONTEXT).min(found.len())]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_lines_differ() {
        assert_eq!(
            line_differences("a\nb\nc\nd\ne", "a\nb\nx\ny\nd\ne"),
            "  a\n  b\n- c\n+ x\n+ y\n  d\n  e\n"
        );
        assert_eq!(line_differences("a", "a\na"), "  a\n+ a\n");
        assert_eq!(line_differences("a\na", "a"), "  a\n- a\n");
        assert_eq!(line_differences("", "x"), "- \n+ x\n");
        let long = "x\n".repeat(1000);
        assert!(line_differences(&long, "").lines().count() < 50);
    }
}
