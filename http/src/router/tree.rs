//! Patterns by their segments, and the search for those that a path matches.
//!
//! The idea: a tree whose edges are segments. Of the edges that a segment can take, text comes before a parameter
//! within text, that before a parameter, and that before all that is left; where an edge leads to nothing that answers,
//! the next is tried. A node is reached on one way only, so none is looked at twice.
//!
//! The rules: searching takes no memory of its own. What a peer sends decides how far it goes, never how deep: that is
//! up to the patterns.

use super::literals::Literals;
use super::methods::{Endpoint, MethodKey};
use super::pattern::{Pattern, PatternSegment};
use super::slashes::KEPT_SLASH;
use std::ops::Range;

/// The patterns of one host.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    endpoints: Vec<Endpoint>,
}

/// Where some patterns are alike up to a slash.
#[derive(Debug, Default)]
struct Node {
    texts: Literals,
    /// Parameters within text, those with the most text first.
    mixed: Vec<Mixed>,
    param: Option<usize>,
    /// What answers when the path ends here.
    end: Option<usize>,
    /// The same, if all else fails: of the pattern that has one slash more, or less.
    alias: Option<usize>,
    /// What answers whatever is left.
    rest: Option<usize>,
}

#[derive(Debug)]
struct Mixed {
    before: String,
    after: String,
    node: usize,
}

impl Mixed {
    fn text_len(&self) -> usize {
        self.before.len() + self.after.len()
    }
}

/// Where the values of parameters are put while one is searched for.
pub(super) trait Values {
    fn push(&mut self, place: Range<usize>);
    fn pop(&mut self);
    fn clear(&mut self);
}

impl Values for Vec<Range<usize>> {
    fn push(&mut self, place: Range<usize>) {
        Vec::push(self, place);
    }

    fn pop(&mut self) {
        Vec::pop(self);
    }

    fn clear(&mut self) {
        Vec::clear(self);
    }
}

/// For who wants to know the route alone.
impl Values for () {
    fn push(&mut self, _: Range<usize>) {}
    fn pop(&mut self) {}
    fn clear(&mut self) {}
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], endpoints: Vec::new() }
    }
}

impl Tree {
    /// The endpoint of a pattern, which is made if there is none.
    pub(super) fn endpoint_mut(&mut self, pattern: &Pattern) -> &mut Endpoint {
        let mut at = 0;
        for segment in &pattern.segments {
            if *segment == PatternSegment::Rest {
                let known = self.nodes[at].rest;
                let endpoint = known.unwrap_or_else(|| self.add_endpoint());
                self.nodes[at].rest = Some(endpoint);
                return &mut self.endpoints[endpoint];
            }
            at = self.child(at, segment);
        }
        let known = self.nodes[at].end;
        let endpoint = known.unwrap_or_else(|| self.add_endpoint());
        self.nodes[at].end = Some(endpoint);
        &mut self.endpoints[endpoint]
    }

    fn add_endpoint(&mut self) -> usize {
        self.endpoints.push(Endpoint::default());
        self.endpoints.len() - 1
    }

    /// The node behind a segment, which is made if there is none.
    fn child(&mut self, at: usize, segment: &PatternSegment) -> usize {
        let next = self.nodes.len();
        let node = &mut self.nodes[at];
        let child = match segment {
            PatternSegment::Text(text) => node.texts.get_or_insert(text, next),
            PatternSegment::Param { before, after } if before.is_empty() && after.is_empty() => {
                *node.param.get_or_insert(next)
            }
            PatternSegment::Param { before, after } => add_mixed(&mut node.mixed, before, after, next),
            // Nothing is behind it.
            PatternSegment::Rest => at,
        };
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    /// Lets every pattern be found with one slash more or less at its end, where nothing else is.
    pub(super) fn add_aliases(&mut self) {
        for at in 0..self.nodes.len() {
            let slash = self.nodes[at].texts.get(b"");
            let (end, behind_slash) = (self.nodes[at].end, slash.and_then(|slash| self.nodes[slash].end));
            if let Some(end) = end {
                let slash = self.child(at, &PatternSegment::Text(String::new()));
                self.nodes[slash].alias = Some(end);
            }
            // The root has no end of its own: a path has a slash at least.
            if let (Some(end), true) = (behind_slash, at != 0) {
                self.nodes[at].alias = Some(end);
            }
        }
    }

    /// What answers requests for `path` with this method. `values` has its parameters then, and is as before if there
    /// is nothing.
    #[inline]
    pub(super) fn find(&self, path: &[u8], method: MethodKey<'_>, values: &mut impl Values) -> Option<u32> {
        let accept = |endpoint: &Endpoint| endpoint.route(method);
        self.search(path, false, values, accept)
    }

    /// What `accept` says of the first endpoint, the most particular before others, of which it says something. With
    /// `aliases`: of those too that have one slash more or less.
    pub(super) fn search<'a, F>(
        &'a self,
        path: &[u8],
        aliases: bool,
        values: &mut impl Values,
        accept: F,
    ) -> Option<u32>
    where
        F: FnMut(&'a Endpoint) -> Option<u32>,
    {
        // A path starts with a slash.
        Search { tree: self, path, aliases, values, accept }.walk(0, 1)
    }

    pub(super) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }
}

fn add_mixed(mixed: &mut Vec<Mixed>, before: &str, after: &str, next: usize) -> usize {
    if let Some(known) = mixed.iter().find(|known| known.before == before && known.after == after) {
        return known.node;
    }
    let added = Mixed { before: before.to_owned(), after: after.to_owned(), node: next };
    let rank = |mixed: &Mixed| (mixed.text_len(), mixed.before.len());
    let at = mixed.partition_point(|known| rank(known) >= rank(&added));
    mixed.insert(at, added);
    next
}

struct Search<'t, 'p, 'v, V, F> {
    tree: &'t Tree,
    path: &'p [u8],
    aliases: bool,
    values: &'v mut V,
    accept: F,
}

impl<'t, V, F> Search<'t, '_, '_, V, F>
where
    V: Values,
    F: FnMut(&'t Endpoint) -> Option<u32>,
{
    /// Goes on with the segment that begins at `start`, from the node `at`.
    fn walk(&mut self, at: usize, start: usize) -> Option<u32> {
        let (tree, path) = (self.tree, self.path);
        let node = tree.nodes.get(at)?;
        // Behind the last segment there is no other.
        let Some(left) = path.get(start..) else { return self.end(node) };
        let end = memchr::memchr(b'/', left).map_or(path.len(), |length| start + length);
        let segment = &path[start..end];
        if let Some(next) = node.texts.get(segment) {
            if let Some(found) = self.walk(next, end + 1) {
                return Some(found);
            }
        }
        for mixed in &node.mixed {
            let Some(value) = within(segment, mixed) else { continue };
            if let Some(found) = self.walk_with(start + value.start..start + value.end, mixed.node, end + 1) {
                return Some(found);
            }
        }
        if let (Some(next), false) = (node.param, matches!(segment, b"" | b".")) {
            if let Some(found) = self.walk_with(start..end, next, end + 1) {
                return Some(found);
            }
        }
        let rest = node.rest.filter(|_| !left.is_empty())?;
        self.values.push(start..path.len());
        let found = self.accept(rest);
        if found.is_none() {
            self.values.pop();
        }
        found
    }

    fn walk_with(&mut self, value: Range<usize>, next: usize, start: usize) -> Option<u32> {
        self.values.push(value);
        let found = self.walk(next, start);
        if found.is_none() {
            self.values.pop();
        }
        found
    }

    fn end(&mut self, node: &Node) -> Option<u32> {
        let found = node.end.and_then(|endpoint| self.accept(endpoint));
        if found.is_some() || !self.aliases {
            return found;
        }
        self.accept(node.alias?)
    }

    fn accept(&mut self, endpoint: usize) -> Option<u32> {
        (self.accept)(self.tree.endpoints.get(endpoint)?)
    }
}

/// Where the value of a parameter is in a segment, if there is one.
fn within(segment: &[u8], mixed: &Mixed) -> Option<Range<usize>> {
    let value = segment.strip_prefix(mixed.before.as_bytes())?.strip_suffix(mixed.after.as_bytes())?;
    // With the text around it a segment may be none of dots although its value is.
    let is_way = |part: &[u8]| matches!(part, b"." | b"..");
    if value.is_empty() || value.split(|&byte| byte == KEPT_SLASH).any(is_way) {
        return None;
    }
    let start = mixed.before.len();
    Some(start..start + value.len())
}
