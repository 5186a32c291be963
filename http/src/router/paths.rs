//! What is at which path: of a router, of a host, or of a group with a prefix.
//!
//! The idea: for each method there is a table of paths without parameters, and there are tables of the others, so a
//! route for one method hides none for another. A path that is in the first comes before all that the others may find.
//! A group with a prefix is an entry of those around it, and has its own.
//!
//! The rule: what is below a group's prefix is looked for in that group alone. So nobody gets past its wrappers, by
//! whatever method or spelling.

use super::key_table::KeyTable;
use super::layouts::{LayoutTables, ParamLayout};
use super::methods::{CONNECT, GET, HEAD, KNOWN, MethodKey, RouteMethods};
use super::pattern::Pattern;
use crate::util::hash::hash;
use crate::util::segments::Segments;
use std::array;
use std::collections::{BTreeSet, HashMap};

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathEntry {
    /// The route of this number.
    Route(u32),
    /// The group of this number among those that have paths of their own.
    Group(u32),
}

/// The paths of a method.
#[derive(Debug, Default)]
pub(super) struct MethodPaths {
    /// Those without parameters.
    texts: KeyTable<PathEntry>,
    /// A bit for each length that one of them has, the last for all that are longer.
    text_lengths: u64,
    others: LayoutTables<PathEntry>,
}

/// All paths, by method.
#[derive(Debug, Default)]
pub(super) struct PathTables {
    known: [MethodPaths; KNOWN.len()],
    others: Vec<(String, MethodPaths)>,
    /// For methods that no route names.
    unnamed: MethodPaths,
}

/// A path that is looked for, in any number of tables.
#[derive(Debug)]
pub(super) struct PathLook<'a> {
    path: &'a [u8],
    segments: &'a mut Segments,
    /// How many of these have to be known.
    depth: usize,
    /// Whether they are those of the path.
    is_split: bool,
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
    pub(super) fn into_tables(self, problems: &mut Vec<String>) -> PathTables {
        let mut found = Vec::new();
        let tables = self.tables(&mut found);
        for problem in found {
            // Several paths may have the same.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        tables
    }

    fn tables(&self, problems: &mut Vec<String>) -> PathTables {
        let named = self.0.iter().flat_map(|path| path.methods.others());
        let others: BTreeSet<&str> = named.collect();
        PathTables {
            known: array::from_fn(|index| self.of_method(Some(KNOWN[index]), problems)),
            others: others
                .iter()
                .map(|name| ((*name).to_owned(), self.of_method(Some(name), problems)))
                .collect(),
            unnamed: self.of_method(None, problems),
        }
    }

    /// The paths of a method; `None`: of those that no route names.
    fn of_method(&self, method: Option<&str>, problems: &mut Vec<String>) -> MethodPaths {
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
                by_shape.insert(shape, path);
            }
        }
        MethodPaths::new(by_shape.values().map(|path| (&path.pattern, path.entry)))
    }
}

/// What is in one place, behind the same segments.
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
}

impl PathTables {
    /// What requests with this method lead to.
    #[inline]
    pub(super) fn of_method(&self, method: MethodKey<'_>) -> &MethodPaths {
        match method {
            MethodKey::Known(index) => self.known.get(index).unwrap_or(&self.unnamed),
            MethodKey::Other(name) => {
                let found = self.others.iter().find(|(known, _)| known.as_bytes() == name);
                found.map_or(&self.unnamed, |(_, paths)| paths)
            }
        }
    }

    fn by_name(&self) -> impl Iterator<Item = (&str, &MethodPaths)> {
        let others = self.others.iter().map(|(name, paths)| (name.as_str(), paths));
        KNOWN.iter().copied().zip(&self.known).chain(others)
    }

    /// How many segments of a path have to be known.
    pub(super) fn depth(&self) -> usize {
        let all = self.by_name().map(|(_, paths)| paths).chain([&self.unnamed]);
        all.map(|paths| paths.others.depth()).max().unwrap_or_default()
    }

    /// The methods that have a route at the path, and each one's route.
    pub(super) fn routes_at<'t>(&'t self, look: &mut PathLook<'_>) -> impl Iterator<Item = (&'t str, u32)> {
        self.by_name().filter_map(|(name, paths)| match paths.find(look)?.0 {
            PathEntry::Route(number) => Some((name, number)),
            PathEntry::Group(_) => None,
        })
    }
}

impl MethodPaths {
    fn new<'a>(paths: impl Iterator<Item = (&'a Pattern, PathEntry)>) -> Self {
        let (mut texts, mut text_lengths, mut others) = (Vec::new(), 0, Vec::new());
        for (pattern, entry) in paths {
            match pattern.text().map(String::into_bytes) {
                Some(text) => {
                    text_lengths |= length_bit(&text);
                    texts.push((text_key(&text), text, entry));
                }
                None => others.push((pattern, entry)),
            }
        }
        Self { texts: KeyTable::new(texts), text_lengths, others: LayoutTables::new(&others) }
    }

    /// What the path leads to, and where values are in it.
    #[inline]
    pub(super) fn find(&self, look: &mut PathLook<'_>) -> Option<(PathEntry, Option<&ParamLayout>)> {
        match self.text(look) {
            Some(entry) => Some((entry, None)),
            None => self.pattern(look),
        }
    }

    /// The same, of paths without parameters, which come first.
    #[inline]
    pub(super) fn text(&self, look: &PathLook<'_>) -> Option<PathEntry> {
        // Of paths with parameters many are of a length that no text has, and need not be hashed.
        if self.text_lengths & length_bit(look.path) == 0 {
            return None;
        }
        self.texts.find(text_key(look.path), |text| text == look.path).copied()
    }

    /// The same, of those with parameters.
    pub(super) fn pattern(&self, look: &mut PathLook<'_>) -> Option<(PathEntry, Option<&ParamLayout>)> {
        if self.others.is_empty() {
            return None;
        }
        let (entry, layout) = self.others.find(look.segments())?;
        Some((entry, Some(layout)))
    }
}

/// The number of a path without parameters. What is in a table is up to the program, so the hash needs no secret.
#[inline]
fn text_key(path: &[u8]) -> u64 {
    hash(0, path)
}

#[inline]
fn length_bit(path: &[u8]) -> u64 {
    1 << path.len().min(63)
}

impl<'a> PathLook<'a> {
    /// A look for `path`, whose segments are put into `segments` if somebody wants to know them, but no more than
    /// `depth`.
    #[inline]
    pub(super) fn new(path: &'a [u8], segments: &'a mut Segments, depth: usize) -> Self {
        Self { path, segments, depth, is_split: false }
    }

    /// The path, and where its segments are kept.
    pub(super) fn into_parts(self) -> (&'a [u8], &'a mut Segments) {
        (self.path, self.segments)
    }

    #[inline]
    pub(super) fn segments(&mut self) -> &Segments {
        if !self.is_split {
            self.segments.split(self.path, self.depth);
            self.is_split = true;
        }
        self.segments
    }
}
