//! A library as a graph: its modules, what they name of one another, and where what they name comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{self, Definition, Mention, Path};
use super::tokens::tokens;

#[derive(Default)]
pub(super) struct Library {
    pub modules: BTreeSet<Path>,
    /// Each with its file's name and its line.
    pub mentions: Vec<(Mention, String)>,
    /// The types that modules define, in the same way, but for what stands in for others in models.
    pub types: Vec<(Definition, String)>,
    /// Whatever cannot be followed.
    pub complaints: Vec<String>,
    /// What `use` calls by which name in which module.
    names: BTreeMap<(Path, String), Path>,
    /// Modules that stand in the file of another one.
    inline: BTreeSet<Path>,
    /// Those of them that stand in the root's file, and belong to the root.
    root: BTreeSet<Path>,
    /// Modules that are `pub`.
    public: BTreeSet<Path>,
}

/// One module names another one; `place` is an example.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Step {
    pub from: String,
    pub to: String,
    pub place: String,
}

impl Library {
    /// From files, whose paths begin in `src`. `crate_name` is what other crates call it.
    pub(super) fn new(crate_name: &str, files: &[(&str, &str)]) -> Self {
        let mut library = Self::default();
        let mut tests = Vec::new();
        let mut declared = BTreeSet::from([Path::new()]);
        for (file, text) in files {
            let module = module_of(file);
            let read = paths::read(text, &module);
            tests.extend(read.tests);
            declared.extend(read.declared);
            library
                .complaints
                .extend(read.complaints.iter().map(|(line, what)| format!("{file}:{line} {what}")));
            if tokens(text).iter().any(|token| token.text == crate_name) {
                library.complaints.push(format!("{file} names its own crate as others do"));
            }
            let placed = |line| format!("{file}:{line}");
            if module.is_empty() {
                library.root.extend(read.inline.iter().cloned());
            }
            library.inline.extend(read.inline);
            library.public.extend(read.public);
            library.modules.insert(module);
            let stands_in =
                |found: &Definition| read.stand_ins.iter().any(|stand_in| found.by.starts_with(stand_in));
            let types = read.types.iter().filter(|found| !stands_in(found));
            library.types.extend(types.map(|found| (found.clone(), placed(found.line))));
            library
                .mentions
                .extend(read.mentions.into_iter().map(|found| (found.clone(), placed(found.line))));
        }
        for (file, _) in files.iter().filter(|(file, _)| !declared.contains(&module_of(file))) {
            library.complaints.push(format!("{file} is declared by no `mod`"));
        }
        library.modules.extend(library.inline.iter().cloned());
        library.modules.retain(|module| !tests.iter().any(|test| module.starts_with(test)));
        library.mentions.retain(|(mention, _)| !tests.iter().any(|test| mention.by.starts_with(test)));
        library.types.retain(|(found, _)| !tests.iter().any(|test| found.by.starts_with(test)));
        for (mention, _) in &library.mentions {
            if let Some(name) = &mention.binds {
                library.names.insert((mention.by.clone(), name.clone()), mention.path.clone());
            }
        }
        let disguises = library.disguises();
        library.complaints.extend(disguises);
        library
    }

    /// Modules of the first level, without those that stand in the root's file.
    pub(super) fn floors(&self) -> BTreeSet<&str> {
        let modules = self.modules.iter().filter(|module| !self.is_root(module));
        modules.filter_map(|module| module.first().map(String::as_str)).collect()
    }

    fn is_root(&self, module: &[String]) -> bool {
        module.is_empty() || self.root.contains(&module[..1])
    }

    /// The module that a path leads to, through every `use` that passes a name on, and how many of its last names are
    /// of something in that module.
    fn resolve(&self, path: &[String]) -> (Path, Vec<String>) {
        let mut path = path.to_vec();
        // A circle of names has no end.
        for _ in 0..16 {
            let depth =
                (0..=path.len()).rev().find(|depth| self.modules.contains(&path[..*depth])).unwrap_or(0);
            let Some(target) = path.get(depth).and_then(|name| self.named(&path[..depth], name)) else {
                let rest = path.split_off(depth);
                return (path, rest);
            };
            path = [target, &path[depth + 1..]].concat();
        }
        (Path::new(), path)
    }

    /// What a name stands for that a module has by `use`, be it one by one or all of a module in the same file.
    fn named(&self, module: &[String], name: &str) -> Option<&Path> {
        let in_it = self.inline.iter().filter(|inline| inline.starts_with(module));
        let places = std::iter::once(module).chain(in_it.map(Vec::as_slice));
        places.into_iter().find_map(|place| self.names.get(&(place.to_vec(), name.to_owned())))
    }

    /// Forms behind which a step up, or a circle, could hide.
    fn disguises(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (mention, place) in self.mentions.iter().filter(|(mention, _)| !self.is_root(&mention.by)) {
            let (module, rest) = self.resolve(&mention.path);
            let whole = rest.is_empty();
            let own = mention.by.starts_with(&module);
            let floor = mention.path.first().map_or(&[][..], std::slice::from_ref);
            let root = !mention.relative && (self.is_root(floor) || !self.modules.contains(floor));
            if root {
                found.push(format!("{place} names what belongs to the root of the library"));
            } else if whole && mention.glob && !self.inline.contains(&module) {
                found.push(format!("{place} imports all of a module, so nobody sees what"));
            } else if whole && own && mention.binds.is_some() {
                found.push(format!("{place} gives a name to a module that it stands in"));
            }
        }
        found
    }

    /// The types that a user of the library names behind a public module, and not at its root.
    pub(super) fn qualified_types(&self) -> BTreeSet<(Path, String)> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::from([Path::new()]);
        let mut open = vec![Path::new()];
        while let Some(module) = open.pop() {
            let public_in_it = |path: &&Path| path.len() == module.len() + 1 && path.starts_with(&module);
            let mut next: Vec<Path> = self.public.iter().filter(public_in_it).cloned().collect();
            if !module.is_empty() {
                let types = self.types.iter().filter(|(found, _)| found.public && found.by == module);
                found.extend(types.map(|(found, _)| (module.clone(), found.name.clone())));
            }
            for (mention, _) in
                self.mentions.iter().filter(|(mention, _)| mention.public && mention.by == module)
            {
                let (target, rest) = self.resolve(&mention.path);
                match rest.as_slice() {
                    // All of a module at the root is at the root.
                    [] if mention.glob && module.is_empty() => {}
                    [] => next.push(target),
                    [name] if !module.is_empty() => drop(found.insert((target, name.clone()))),
                    _ => {}
                }
            }
            open.extend(next.into_iter().filter(|next| seen.insert(next.clone())));
        }
        found
    }

    /// Steps from a floor to one that is not below it in `order`, one for each pair of floors.
    pub(super) fn steps_up(&self, order: &[&str]) -> Vec<Step> {
        let floor_of = |name: &str| order.iter().position(|floor| *floor == name);
        let mut found = BTreeMap::new();
        for (mention, place) in self.mentions.iter().filter(|(mention, _)| !mention.relative) {
            let (Some(from), Some(to)) = (mention.by.first(), mention.path.first()) else { continue };
            let (Some(own), Some(named)) = (floor_of(from), floor_of(to)) else { continue };
            if named > own {
                found.entry((from.clone(), to.clone())).or_insert_with(|| place.clone());
            }
        }
        found.into_iter().map(|((from, to), place)| Step { from, to, place }).collect()
    }

    /// Steps between neighbours in one folder, whatever its depth: a module, or one below it, names another one, or one
    /// below that. A folder's own file is no neighbour of those in the folder: it is what they have in common.
    pub(super) fn steps_of_neighbours(&self) -> Vec<Step> {
        let mut found = BTreeMap::new();
        for (mention, place) in &self.mentions {
            let (module, _) = self.resolve(&mention.path);
            let common = module.iter().zip(&mention.by).take_while(|(a, b)| a == b).count();
            if common > 0 && common < module.len() && common < mention.by.len() {
                let step = (mention.by[..=common].join("::"), module[..=common].join("::"));
                found.entry(step).or_insert_with(|| place.clone());
            }
        }
        found.into_iter().map(|((from, to), place)| Step { from, to, place }).collect()
    }
}

/// The steps that are part of a circle: those from whose end their beginning can be reached.
pub(super) fn in_circles(steps: &[Step]) -> Vec<&Step> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for step in steps {
        next.entry(&step.from).or_default().push(&step.to);
    }
    let reaches = |from: &str, to: &str| {
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(place) = open.pop() {
            open.extend(next.get(place).into_iter().flatten().filter(|next| seen.insert(next)));
        }
        seen.contains(to)
    };
    steps.iter().filter(|step| reaches(&step.to, &step.from)).collect()
}

fn module_of(file: &str) -> Path {
    let mut path: Path = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|name| name == "mod") || path == ["lib"] {
        path.pop();
    }
    path
}

/// A library of the floors `low`, `mid` (a folder) and `high` in which one file says something more.
#[cfg(test)]
fn sample(file: &str, more: &str) -> Library {
    let files = [
        ("lib.rs", "mod low; mod mid; mod high; pub use mid::Shown; mod inside { pub fn f() {} }"),
        ("low.rs", "pub struct Low;"),
        ("mid/mod.rs", "mod a; mod b; pub use b::Shown; pub struct Own;"),
        ("mid/a.rs", "use crate::low::Low;"),
        ("mid/b/mod.rs", "mod inner; pub struct Shown; use crate::low;"),
        ("mid/b/inner.rs", "use super::Shown; use super::super::Own;"),
        ("high.rs", "use crate::mid::Own;"),
    ];
    let files =
        files.map(|(name, text)| (name, if name == file { format!("{text}\n{more}") } else { text.into() }));
    assert!(files.iter().any(|(name, _)| *name == file));
    Library::new("ours", &files.each_ref().map(|(name, text)| (*name, text.as_str())))
}

/// Checks which steps up, which circles and how many complaints one more line makes.
fn check(file: &str, more: &str, up: &[&str], circles: &[&str], complaints: usize) {
    let show = |steps: Vec<&Step>| -> Vec<String> {
        steps.into_iter().map(|step| format!("{} -> {}", step.from, step.to)).collect()
    };
    let library = sample(file, more);
    assert_eq!(show(library.steps_up(&["low", "mid", "high"]).iter().collect()), up, "{file}: {more}");
    assert_eq!(show(in_circles(&library.steps_of_neighbours())), circles, "{file}: {more}");
    assert_eq!(library.complaints.len(), complaints, "{file}: {more}: {:?}", library.complaints);
}

#[test]
fn what_is_in_order_is_let_through() {
    check("low.rs", "", &[], &[], 0);
    check("lib.rs", "pub mod inside { pub use crate::high::*; }", &[], &[], 0);
    check(
        "high.rs",
        "use crate::{low::Low, mid::Shown}; pub(crate) use super::mid::Own as Mine;",
        &[],
        &[],
        0,
    );
    check("lib.rs", "pub use crate::high::*; use high::X;", &[], &[], 0);
    check("mid/a.rs", "use super::b::Shown; use super::Own; use crate::mid::Shown as Again;", &[], &[], 0);
    check("mid/b/inner.rs", "#[cfg(test)] mod tests { use super::*; use crate::high::X; }", &[], &[], 0);
    check("low.rs", "/// [x](crate::high::X)\nconst X: &str = \"crate::high::X\";", &[], &[], 0);
}

#[test]
fn every_way_up_is_seen() {
    for up in [
        "use crate::high::X;",
        "use crate::{low::Low, high};",
        "use crate::{\n    low::Low,\n    high::{\n        X, y::Z,\n    },\n};",
        "use super::super::high::X;",
        "use super::{super::high::X};",
        "use self::super::super::high::X;",
        "fn f() { super::super::high::f() }",
        "fn f() { crate :: high :: f() }",
        "pub use crate::high::X as Y;",
        "pub use crate::high;",
        "mod inline { use super::super::super::high::X; }",
        "macro_rules! m { () => { $crate::high::X } }",
        "macro_rules! m { () => { crate::high::X } }",
        "#[cfg(not(test))] mod inline { use crate::high::X; }",
        "#[cfg(test)] use crate::high::X;",
        "fn f(x: Vec<crate::high::X>) {}",
        "use crate::r#high::X;",
    ] {
        check("mid/a.rs", up, &["mid -> high"], &[], 0);
    }
    check("low.rs", "use super::high::X; use crate::mid::Own;", &["low -> high", "low -> mid"], &[], 0);
}

#[test]
fn every_disguise_is_refused() {
    for disguise in [
        "use crate::Shown;",
        "fn f() { crate::f() }",
        "fn f() { crate::inside::f() }",
        "use crate as root;",
        "use crate::{self as root};",
        "use super::super::{self as root, low::Low};",
        "use super::super as root;",
        "use crate::*;",
        "use super::super::*;",
        "use super::*;",
        "use crate::low::*;",
        "use super as up;",
        "use crate::mid;",
        "use super::{self as up};",
        "use ours::high::X;",
        "extern crate self as other;",
        "macro_rules! m { ($x:ident) => { crate::$x::f() } }",
        "#[path = \"../high.rs\"] mod other;",
        "include!(\"../high.rs\");",
        "use super::super::super::high;",
    ] {
        check("mid/a.rs", disguise, &[], &[], 1);
    }
    let orphan = Library::new("ours", &[("lib.rs", ""), ("low.rs", "")]);
    assert_eq!(orphan.complaints, ["low.rs is declared by no `mod`"]);
}

#[test]
fn circles_of_neighbours_are_seen() {
    let both = ["mid::a -> mid::b", "mid::b -> mid::a"];
    check("mid/b/inner.rs", "use crate::mid::a::A;", &[], &[], 0);
    for back in [
        "use super::b::Shown;",
        "use crate::mid::b::inner::X;",
        "fn f() { super::b::f() }",
        "mod x { use super::super::b::X; }",
        // By a name that the folder's file passes on.
        "use super::Shown;",
        "use crate::mid::Shown as Again;",
        "fn f() { super::Shown::new() }",
        "use super::Hidden;",
    ] {
        let files = [
            ("lib.rs", "mod mid;"),
            ("mid/mod.rs", "mod a; mod b; pub use b::Shown; mod x { pub use super::b::Hidden; } use x::*;"),
            ("mid/a.rs", back),
            ("mid/b/mod.rs", "mod inner;"),
            ("mid/b/inner.rs", "fn f() { super::super::a::f() }"),
        ];
        let library = Library::new("ours", &files);
        assert_eq!(library.complaints, [""; 0], "{back}");
        let steps = library.steps_of_neighbours();
        let found: Vec<_> =
            in_circles(&steps).into_iter().map(|step| format!("{} -> {}", step.from, step.to)).collect();
        assert_eq!(found, both, "{back}");
    }
}

#[test]
fn circles_of_three_are_seen_and_those_beside_them_are_not() {
    let steps = ["a b", "b c", "c a", "c d", "d e"].map(|step| {
        let (from, to) = step.split_once(' ').expect("two names");
        Step { from: from.into(), to: to.into(), place: String::new() }
    });
    let found: Vec<_> =
        in_circles(&steps).into_iter().map(|step| format!("{} {}", step.from, step.to)).collect();
    assert_eq!(found, ["a b", "b c", "c a"]);
}
