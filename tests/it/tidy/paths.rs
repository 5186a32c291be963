//! What a file of a library names of its own crate: every path that begins with `crate`, `$crate`, `super` or `self`,
//! and every `use`, whatever its form.
//!
//! The rule: a form that cannot be followed is a complaint, so nothing gets past by being written unusually.

use super::tokens::{Token, closing, code, is_for_tests};

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
    /// Whether it passes what it names on to everybody.
    pub public: bool,
}

/// A type that a module defines: a struct, an enum, a union, a trait or a name for another type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Definition {
    pub by: Path,
    pub name: String,
    pub line: usize,
    pub public: bool,
}

/// What a file says about modules.
#[derive(Debug, Default)]
pub(super) struct File {
    pub mentions: Vec<Mention>,
    /// `mod x;`, which are files.
    pub declared: Vec<Path>,
    /// `mod x { … }`.
    pub inline: Vec<Path>,
    /// Those of either kind that anybody may name who may name the module around them.
    pub public: Vec<Path>,
    pub types: Vec<Definition>,
    /// Modules that are there only for models, in place of others of the same contents.
    pub stand_ins: Vec<Path>,
    /// Modules of unit tests, which may name what they like.
    pub tests: Vec<Path>,
    /// What cannot be followed, with the line.
    pub complaints: Vec<(usize, String)>,
}

/// Reads the file of `module`.
pub(super) fn read(text: &str, module: &[String]) -> File {
    let tokens = code(text);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        module: module.to_vec(),
        head: Head::default(),
        opened: Vec::new(),
        depth: 0,
    };
    let mut file = File::default();
    reader.read(&mut file);
    file
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The module that is being read, which an inline one changes.
    module: Path,
    /// What stands before the item at the place.
    head: Head,
    /// How deep in braces the inline modules around the place began.
    opened: Vec<usize>,
    depth: usize,
}

/// What is said of an item before its name.
#[derive(Default)]
struct Head {
    /// Where the last attribute ends.
    attribute_end: usize,
    for_tests: bool,
    for_models: bool,
    public: bool,
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
        while self.at < self.tokens.len() {
            match self.text(0) {
                "#" if self.text(1) == "[" => self.attribute(file),
                "pub" => self.visibility(),
                "mod" if self.is_word(1) => self.submodule(file),
                "use" if self.text(1) != "<" => {
                    self.at += 1;
                    self.import(file);
                    self.head = Head::default();
                }
                "crate" | "super" | "self" if self.begins_path() => self.tree(self.start(), false, file),
                _ => {
                    self.other(file);
                    // What may stand between a visibility and a name.
                    let goes_on = matches!(self.text(0), "unsafe" | "const" | "auto");
                    if !goes_on && self.at > self.head.attribute_end {
                        self.head = Head::default();
                    }
                    self.at += 1;
                }
            }
        }
    }

    /// Begins to read an attribute; the paths in it count.
    fn attribute(&mut self, file: &mut File) {
        let end = closing(self.tokens, self.at + 1);
        self.head.attribute_end = end;
        let inside = &self.tokens[self.at + 2..end];
        self.head.for_tests |= is_for_tests(inside);
        let words = inside.iter().map(|token| token.text.as_str());
        self.head.for_models |= words.eq(["cfg", "(", "anthill_loom", ")"]);
        let hides = |pair: &[Token]| pair[0].text == "path" && pair[1].text == "=";
        if self.text(2) == "macro_use" || inside.windows(2).any(hides) {
            file.complaints.push((self.line(), "an attribute hides what a name stands for".to_owned()));
        }
        self.at += 2;
    }

    /// Whatever is neither a path nor a module.
    fn other(&mut self, file: &mut File) {
        let in_module = self.opened.last().map_or(0, |depth| depth + 1);
        match self.text(0) {
            "{" => self.depth += 1,
            "}" => self.close(),
            "macro_rules" if self.module.is_empty() => {
                file.complaints.push((self.line(), "every module sees a macro of the root".to_owned()));
            }
            "include" if self.text(1) == "!" => {
                file.complaints.push((self.line(), "`include!` hides code".to_owned()));
            }
            "extern" if self.text(1) == "crate" => {
                file.complaints.push((self.line(), "`extern crate` gives a crate another name".to_owned()));
                self.at += 1;
            }
            "struct" | "enum" | "union" | "trait" | "type" if self.is_word(1) && self.depth == in_module => {
                file.types.push(Definition {
                    by: self.module.clone(),
                    name: self.text(1).to_owned(),
                    line: self.line(),
                    public: self.head.public,
                });
            }
            _ => {}
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
        self.head.public = !restricted;
        self.at = if restricted { closing(self.tokens, self.at + 1) + 1 } else { self.at + 1 };
    }

    fn submodule(&mut self, file: &mut File) {
        let mut path = self.module.clone();
        path.push(self.text(1).to_owned());
        if self.head.for_tests {
            file.tests.push(path.clone());
        }
        if self.head.for_models {
            file.stand_ins.push(path.clone());
        }
        if self.head.public {
            file.public.push(path.clone());
        }
        self.head = Head::default();
        self.at += 2;
        match self.text(0) {
            ";" => file.declared.push(path),
            "{" => {
                file.inline.push(path.clone());
                self.opened.push(self.depth);
                self.module = path;
            }
            _ => {}
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
        let public = imports && self.head.public;
        file.mentions.push(Mention { by: self.module.clone(), path, line, binds, glob, relative, public });
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
        "#[cfg_attr(unix, path = \"../b.rs\")] mod c;",
        "include!(\"../b.rs\");",
        "extern crate self as other;",
        "#[macro_use] mod m;",
        "use super::super::super::b;",
    ] {
        assert_eq!(read(text, &["a".to_owned()]).complaints.len(), 1, "{text}");
    }
    assert_eq!(read("macro_rules! m { () => { $crate::b::C } } mod a;", &[]).complaints.len(), 1);
}

#[test]
fn types_of_the_module_itself() {
    let file = read(
        "pub struct A; struct B<T>(T); pub(crate) enum C {} pub unsafe trait D { type No; } type E = u8;
        fn f() { struct No; } impl D for A { type No = u8; } #[derive(X)] pub union F { x: u8 }
        mod g { pub struct H; } macro_rules! m { ($x:ident) => { struct $x; } } #[cfg(test)] mod t { struct No; }",
        &["a".to_owned()],
    );
    let found: Vec<String> = file
        .types
        .iter()
        .map(|found| {
            format!("{}{}::{}", if found.public { "pub " } else { "" }, found.by.join("::"), found.name)
        })
        .collect();
    assert_eq!(found, ["pub a::A", "a::B", "a::C", "pub a::D", "a::E", "pub a::F", "pub a::g::H"]);
}

#[test]
fn what_is_passed_on_to_everybody() {
    let file = read(
        "pub mod b; mod c; pub(crate) mod d; pub mod e { pub mod f {} } pub use b::X; use c::Y; pub(crate) use d::Z;",
        &[],
    );
    assert_eq!(file.public.iter().map(|path| path.join("::")).collect::<Vec<_>>(), ["b", "e", "e::f"]);
    let public: Vec<bool> = file.mentions.iter().map(|mention| mention.public).collect();
    assert_eq!(public, [true, false, false]);
    let file = read("#[cfg(anthill_loom)] mod a {} #[cfg(not(anthill_loom))] mod b {} mod c {}", &[]);
    assert_eq!(file.stand_ins, [["a"]]);
}
