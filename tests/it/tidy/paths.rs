//! What a file of a library names of its own crate: every path that begins with `crate`, `$crate`, `super` or `self`,
//! and every `use`, whatever its form.
//!
//! The rule: a form that cannot be followed is a complaint, so nothing gets past by being written unusually.

use super::tokens::{Token, tokens};

/// Names from the crate's root down: `crate::a::b` is `["a", "b"]`.
pub(super) type Path = Vec<String>;

/// A path that a file names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mention {
    /// The module in which it stands.
    pub by: Path,
    pub path: Path,
    pub line: usize,
    /// The name that a `use` gives to it; none where nothing is imported.
    pub binds: Option<String>,
    /// Whether everything in it is imported.
    pub glob: bool,
    /// Whether it starts with a name of its module (`use child::X`), and so may also be of another crate.
    pub relative: bool,
}

/// What a file says about modules.
#[derive(Debug, Default)]
pub(super) struct File {
    pub mentions: Vec<Mention>,
    /// `mod x;`, which are files.
    pub declared: Vec<Path>,
    /// `mod x { … }`.
    pub inline: Vec<Path>,
    /// Modules of unit tests, which may name what they like.
    pub tests: Vec<Path>,
    /// What cannot be followed, with the line.
    pub complaints: Vec<(usize, String)>,
}

/// Reads the file of `module`.
pub(super) fn read(text: &str, module: &[String]) -> File {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, at: 0, module: module.to_vec(), opened: Vec::new(), depth: 0 };
    let mut file = File::default();
    reader.read(&mut file);
    file
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The module that is being read, which an inline one changes.
    module: Path,
    /// How deep in braces the inline modules around the place began.
    opened: Vec<usize>,
    depth: usize,
}

/// Where a path has got to.
#[derive(Clone)]
struct Place {
    path: Path,
    relative: bool,
    /// Whether its first name is still to come.
    first: bool,
}

impl Reader<'_> {
    /// Where every path begins.
    fn start(&self) -> Place {
        Place { path: self.module.clone(), relative: true, first: true }
    }

    fn text(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text.as_str())
    }

    fn is_word(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(Token::is_word)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |token| token.line)
    }

    fn read(&mut self, file: &mut File) {
        // Where the attribute ends in which the place is, and whether one above the next item says that it is a test.
        let mut attribute_end = 0;
        let mut for_tests = false;
        while self.at < self.tokens.len() {
            let in_attribute = self.at <= attribute_end;
            match self.text(0) {
                "#" if self.text(1) == "[" => {
                    attribute_end = self.closing(self.at + 1);
                    for_tests |= is_for_tests(&self.tokens[self.at + 2..attribute_end]);
                    if self.text(2) == "path" || self.text(2) == "macro_use" {
                        file.complaints.push((self.line(), format!("`#[{}]` hides a module", self.text(2))));
                    }
                    self.at += 2;
                    continue;
                }
                "pub" => {
                    self.visibility();
                    continue;
                }
                "mod" if self.is_word(1) => {
                    self.submodule(for_tests, file);
                    for_tests = false;
                    continue;
                }
                "{" => self.depth += 1,
                "}" => self.close(),
                "use" if self.text(1) != "<" => {
                    self.at += 1;
                    self.import(file);
                    for_tests = false;
                    continue;
                }
                "crate" | "super" | "self" if self.begins_path() => {
                    let start = self.at;
                    self.tree(self.start(), false, file);
                    assert!(self.at > start, "a path has a length");
                    continue;
                }
                "include" if self.text(1) == "!" => {
                    file.complaints.push((self.line(), "`include!` hides code".to_owned()));
                }
                "extern" if self.text(1) == "crate" => {
                    file.complaints
                        .push((self.line(), "`extern crate` gives a crate another name".to_owned()));
                    self.at += 1;
                }
                _ => {}
            }
            for_tests &= in_attribute;
            self.at += 1;
        }
    }

    /// Whether the word at the place is the head of a path, and not the receiver of a method.
    fn begins_path(&self) -> bool {
        self.text(0) != "self" || self.text(1) == "::"
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.opened.last() == Some(&self.depth) {
            self.opened.pop();
            self.module.pop();
        }
    }

    /// Passes over `pub` and `pub(…)`: who may see an item is no knowledge of anybody.
    fn visibility(&mut self) {
        let restricted = self.text(1) == "("
            && (self.text(2) == "in"
                || matches!(self.text(2), "crate" | "super" | "self") && self.text(3) == ")");
        self.at = if restricted { self.closing(self.at + 1) + 1 } else { self.at + 1 };
    }

    fn submodule(&mut self, for_tests: bool, file: &mut File) {
        let mut path = self.module.clone();
        path.push(self.text(1).to_owned());
        let is_file = self.text(2) == ";";
        if for_tests {
            file.tests.push(path.clone());
        }
        self.at += 2;
        if is_file {
            file.declared.push(path);
        } else if for_tests && self.text(0) == "{" {
            self.at = self.closing(self.at) + 1;
        } else if self.text(0) == "{" {
            file.inline.push(path.clone());
            self.opened.push(self.depth);
            self.module = path;
        }
    }

    /// Reads what stands behind `use`.
    fn import(&mut self, file: &mut File) {
        // `use ::other_crate::x`
        if self.text(0) == "::" {
            self.skip_to(";");
        } else if self.text(0) == "{" {
            self.at += 1;
            while !matches!(self.text(0), "}" | "") {
                let start = self.at;
                self.import(file);
                self.at += usize::from(self.text(0) == "," || self.at == start);
            }
            self.at += 1;
        } else {
            self.tree(self.start(), true, file);
        }
    }

    fn skip_to(&mut self, mark: &str) {
        while !matches!(self.text(0), "") && self.text(0) != mark {
            self.at += 1;
        }
    }

    /// Reads a path, or behind `use` (`imports`) a tree of them, from `place` on.
    fn tree(&mut self, mut place: Place, imports: bool, file: &mut File) {
        let line = self.line();
        let Some(goes_on) = self.walk(&mut place) else {
            file.complaints.push((line, "climbs above the root".to_owned()));
            self.skip_to(";");
            return;
        };
        let mut glob = false;
        let mut binds = None;
        match self.text(0) {
            "{" if imports && goes_on => {
                self.at += 1;
                while !matches!(self.text(0), "}" | "") {
                    let start = self.at;
                    self.tree(Place { first: false, ..place.clone() }, imports, file);
                    self.at += usize::from(self.text(0) == "," || self.at == start);
                }
                self.at += 1;
                return;
            }
            "*" if imports && goes_on => {
                self.at += 1;
                glob = true;
            }
            "$" if goes_on => {
                file.complaints.push((line, "a macro makes a path, which cannot be followed".to_owned()));
                self.at += 1;
                return;
            }
            "as" if imports => {
                binds = Some(self.text(1).to_owned());
                self.at += 2;
            }
            _ if imports => binds = place.path.last().cloned(),
            _ => {}
        }
        let Place { path, relative, .. } = place;
        file.mentions.push(Mention { by: self.module.clone(), path, line, binds, glob, relative });
    }

    /// Follows the names of a path as far as they go, and says whether a `::` stands behind them; none where it climbs
    /// above the root.
    fn walk(&mut self, place: &mut Place) -> Option<bool> {
        while self.is_word(0) {
            match self.text(0) {
                "crate" if place.first => {
                    place.path.clear();
                    place.relative = false;
                }
                "self" => place.relative &= !place.first,
                "super" => {
                    place.relative &= !place.first;
                    place.path.pop()?;
                }
                name => place.path.push(name.to_owned()),
            }
            place.first = false;
            self.at += 1;
            if self.text(0) != "::" {
                return Some(false);
            }
            self.at += 1;
        }
        Some(true)
    }

    /// Where the bracket that opens at `from` closes.
    fn closing(&self, from: usize) -> usize {
        let mut depth = 0usize;
        for (at, token) in self.tokens.iter().enumerate().skip(from) {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => continue,
            }
            if depth == 0 {
                return at;
            }
        }
        self.tokens.len()
    }
}

/// Whether an attribute is `cfg(test)`, or `cfg(all(…))` with `test` among its conditions.
fn is_for_tests(attribute: &[Token]) -> bool {
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

/// Checks what a file of `module` names: `use` with ` as …` or `::*` behind it where it says so.
fn check(module: &str, text: &str, expected: &[&str]) {
    let module: Path = module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let file = read(text, &module);
    let found: Vec<String> = file
        .mentions
        .iter()
        .filter(|mention| !mention.relative)
        .map(|mention| {
            let path = mention.path.join("::");
            match &mention.binds {
                _ if mention.glob => format!("{path}::*"),
                Some(name) if mention.path.last() != Some(name) => format!("{path} as {name}"),
                _ => path,
            }
        })
        .collect();
    assert_eq!(found, expected, "{text}");
    assert_eq!(file.complaints, [], "{text}");
}

#[test]
fn plain_paths() {
    check("a", "use crate::b::C;", &["b::C"]);
    check("a", "fn f() { crate::b::c::<D>(1) }", &["b::c"]);
    check("a", "fn f(x: Vec<crate::b::C<crate::d::E>>) {}", &["b::C", "d::E"]);
    check("a", "impl crate::b::C for <X as crate::d::E>::F {}", &["b::C", "d::E"]);
    check("a", "use crate :: b\n :: /* here */ C;", &["b::C"]);
    check("a", "use crate::r#mod::C;", &["mod::C"]);
    check("a", "macro_rules! m { () => { $crate::b::c() } }", &["b::c"]);
    check("a", "#[derive(crate::b::C)] struct D;", &["b::C"]);
    check("a", "struct A(pub (crate::b::C));", &["b::C"]);
    check("a", "m!(crate::b::C, x);", &["b::C"]);
}

#[test]
fn groups() {
    check("a", "use crate::{b, c::D};", &["b", "c::D"]);
    check(
        "a",
        "use crate::{\n    b::{C, d::{E, F}},\n    g::*,\n};",
        &["b::C", "b::d::E", "b::d::F", "g::*"],
    );
    check("a", "use crate::b::{self, C};", &["b", "b::C"]);
    check("a", "use crate::b::{self as x, C as D, E as _};", &["b as x", "b::C as D", "b::E as _"]);
    check("a", "use {crate::b::C, crate::{d, e::F}};", &["b::C", "d", "e::F"]);
    check("a", "pub use crate::{b};", &["b"]);
}

#[test]
fn climbing() {
    check("a::b", "use super::c::D;", &["a::c::D"]);
    check("a::b", "use super::super::c::D;", &["c::D"]);
    check("a::b::c", "fn f() { super::super::super::d::E::new() }", &["d::E::new"]);
    check("a::b", "use self::super::super::c::D;", &["c::D"]);
    check("a::b", "use super::{super::c::D, e};", &["c::D", "a::e"]);
    check("a::b", "use super::{self as up};", &["a as up"]);
    check("a::b", "use super as up;", &["a as up"]);
    check("a::b", "use super::super as root;", &[" as root"]);
    check("a", "use crate as root;", &[" as root"]);
    check("a", "use super::*;", &["::*"]);
    check(
        "a",
        "mod b { mod c { use super::super::super::d::E; } use super::f; } use super::g;",
        &["d::E", "a::f", "g"],
    );
}

#[test]
fn what_is_no_path() {
    check("a", "// crate::b\n/// [x](crate::c)\n/* crate::d */ fn f() { g(\"crate::e\") }", &[]);
    check(
        "a",
        "pub(crate) fn f(&self) { self.x.crate_(self) } pub(super) struct S; pub(in crate::b) mod c;",
        &[],
    );
    check("a", "#[cfg(test)]\nmod tests { use crate::b; }\nuse crate::c;", &["c"]);
    check(
        "a",
        "#[cfg(all(test, not(loom)))]\n#[allow(x)]\npub(crate) mod tests { fn f() { crate::b() } }",
        &[],
    );
}

#[test]
fn only_modules_of_tests_are_passed_over() {
    check("a", "#[cfg(not(test))] mod b { use crate::c; }", &["c"]);
    check("a", "#[cfg(any(test, x))] mod b { use crate::c; }", &["c"]);
    check("a", "#[cfg(all(not(test), x))] mod b { use crate::c; }", &["c"]);
    check("a", "#[cfg(test)] use crate::b;", &["b"]);
    check("a", "#[cfg(test)] fn f() {} mod b { use crate::c; }", &["c"]);
    let file = read("#[cfg(test)] mod tests; mod b; mod c { mod d; }", &["a".to_owned()]);
    assert_eq!(file.tests, [["a", "tests"]]);
    let declared: Vec<String> = file.declared.iter().map(|path| path.join("::")).collect();
    assert_eq!(declared, ["a::tests", "a::b", "a::c::d"]);
    assert_eq!(file.inline, [["a", "c"]]);
}

#[test]
fn relative_imports_may_be_ours() {
    let file = read("pub use b::{C, d::E as F}; use std::fmt; use ::other::x;", &["a".to_owned()]);
    let found: Vec<String> = file
        .mentions
        .iter()
        .map(|mention| format!("{} {} {:?}", mention.relative, mention.path.join("::"), mention.binds))
        .collect();
    assert_eq!(
        found,
        ["true a::b::C Some(\"C\")", "true a::b::d::E Some(\"F\")", "true a::std::fmt Some(\"fmt\")"]
    );
}

#[test]
fn what_cannot_be_followed_is_a_complaint() {
    for text in [
        "macro_rules! m { ($x:ident) => { crate::$x::f() } }",
        "#[path = \"../b.rs\"] mod c;",
        "include!(\"../b.rs\");",
        "extern crate self as other;",
        "#[macro_use] mod m;",
        "use super::super::super::b;",
    ] {
        assert_eq!(read(text, &["a".to_owned()]).complaints.len(), 1, "{text}");
    }
}
