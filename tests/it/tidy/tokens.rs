//! Rust source as words and marks, without comments: enough to follow paths and to count, and no more.

/// A word, a mark or a literal, with its line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Token {
    pub text: String,
    pub line: usize,
}

impl Token {
    /// Whether it is a name or a keyword.
    pub(super) fn is_word(&self) -> bool {
        self.text.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
    }
}

/// The tokens of a file. `::` is one mark, every other mark is one character; a string, whatever its kind, is `""`, and
/// a character is `''`, so that nothing in them is taken for code. A raw word has lost its `r#`.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut rest = text;
    let mut line = 1;
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (length, token) = next(rest, first);
        if let Some(token) = token {
            found.push(Token { text: token.to_owned(), line });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// The text with nothing in its strings; what stands on a line still does.
pub(super) fn without_strings(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some(first) = rest.chars().next() {
        let (length, token) = next(rest, first);
        let (passed, behind) = rest.split_at(length);
        if token == Some("\"\"") {
            kept.push_str("\"\"");
            kept.extend(passed.chars().filter(|&letter| letter == '\n'));
        } else {
            kept.push_str(passed);
        }
        rest = behind;
    }
    kept
}

/// The tokens of a file, with `mod tests;` in place of each module of unit tests that stands in it.
pub(super) fn code(text: &str) -> Vec<Token> {
    let all = tokens(text);
    let mut kept = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if let Some(body) = body_of_tests(&all, at) {
            kept.extend_from_slice(&all[at..body]);
            kept.push(Token { text: ";".to_owned(), line: all[body].line });
            at = closing(&all, body) + 1;
        } else {
            kept.push(all[at].clone());
            at += 1;
        }
    }
    kept
}

/// Where the body opens of a module of unit tests whose first attribute begins `at`.
fn body_of_tests(all: &[Token], mut at: usize) -> Option<usize> {
    let is = |at: usize, text: &str| all.get(at).is_some_and(|token| token.text == text);
    let mut for_tests = false;
    while is(at, "#") && is(at + 1, "[") {
        let end = closing(all, at + 1);
        for_tests |= is_for_tests(&all[at + 2..end]);
        at = end + 1;
    }
    if is(at, "pub") {
        at = if is(at + 1, "(") { closing(all, at + 1) + 1 } else { at + 1 };
    }
    (for_tests && is(at, "mod") && is(at + 2, "{")).then_some(at + 2)
}

/// Whether what stands in an attribute is `cfg(test)`, or `cfg(all(…))` with `test` among its conditions.
pub(super) fn is_for_tests(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().map(|token| token.text.as_str()).collect();
    match words.as_slice() {
        ["cfg", "(", "test", ")"] => true,
        ["cfg", "(", "all", "(", conditions @ .., ")", ")"] => {
            let mut depth = 0;
            conditions.iter().enumerate().any(|(at, word)| {
                depth += i32::from(*word == "(") - i32::from(*word == ")");
                let starts = at == 0 || conditions[at - 1] == ",";
                let ends = conditions.get(at + 1).is_none_or(|next| *next == ",");
                *word == "test" && depth == 0 && starts && ends
            })
        }
        _ => false,
    }
}

/// Where the bracket that opens at `from` closes.
pub(super) fn closing(all: &[Token], from: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in all.iter().enumerate().skip(from) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at;
        }
    }
    all.len() - 1
}

/// How long what `text` begins with is, and what it counts for.
fn next(text: &str, first: char) -> (usize, Option<&str>) {
    if text.starts_with("//") {
        return (text.find('\n').unwrap_or(text.len()), None);
    }
    if text.starts_with("/*") {
        return (block_comment(text), None);
    }
    if text.starts_with("::") {
        return (2, Some("::"));
    }
    if let Some(length) = string(text) {
        return (length, Some("\"\""));
    }
    if first == '\'' || text.starts_with("b'") {
        return quote(text);
    }
    if let Some(raw) = text.strip_prefix("r#").filter(|raw| word(raw) > 0) {
        return (2 + word(raw), Some(&raw[..word(raw)]));
    }
    match word(text) {
        0 if first.is_whitespace() => (first.len_utf8(), None),
        0 => (first.len_utf8(), Some(&text[..first.len_utf8()])),
        length => (length, Some(&text[..length])),
    }
}

/// The length of a name, a keyword or a number.
fn word(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())
}

/// Comments in blocks can stand in one another.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    loop {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 || at >= text.len() {
            return at.min(text.len());
        }
    }
}

/// The length of a string of any kind (`""`, `b""`, `c""`, and each of them raw), if one begins here.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            rest.starts_with('"') || prefix.ends_with('r') && rest.trim_start_matches('#').starts_with('"')
        })
    })?;
    let opened = &text[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = opened.len() - opened.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let inner = &opened[hashes + 1..];
        let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    let mut escaped = false;
    let inner = opened[1..].char_indices().find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    Some(prefix.len() + 1 + inner.map_or(opened.len() - 1, |(at, _)| at + 1))
}

/// A character, or the mark of a lifetime.
fn quote(text: &str) -> (usize, Option<&str>) {
    let start = usize::from(text.starts_with('b')) + 1;
    let inner = &text[start..];
    let mut chars = inner.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some(escaped)) => {
            let from = 1 + escaped.len_utf8();
            let end = inner[from..].find('\'').map_or(inner.len(), |at| from + at + 1);
            (start + end, Some("''"))
        }
        (Some(character), Some('\'')) => (start + character.len_utf8() + 1, Some("''")),
        // A lifetime's name belongs to it, so that it is not taken for a word of its own.
        _ => (start + word(inner), Some("'")),
    }
}

fn check(text: &str, expected: &[&str]) {
    let found = tokens(text);
    let found: Vec<&str> = found.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn comments_and_literals_are_no_code() {
    check("a // b\nc", &["a", "c"]);
    check("a /* b /* c */ d */ e", &["a", "e"]);
    check("//! crate::x\n/// crate::y\nz", &["z"]);
    check(r#"f("crate::x // \" \\", y)"#, &["f", "(", "\"\"", ",", "y", ")"]);
    check(r##"r#"a " crate::x"# + br"\" + c"z""##, &["\"\"", "+", "\"\"", "+", "\"\""]);
    check(
        r"['a', '\'', '\n', '\u{1F41C}', b'\\', '🐜', '\\']",
        &["[", "''", ",", "''", ",", "''", ",", "''", ",", "''", ",", "''", ",", "''", "]"],
    );
    check(
        "fn f<'a>(x: &'a str) -> char { '\"' }",
        &["fn", "f", "<", "'", ">", "(", "x", ":", "&", "'", "str", ")", "-", ">", "char", "{", "''", "}"],
    );
}

#[test]
fn words_and_marks() {
    check("$crate::r#mod::x_1", &["$", "crate", "::", "mod", "::", "x_1"]);
    check("crate\n  :: a", &["crate", "::", "a"]);
    check("for i in 0..n {}", &["for", "i", "in", "0", ".", ".", "n", "{", "}"]);
    assert_eq!(tokens("a\n\"\n\"\nb").iter().map(|token| token.line).collect::<Vec<_>>(), [1, 2, 4]);
}

#[test]
fn modules_of_tests_are_left_out() {
    let kept = |text: &str| code(text).iter().map(|token| token.text.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(
        kept("a #[cfg(test)] #[x(y)] pub(crate) mod t { b { c } } d"),
        "a # [ cfg ( test ) ] # [ x ( y ) ] pub ( crate ) mod t ; d"
    );
    assert_eq!(
        kept("#[x] #[cfg(all(test, not(y)))] mod t { b }"),
        "# [ x ] # [ cfg ( all ( test , not ( y ) ) ) ] mod t ;"
    );
    for all in [
        "# [ cfg ( test ) ] mod t ; a",
        "# [ cfg ( not ( test ) ) ] mod t { a }",
        "# [ cfg ( any ( test , x ) ) ] mod t { a }",
        "# [ cfg ( all ( not ( test ) , x ) ) ] mod t { a }",
        "# [ cfg ( test ) ] fn t ( ) { a }",
    ] {
        assert_eq!(kept(all), all);
    }
}
