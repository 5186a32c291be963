//! No long function and no wide struct without a reason, written above it.
//!
//! The form: `// Long because …` or `// Wide because …` on a line of its own, between the item and the line before its
//! documentation. A reason that nothing needs any more is refused too.

use super::files::{is_test_file, sources};
use super::findings;
use super::layers::FLOORS;
use super::tokens::{Token, closing, code};

const LINES_MAX: usize = 60;
const FIELDS_MAX: usize = 12;

const LONG: &str = "// Long because ";
const WIDE: &str = "// Wide because ";

/// An item that is too large.
#[derive(Debug, Eq, PartialEq)]
struct Large {
    name: String,
    line: usize,
    size: usize,
    reason: &'static str,
}

/// The functions and structs of a file that are too large, unit tests left out.
fn large(text: &str) -> Vec<Large> {
    let tokens = code(text);
    let mut found = Vec::new();
    for at in 0..tokens.len().saturating_sub(1) {
        let (keyword, name) = (&tokens[at], &tokens[at + 1]);
        if !name.is_word() {
            continue;
        }
        let Some(open) = body(&tokens, at) else { continue };
        let close = closing(&tokens, open);
        let (size, most, reason) = match keyword.text.as_str() {
            "fn" => (tokens[close].line - keyword.line + 1, LINES_MAX, LONG),
            "struct" => (fields(&tokens[open..close]), FIELDS_MAX, WIDE),
            _ => continue,
        };
        if size > most {
            found.push(Large {
                name: format!("{} {}", keyword.text, name.text),
                line: keyword.line,
                size,
                reason,
            });
        }
    }
    found
}

/// Where the braces of an item open that begins `from`; none if it has none.
fn body(tokens: &[Token], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match tokens.get(at)?.text.as_str() {
            "{" => return Some(at),
            ";" => return None,
            "(" | "[" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
}

/// How many names with a type stand directly in the braces that open first.
fn fields(tokens: &[Token]) -> usize {
    let mut depth = 0;
    let mut count = 0;
    for token in tokens {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            ":" if depth == 1 => count += 1,
            _ => {}
        }
    }
    count
}

/// The line of the reason that is given above `line`, if one is.
fn reason_above(lines: &[&str], line: usize, reason: &str) -> Option<usize> {
    let above = lines[..line - 1].iter().rev();
    let head = above.take_while(|line| line.trim().starts_with("//") || line.trim().starts_with("#["));
    let back = head
        .into_iter()
        .position(|line| line.trim().strip_prefix(reason).is_some_and(|why| why.len() >= 20))?;
    Some(line - 1 - back)
}

/// What is large without a reason, by the name that the list has for it, and reasons for nothing.
fn unreasoned(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut used = Vec::new();
    for large in large(text) {
        match reason_above(&lines, large.line, large.reason) {
            Some(line) => used.push(line),
            None => found.push((large.name, large.line)),
        }
    }
    for (number, line) in (1..).zip(&lines) {
        let is_reason = line.trim().starts_with(LONG.trim()) || line.trim().starts_with(WIDE.trim());
        if is_reason && !used.contains(&number) {
            found.push(("a reason for nothing".to_owned(), number));
        }
    }
    found
}

#[test]
fn what_is_large_says_why() {
    let mut found = Vec::new();
    for (name, _) in FLOORS {
        for (path, text) in sources(&format!("{name}/src")).iter().filter(|(path, _)| !is_test_file(path)) {
            let here = unreasoned(text).into_iter();
            found.extend(here.map(|(what, line)| (format!("{name}: {what}"), format!("{path}:{line}"))));
        }
    }
    findings::none("larger than it may be without a reason", &found);
}

#[test]
fn sizes_are_counted() {
    let function = |lines: usize| {
        format!("fn f(x: [u8; 2])\nwhere\n    X: Y,\n{{\n{}}}\n", "    x;\n".repeat(lines - 5))
    };
    assert_eq!(large(&function(LINES_MAX)), []);
    let found = large(&format!("struct A;\n{}", function(LINES_MAX + 1)));
    assert_eq!(found, [Large { name: "fn f".into(), line: 2, size: LINES_MAX + 1, reason: LONG }]);
    assert_eq!(large(&format!("#[cfg(test)]\nmod tests {{\n{}}}", function(90))), []);
    assert_eq!(large("trait T { fn f(); } type F = fn() -> u8;"), []);
    let structure = |fields: usize| {
        format!("pub struct S<T: X> {{ {} }}", "/// x: y\n #[a(b: c)] pub a: X<b::C, fn(u8)>,".repeat(fields))
    };
    assert_eq!(large(&structure(FIELDS_MAX)), []);
    let found = large(&structure(FIELDS_MAX + 1));
    assert_eq!(found, [Large { name: "struct S".into(), line: 1, size: FIELDS_MAX + 1, reason: WIDE }]);
    assert_eq!(large(&format!("struct A(u8);\n{}", structure(FIELDS_MAX + 1))).len(), 1);
}

#[test]
fn reasons_stand_above_what_they_are_for() {
    let long = format!("fn f() {{\n{}}}\n", "x;\n".repeat(LINES_MAX));
    let check = |before: &str, item: &str, expected: &[(&str, usize)]| {
        let found = unreasoned(&format!("{before}{item}"));
        let found: Vec<(&str, usize)> = found.iter().map(|(what, line)| (what.as_str(), *line)).collect();
        assert_eq!(found, expected, "{before}");
    };
    check("/// Docs.\n", &long, &[("fn f", 2)]);
    check("/// Docs.\n// Long because its arms are one table.\n", &long, &[]);
    check("// Long because its arms are one table, and\n// a table is one.\n#[inline]\n", &long, &[]);
    // Too short to be one, of the other kind, above something else, of something small.
    check("// Long because.\n", &long, &[("fn f", 2), ("a reason for nothing", 1)]);
    check("// Long because of this.\n", &long, &[("fn f", 2), ("a reason for nothing", 1)]);
    check("// Wide because its arms are one table.\n", &long, &[("fn f", 2), ("a reason for nothing", 1)]);
    check("// Long because its arms are one table.\n\n", &long, &[("fn f", 3), ("a reason for nothing", 1)]);
    check("// Long because its arms are one table.\n", "fn g() {}", &[("a reason for nothing", 1)]);
}
