//! The conversion tables: every entry stands in the program below its table, which the doc tests compile and run.
//!
//! Else a table and its program drift apart, and what is read is not what was tried.

/// The parts of the guide that begin with a heading. (Hidden lines of a program begin as headings do.)
fn sections() -> Vec<(&'static str, &'static str)> {
    let guide = include_str!("../../pool/COMING_FROM.md");
    guide.split("\n# From ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

/// What a table's cell shows as code; `None` for the heading and the rule.
fn entry(row: &str) -> Option<String> {
    // A bar inside of a cell is escaped.
    let row = row.replace("\\|", "\u{0}");
    let cell = row.trim_matches('|').split('|').nth(1)?.trim();
    let code = cell.strip_prefix('`')?.strip_suffix('`')?;
    Some(code.replace('\u{0}', "|"))
}

fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn every_row_of_the_conversion_tables_stands_in_the_program_below_it() {
    let mut checked = 0;
    for (heading, text) in sections() {
        let (table, rest) = text.split_once("```rust\n").unwrap_or_else(|| panic!("{heading}: no program"));
        let (program, _) = rest.split_once("```").expect("the program ends");
        let visible: Vec<&str> = program.lines().filter(|line| !line.starts_with("# ")).collect();
        let program = without_blanks(&visible.join("\n"));
        let mut left = program.as_str();
        for row in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
            let code = entry(row).unwrap_or_else(|| panic!("{heading}: no code on the right of {row}"));
            let code = without_blanks(&code);
            let place = left.find(&code);
            let place =
                place.unwrap_or_else(|| panic!("{heading}: {code} is not in the program, or out of turn"));
            left = &left[place + code.len()..];
            checked += 1;
        }
    }
    assert!(checked > 60, "only {checked} rows were found");
}
