//! From groups, as they were said, to a table and handlers.
//!
//! The rule: everything that is wrong is found, and each thing is said with the routes that it is about.

use super::dispatch::{GroupEnd, OwnAnswers};
use super::group::{GroupItem, RouteGroup, RouteItem, wrap_all};
use super::hosts::{HostPattern, Hosts};
use super::methods::RouteMethods;
use super::pattern::{Pattern, PatternSegment};
use super::table::{HostTree, RouteEntry, RouteTable};
use crate::config::request_config::RequestConfig;
use crate::ctx::{Handler, RouteUrls};
use crate::util::intern::intern;
use std::sync::Arc;

/// What is known of the groups around something.
#[derive(Clone, Default)]
struct Surroundings {
    prefix: String,
    /// The number of the host, and what stands for it.
    host: (usize, Option<HostPattern>),
    config: RequestConfig,
    fallback: Option<Arc<dyn Handler>>,
    method_not_allowed: Option<Arc<dyn Handler>>,
    /// What the group answers itself.
    own: u32,
}

/// Where something is: on which host, below which segments.
struct PlacedPattern {
    number: u32,
    host: usize,
    segments: Vec<PatternSegment>,
}

impl Surroundings {
    /// What a route here is called. A slash alone is the prefix itself.
    fn join(&self, pattern: &str) -> String {
        let pattern = if pattern == "/" && !self.prefix.is_empty() { "" } else { pattern };
        format!("{}{pattern}", self.prefix)
    }

    fn label(&self, path: &str) -> String {
        match &self.host.1 {
            Some(host) => format!("{host}{path}"),
            None => path.to_owned(),
        }
    }
}

/// A table in the making.
pub(super) struct Assembly {
    hosts: Hosts,
    trees: Vec<HostTree>,
    entries: Vec<RouteEntry>,
    urls: RouteUrls,
    problems: Vec<String>,
    /// The prefixes of groups with wrappers.
    guards: Vec<PlacedPattern>,
    patterns: Vec<PlacedPattern>,
    /// Numbers of those that have a fallback of their own.
    fallbacks: Vec<u32>,
}

impl Assembly {
    /// The table of these routes, and what answers a request whose route is known.
    ///
    /// # Errors
    /// All that is wrong.
    pub(super) fn run(mut group: RouteGroup) -> Result<(RouteTable, Arc<dyn Handler>), Vec<String>> {
        let trees = vec![HostTree::default()];
        let mut assembly = Self {
            hosts: Hosts::default(),
            trees,
            entries: Vec::new(),
            urls: RouteUrls::default(),
            problems: Vec::new(),
            guards: Vec::new(),
            patterns: Vec::new(),
            fallbacks: Vec::new(),
        };
        let trailing_slash = group.trailing_slash.take().unwrap_or_default();
        let wraps = std::mem::take(&mut group.wraps);
        let place = Surroundings::default();
        let nexts = assembly.group(group, place);
        assembly.note_guards();
        let Self { hosts, mut trees, entries, urls, problems, .. } = assembly;
        if !problems.is_empty() {
            return Err(problems);
        }
        trees.iter_mut().for_each(|tree| tree.routes.add_aliases());
        let table = RouteTable { hosts, trees, entries, trailing_slash, urls: Arc::new(urls) };
        Ok((table, wrap_all(Arc::new(GroupEnd { start: 0, nexts }), wraps)))
    }

    /// Adds all that is in a group, and says what comes next for each of its numbers.
    fn group(&mut self, group: RouteGroup, mut place: Surroundings) -> Vec<Arc<dyn Handler>> {
        place.config = place.config.overlaid(&group.config);
        let has_fallback = group.fallback.is_some();
        place.fallback = group.fallback.or(place.fallback);
        place.method_not_allowed = group.method_not_allowed.or(place.method_not_allowed);
        place.own = self.entries.len() as u32;
        let start = place.own;
        self.add_own(&place, has_fallback, !group.wraps.is_empty());
        let (fallback, method_not_allowed) = (place.fallback.clone(), place.method_not_allowed.clone());
        let own = OwnAnswers { fallback, method_not_allowed };
        let mut nexts: Vec<Arc<dyn Handler>> = vec![Arc::new(own)];
        for item in group.items {
            match item {
                GroupItem::Route(route) => {
                    self.route(&route, &[place.join(&route.pattern)], &place);
                    nexts.push(route.handler);
                }
                GroupItem::Mount { prefix, handler } => {
                    self.mount(&prefix, handler.clone(), &place);
                    nexts.push(handler);
                }
                GroupItem::Group { prefix, host, group } => {
                    nexts.extend(self.inner(&prefix, host, group, &place))
                }
            }
        }
        self.entries[start as usize].end = self.entries.len() as u32;
        if group.trailing_slash.is_some() {
            self.problem(
                &format!("group {:?}", place.label(&place.prefix)),
                "what becomes of slashes is for the outermost router to say",
            );
        }
        if group.wraps.is_empty() {
            return nexts;
        }
        let count = nexts.len();
        let wrapped = wrap_all(Arc::new(GroupEnd { start, nexts }), group.wraps);
        vec![wrapped; count]
    }

    /// Adds a group in a group.
    fn inner(
        &mut self,
        prefix: &str,
        host: Option<String>,
        group: RouteGroup,
        outer: &Surroundings,
    ) -> Vec<Arc<dyn Handler>> {
        let mut place = outer.clone();
        if let Some(host) = host {
            match HostPattern::parse(&host) {
                Ok(pattern) if outer.host.1.is_none() => {
                    let number = self.hosts.get_or_insert(&pattern, self.trees.len());
                    if number == self.trees.len() {
                        self.trees.push(HostTree::default());
                    }
                    place.host = (number, Some(pattern));
                }
                Ok(_) => self.problem(&format!("host {host}"), "it is in the group of another host"),
                Err(problem) => self.problem(&format!("host {host}"), &problem),
            }
        }
        if !prefix.is_empty() {
            let is_bare = prefix.starts_with('/') && !prefix.ends_with('/');
            match Pattern::parse(prefix) {
                _ if !is_bare => self.problem(
                    &format!("group {prefix:?}"),
                    "a prefix starts with a slash, and ends without one; without a prefix there is `group`",
                ),
                Ok(pattern) if pattern.segments.contains(&PatternSegment::Rest) => {
                    self.problem(&format!("group {prefix}"), "nothing can be behind all that is left");
                }
                Ok(_) => place.prefix.push_str(prefix),
                Err(problem) => self.problem(&format!("group {prefix}"), &problem),
            }
        }
        self.group(group, place)
    }

    /// The number for what a group answers itself.
    fn add_own(&mut self, place: &Surroundings, has_fallback: bool, has_wraps: bool) {
        let number = place.own;
        let prefix = if place.prefix.is_empty() { "/" } else { &place.prefix };
        // One that is wrong was complained of.
        let Pattern { segments, names } = Pattern::parse(prefix).unwrap_or_default();
        self.entries.push(RouteEntry {
            params: names,
            host_label: place.host.1.as_ref().and_then(|host| host.label),
            config: place.config,
            own: number,
            end: number + 1,
            is_prefixed: !place.prefix.is_empty(),
            // What is at all these paths is not known.
            has_rest: true,
            ..RouteEntry::default()
        });
        let is_first = if place.prefix.is_empty() {
            !has_fallback || self.add_fallback_for_all(place)
        } else {
            self.add_prefix(place, segments, has_fallback, has_wraps)
        };
        if !is_first {
            let group = place.label(&place.prefix);
            self.problem(&format!("group {group:?}"), "there is a second fallback for the same paths");
        }
        if has_fallback {
            self.fallbacks.push(number);
        }
    }

    /// A fallback for all paths of its host. False: there is one.
    fn add_fallback_for_all(&mut self, place: &Surroundings) -> bool {
        if place.own == 0 {
            return true;
        }
        let is_router = place.host.0 == 0;
        let miss = &mut self.trees[place.host.0].miss;
        let is_first = miss.is_none() && !(is_router && self.fallbacks.contains(&0));
        *miss = Some(place.own);
        is_first
    }

    /// A prefix below which a group answers what nobody does. False: another one has a fallback for it, too.
    fn add_prefix(
        &mut self,
        place: &Surroundings,
        segments: Vec<PatternSegment>,
        has_fallback: bool,
        has_wraps: bool,
    ) -> bool {
        let mut is_first = true;
        let tree = &mut self.trees[place.host.0];
        let ends = [None, Some(PatternSegment::Text(String::new())), Some(PatternSegment::Rest)];
        for end in ends {
            let pattern =
                Pattern { segments: segments.iter().cloned().chain(end).collect(), names: Vec::new() };
            if has_fallback || has_wraps {
                let endpoint = tree.misses.endpoint_mut(&pattern);
                let before = endpoint.first();
                // Of two groups without one the first answers.
                if has_fallback || before.is_none() {
                    endpoint.add(&RouteMethods::Any, place.own);
                }
                is_first &= !(has_fallback && before.is_some_and(|before| self.fallbacks.contains(&before)));
            }
            if has_wraps && tree.guards.endpoint_mut(&pattern).first().is_none() {
                tree.guards.endpoint_mut(&pattern).add(&RouteMethods::Any, place.own);
            }
        }
        if has_wraps {
            self.guards.push(PlacedPattern { number: place.own, host: place.host.0, segments });
        }
        is_first
    }

    /// Tells routes which groups with wrappers own paths that they match as well.
    fn note_guards(&mut self) {
        for route in &self.patterns {
            for guard in &self.guards {
                let is_near = guard.host == route.host || route.host == 0;
                let is_inside =
                    (guard.number..self.entries[guard.number as usize].end).contains(&route.number);
                if is_near && !is_inside && reaches_below(&route.segments, &guard.segments) {
                    self.entries[route.number as usize].guards.push(guard.number);
                }
            }
        }
    }

    fn mount(&mut self, prefix: &str, handler: Arc<dyn Handler>, place: &Surroundings) {
        let prefix = if prefix.is_empty() { "/" } else { prefix };
        let whole = place.join(prefix);
        let bare = whole.strip_suffix('/').unwrap_or(&whole);
        let mut patterns = vec![format!("{bare}/"), format!("{bare}/{{*rest}}")];
        if !bare.is_empty() {
            patterns.insert(0, bare.to_owned());
        }
        let item = RouteItem {
            methods: None,
            pattern: prefix.to_owned(),
            handler,
            name: None,
            config: RequestConfig::NOTHING,
        };
        self.route(&item, &patterns, place);
    }

    /// Adds a route, at each of these paths. The last has its name.
    fn route(&mut self, item: &RouteItem, paths: &[String], place: &Surroundings) {
        let number = self.entries.len() as u32;
        let label = place.label(paths.last().map_or("", String::as_str));
        self.entries.push(RouteEntry {
            label: intern(&label),
            name: item.name.as_deref().map(intern),
            host_label: place.host.1.as_ref().and_then(|host| host.label),
            config: place.config.overlaid(&item.config),
            own: place.own,
            ..RouteEntry::default()
        });
        let methods = match item.methods.as_deref().map(RouteMethods::parse) {
            None => RouteMethods::Any,
            Some(Ok(methods)) => methods,
            Some(Err(problem)) => return self.problem(&format!("route {label}"), &problem),
        };
        self.entries[number as usize].methods = methods.to_string();
        if !item.pattern.starts_with('/') {
            let within =
                if place.prefix.is_empty() { String::new() } else { format!(" in {}", place.prefix) };
            return self.problem(&format!("route {}{within}", item.pattern), "a path starts with a slash");
        }
        for path in paths {
            match Pattern::parse(path) {
                _ if methods.have_connect() && path != "/" => {
                    return self
                        .problem(&format!("route {label}"), "CONNECT has no path, so its route is `/`");
                }
                Ok(pattern) => self.add(&pattern, &methods, number, item.name.is_some(), place),
                Err(problem) => return self.problem(&format!("route {label}"), &problem),
            }
        }
    }

    fn add(
        &mut self,
        pattern: &Pattern,
        methods: &RouteMethods,
        number: u32,
        is_named: bool,
        place: &Surroundings,
    ) {
        let tree = &mut self.trees[place.host.0];
        for (method, before) in tree.routes.endpoint_mut(pattern).add(methods, number) {
            let (one, other) = (self.entries[before as usize].label, self.entries[number as usize].label);
            self.problems.push(format!(
                "{method} is answered twice at the same paths: by the routes {one} and {other}"
            ));
        }
        let segments = pattern.segments.clone();
        self.patterns.push(PlacedPattern { number, host: place.host.0, segments });
        let entry = &mut self.entries[number as usize];
        entry.params.clone_from(&pattern.names);
        entry.has_rest = pattern.segments.contains(&PatternSegment::Rest);
        if let Some(label) = entry.host_label.filter(|label| pattern.names.contains(label)) {
            let route = format!("route {}", entry.label);
            return self.problem(&route, &format!("it has two parameters {label:?}"));
        }
        let (label, name) = (entry.label, entry.name.unwrap_or_default());
        if is_named {
            let mut parts = place.host.1.as_ref().map(HostPattern::url_parts).unwrap_or_default();
            parts.extend(pattern.url_parts());
            if !self.urls.add(name, parts) {
                self.problem(&format!("route {label}"), &format!("another route is called {name:?}, too"));
            }
        }
    }

    fn problem(&mut self, what: &str, problem: &str) {
        self.problems.push(format!("the {what}: {problem}"));
    }
}

/// Whether a route matches paths below a prefix, but by a parameter or by all that is left where the prefix has text.
/// One that was put there by name is meant to be there.
fn reaches_below(route: &[PatternSegment], prefix: &[PatternSegment]) -> bool {
    let mut is_vague = false;
    for (index, part) in prefix.iter().enumerate() {
        match (route.get(index), part) {
            (None, _) => return false,
            (Some(PatternSegment::Rest), _) => return true,
            (Some(own), part) if own == part => {}
            (Some(PatternSegment::Text(_)), PatternSegment::Text(_)) => return false,
            (Some(PatternSegment::Text(_)), _) => {}
            (Some(PatternSegment::Param { before, after }), PatternSegment::Text(text)) => {
                if !(text.starts_with(before.as_str()) && text.ends_with(after.as_str())) {
                    return false;
                }
                is_vague = true;
            }
            (Some(PatternSegment::Param { .. }), _) => is_vague = true,
        }
    }
    is_vague
}
