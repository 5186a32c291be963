//! What is at which path: of a router, of a host, or of a group with a prefix.
//!
//! The idea: for each method there is a table of paths without parameters and a tree of the others, so a route for one
//! method hides none for another. A path that is in the table comes before all that the tree may find. A group with a
//! prefix is an entry of those around it, and has its own.
//!
//! The rule: what is below a group's prefix is looked for in that group alone. So nobody gets past its wrappers, by
//! whatever method or spelling.

use super::methods::{CONNECT, GET, HEAD, KNOWN, MethodKey, RouteMethods};
use super::pattern::Pattern;
use crate::util::hash::hash;
use matchit::{InsertError, Match, Params};
use std::array;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathEntry {
    /// The route of this number.
    Route(u32),
    /// The group of this number among those that have paths of their own.
    Group(u32),
}

/// The paths of a method.
#[derive(Default)]
struct PathTree {
    /// Those without parameters. What they are is up to the program, so the hash needs no secret.
    texts: HashMap<String, PathEntry, BuildHasherDefault<PathHasher>>,
    others: matchit::Router<PathEntry>,
}

#[derive(Default)]
struct PathHasher(u64);

/// All paths, by method.
#[derive(Debug, Default)]
pub(super) struct PathTrees {
    known: [PathTree; KNOWN.len()],
    others: Vec<(String, PathTree)>,
    /// For methods that no route names.
    unnamed: PathTree,
}

/// What was added, before all of it is known.
#[derive(Debug, Default)]
pub(super) struct PathList(Vec<ListedPath>);

#[derive(Debug)]
struct ListedPath {
    pattern: Pattern,
    methods: RouteMethods,
    entry: PathEntry,
    /// What it is called where something is wrong with it.
    title: String,
}

/// How much a path is meant for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// Its route names the method, or it is a group's.
    Named,
    /// It is that of `GET` for `HEAD`.
    ForGet,
    ForAny,
}

impl PathList {
    pub(super) fn add_route(&mut self, pattern: Pattern, methods: RouteMethods, number: u32, title: String) {
        self.0.push(ListedPath { pattern, methods, entry: PathEntry::Route(number), title });
    }

    /// Adds a prefix, and all that is below it.
    pub(super) fn add_group(&mut self, prefix: &Pattern, number: u32, title: &str) {
        for pattern in prefix.all_below() {
            let (methods, entry) = (RouteMethods::Any, PathEntry::Group(number));
            self.0.push(ListedPath { pattern, methods, entry, title: title.to_owned() });
        }
    }

    /// All of it by method; what is wrong is added to `problems`.
    pub(super) fn into_trees(self, problems: &mut Vec<String>) -> PathTrees {
        let mut found = Vec::new();
        let trees = self.trees(&mut found);
        for problem in found {
            // Several paths may have the same.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        trees
    }

    fn trees(&self, problems: &mut Vec<String>) -> PathTrees {
        let named = self.0.iter().flat_map(|path| path.methods.others());
        let others: BTreeSet<&str> = named.collect();
        PathTrees {
            known: array::from_fn(|index| self.tree(Some(KNOWN[index]), problems)),
            others: others.iter().map(|name| ((*name).to_owned(), self.tree(Some(name), problems))).collect(),
            unnamed: self.tree(None, problems),
        }
    }

    /// The tree of a method; `None`: of those that no route names.
    fn tree(&self, method: Option<&str>, problems: &mut Vec<String>) -> PathTree {
        let mut tree = PathTree::default();
        let mut by_shape: HashMap<String, &ListedPath> = HashMap::new();
        let mut places: HashMap<String, ParamPlace<'_>> = HashMap::new();
        for claim in [Claim::Named, Claim::ForGet, Claim::ForAny] {
            for path in self.0.iter().filter(|path| path.claim(method) == Some(claim)) {
                let shape = path.pattern.shape();
                if let Some(before) = by_shape.get(&shape) {
                    problems.extend(before.is_answered_too_by(path, method, claim));
                    continue;
                }
                if let Some(before) = note_places(&mut places, path) {
                    problems.push(before.is_no_less_than(path));
                    continue;
                }
                if let Err(error) = tree.insert(&path.pattern, path.entry) {
                    problems.push(path.is_wrong(&error.to_string()));
                }
                by_shape.insert(shape, path);
            }
        }
        tree
    }
}

/// What is in one place of a tree, behind the same segments.
#[derive(Default)]
struct ParamPlace<'a> {
    param: Option<&'a ListedPath>,
    rest: Option<&'a ListedPath>,
}

/// Notes where a path has parameters. One that has all that is left where this has a parameter, or the other way round,
/// is given back: none of the two comes first.
fn note_places<'a>(
    places: &mut HashMap<String, ParamPlace<'a>>,
    path: &'a ListedPath,
) -> Option<&'a ListedPath> {
    for (before, is_rest) in path.pattern.places() {
        let place = places.entry(before).or_default();
        let (own, other) = match is_rest {
            true => (&mut place.rest, place.param),
            false => (&mut place.param, place.rest),
        };
        if other.is_some() {
            return other;
        }
        own.get_or_insert(path);
    }
    None
}

impl ListedPath {
    fn is_group(&self) -> bool {
        matches!(self.entry, PathEntry::Group(_))
    }

    /// How much it is meant for a method; `None`: not at all.
    fn claim(&self, method: Option<&str>) -> Option<Claim> {
        match (&self.methods, method) {
            _ if self.is_group() => Some(Claim::Named),
            (RouteMethods::Any, method) => (method != Some(KNOWN[CONNECT])).then_some(Claim::ForAny),
            (RouteMethods::These(_), None) => None,
            (RouteMethods::These(methods), Some(method)) => {
                let has = |wanted: &str| methods.iter().any(|known| known == wanted);
                match method {
                    _ if has(method) => Some(Claim::Named),
                    _ if method == KNOWN[HEAD] && has(KNOWN[GET]) => Some(Claim::ForGet),
                    _ => None,
                }
            }
        }
    }

    /// What is wrong with two that have the same paths, if none of them comes before the other.
    fn is_answered_too_by(&self, other: &Self, method: Option<&str>, claim: Claim) -> Option<String> {
        let (one, other_one) = (&self.title, &other.title);
        match (self.is_group(), other.is_group()) {
            (true, true) => return Some(format!("the {one} is there twice: put both into one")),
            (true, false) => return Some(format!("the {other_one} is at the {one}: put it into that")),
            (false, true) => return Some(format!("the {one} is at the {other_one}: put it into that")),
            (false, false) => {}
        }
        let method = match claim {
            Claim::ForAny => "any method",
            Claim::Named => method.unwrap_or_default(),
            // It is said of `GET`.
            Claim::ForGet => return None,
        };
        let is_equal = match &self.methods {
            RouteMethods::Any => claim == Claim::ForAny,
            RouteMethods::These(methods) => methods.iter().any(|known| known == method),
        };
        is_equal.then(|| {
            format!("{method} is answered twice at the same paths: by the {one} and the {other_one}")
        })
    }

    fn is_no_less_than(&self, other: &Self) -> String {
        format!("the {} and the {} match the same paths, none of them sooner", self.title, other.title)
    }

    fn is_wrong(&self, why: &str) -> String {
        format!("the {}: {why}", self.title)
    }
}

impl PathTrees {
    /// What requests for `path` with this method lead to, and the values of the parameters on the way there.
    #[inline]
    pub(super) fn find<'t, 'p>(
        &'t self,
        path: &'p str,
        method: MethodKey<'_>,
    ) -> Option<(PathEntry, Params<'t, 'p>)> {
        self.tree(method).find(path)
    }

    #[inline]
    fn tree(&self, method: MethodKey<'_>) -> &PathTree {
        match method {
            MethodKey::Known(index) => &self.known[index % KNOWN.len()],
            MethodKey::Other(name) => {
                let found = self.others.iter().find(|(known, _)| known == name);
                found.map_or(&self.unnamed, |(_, tree)| tree)
            }
        }
    }

    /// The methods that have a route at `path`, and each one's route.
    pub(super) fn routes_at<'t>(&'t self, path: &str) -> impl Iterator<Item = (&'t str, u32)> {
        let known = KNOWN.iter().copied().zip(&self.known);
        let others = self.others.iter().map(|(name, tree)| (name.as_str(), tree));
        known.chain(others).filter_map(move |(name, tree)| match tree.find(path)?.0 {
            PathEntry::Route(number) => Some((name, number)),
            PathEntry::Group(_) => None,
        })
    }
}

impl PathTree {
    fn insert(&mut self, pattern: &Pattern, entry: PathEntry) -> Result<(), InsertError> {
        match pattern.text() {
            Some(text) => {
                self.texts.insert(text, entry);
                Ok(())
            }
            None => self.others.insert(pattern.to_string(), entry),
        }
    }

    #[inline]
    fn find<'t, 'p>(&'t self, path: &'p str) -> Option<(PathEntry, Params<'t, 'p>)> {
        if let Some(entry) = self.texts.get(path) {
            return Some((*entry, Params::default()));
        }
        let Match { value, params } = self.others.at(path).ok()?;
        Some((*value, params))
    }
}

impl fmt::Debug for PathTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathTree").field("texts", &self.texts).finish_non_exhaustive()
    }
}

impl Hasher for PathHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(self.0, bytes);
    }

    /// What ends a text.
    #[inline]
    fn write_u8(&mut self, _: u8) {}

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
