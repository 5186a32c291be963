//! Conversion tables: what something is called elsewhere and here, with a program below each table that has all of it.
//!
//! The rule: every entry that is code stands in the program, in the order of the table. Else the two drift apart, and
//! what is read is not what was tried.

/// A section of a guide: its table, and the program below it.
#[derive(Debug)]
pub struct Section {
    /// Its heading.
    pub heading: String,
    /// Its rows: what it is called elsewhere, and here; `None`: there is nothing of it here.
    pub rows: Vec<(String, Option<String>)>,
    /// Without hidden lines and blanks.
    program: String,
}

/// The sections of a guide.
///
/// # Panics
/// When one has no table or no program, or a row no code and no dash.
#[track_caller]
pub fn sections(guide: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    // Hidden lines of a program begin as headings do.
    let mut is_program = false;
    let mut is_head = false;
    for line in guide.lines() {
        if line.starts_with("```") {
            is_program = !is_program;
        } else if is_program {
            let section = sections.last_mut().expect("a heading above a program");
            let is_hidden = line.trim_start().starts_with("# ");
            section.program.extend(line.split_whitespace().filter(|_| !is_hidden));
        } else if let Some(heading) = line.strip_prefix("# ") {
            let (heading, rows, program) = (heading.to_owned(), Vec::new(), String::new());
            sections.push(Section { heading, rows, program });
            is_head = true;
        } else if line.starts_with("| ") && !std::mem::take(&mut is_head) {
            let section = sections.last_mut().expect("a heading above a table");
            section.rows.push(row(line).unwrap_or_else(|| panic!("no code and no dash in {line}")));
        }
    }
    for Section { heading, rows, program } in &sections {
        assert!(!rows.is_empty() && !program.is_empty(), "{heading}: no table or no program");
    }
    sections
}

/// The first cells of a row.
fn row(line: &str) -> Option<(String, Option<String>)> {
    // A bar inside of a cell is escaped.
    let line = line.replace("\\|", "\0");
    let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\0', "|"));
    let (there, here) = (cells.next()?, cells.next()?);
    if here == "-" {
        return Some((there, None));
    }
    let code = here.strip_prefix('`')?.strip_suffix('`')?;
    Some((there, Some(code.to_owned())))
}

impl Section {
    /// Asserts that the program has every entry, in the order of the table.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn assert_tried(&self) {
        let mut left = self.program.as_str();
        for code in self.rows.iter().filter_map(|(_, here)| here.as_deref()) {
            let code: String = code.split_whitespace().collect();
            let Some(place) = left.find(&code) else {
                panic!("{}: {code} is not in the program, or out of turn", self.heading);
            };
            left = &left[place + code.len()..];
        }
    }
}
