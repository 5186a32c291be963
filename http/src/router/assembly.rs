//! From groups, as they were said, to a table and handlers.
//!
//! The rule: everything that is wrong is found, and each thing is said with the routes that it is about.

use super::dispatch::{GroupEnd, OwnAnswers};
use super::group::{GroupItem, RouteGroup, RouteItem, wrap_all};
use super::hosts::{HostPattern, Hosts};
use super::methods::{RouteMethods, write_allow};
use super::paths::PathList;
use super::pattern::Pattern;
use super::table::{PrefixGroup, RouteEntry, RouteTable};
use crate::config::request_config::RequestConfig;
use crate::ctx::{Handler, RouteUrls};
use crate::util::intern::intern;
use std::sync::Arc;

/// What is known of the groups around something.
#[derive(Clone, Default)]
struct Surroundings {
    prefix: String,
    host: Option<HostPattern>,
    /// The group among those that have paths of their own.
    group: usize,
    config: RequestConfig,
    fallback: Option<Arc<dyn Handler>>,
    method_not_allowed: Option<Arc<dyn Handler>>,
    /// What the group answers itself.
    own: u32,
}

impl Surroundings {
    /// What a route here is called. A slash alone is the prefix itself.
    fn join(&self, pattern: &str) -> String {
        let pattern = if pattern == "/" && !self.prefix.is_empty() { "" } else { pattern };
        format!("{}{pattern}", self.prefix)
    }

    fn label(&self, path: &str) -> String {
        match &self.host {
            Some(host) => format!("{host}{path}"),
            None => path.to_owned(),
        }
    }
}

/// A table in the making.
#[derive(Default)]
pub(super) struct Assembly {
    hosts: Hosts,
    /// The paths of groups that have paths of their own, and what each group answers itself.
    groups: Vec<(PathList, u32)>,
    entries: Vec<RouteEntry>,
    /// The methods of all routes.
    methods: Vec<RouteMethods>,
    urls: RouteUrls,
    problems: Vec<String>,
}

impl Assembly {
    /// The table of these routes, and what answers a request whose route is known.
    ///
    /// # Errors
    /// All that is wrong.
    pub(super) fn run(mut group: RouteGroup) -> Result<(RouteTable, Arc<dyn Handler>), Vec<String>> {
        let mut assembly = Self { groups: vec![Default::default()], ..Self::default() };
        let trailing_slash = group.trailing_slash.take().unwrap_or_default();
        let wraps = std::mem::take(&mut group.wraps);
        let nexts = assembly.group(group, Surroundings::default(), true);
        let Self { hosts, groups, entries, methods, urls, mut problems } = assembly;
        let groups = groups.into_iter().map(|(paths, own)| {
            let paths = paths.into_tables(&mut problems);
            PrefixGroup { paths, own }
        });
        let groups: Vec<PrefixGroup> = groups.collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut allowed_anywhere = String::new();
        write_allow(&mut allowed_anywhere, methods.iter().flat_map(RouteMethods::all));
        let urls = Arc::new(urls);
        let depth = groups.iter().map(|group| group.paths.depth()).max().unwrap_or_default();
        let table = RouteTable { hosts, groups, entries, depth, trailing_slash, allowed_anywhere, urls };
        Ok((table, wrap_all(Arc::new(GroupEnd { start: 0, nexts }), wraps)))
    }

    /// Adds all that is in a group, and says what comes next for each of its numbers.
    fn group(
        &mut self,
        group: RouteGroup,
        mut place: Surroundings,
        has_paths: bool,
    ) -> Vec<Arc<dyn Handler>> {
        let start = self.entries.len() as u32;
        place.own = start;
        if has_paths {
            self.groups[place.group].1 = start;
        } else if group.fallback.is_some() {
            self.problem(
                "group without a prefix",
                "it has no paths but those of its routes, so it can have no fallback",
            );
        }
        for what in &group.said_twice {
            let title = format!("group {:?}", place.label(&place.prefix));
            self.problem(&title, &format!("its {what} is said twice"));
        }
        if group.trailing_slash.is_some() {
            let title = format!("group {:?}", place.label(&place.prefix));
            self.problem(&title, "what becomes of slashes is for the outermost router to say");
        }
        place.config = place.config.overlaid(&group.config);
        place.fallback = group.fallback.or(place.fallback);
        place.method_not_allowed = group.method_not_allowed.or(place.method_not_allowed);
        self.add_own(&place);
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
                    nexts.extend(self.inner(&prefix, host.as_deref(), group, &place));
                }
            }
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
        host: Option<&str>,
        group: RouteGroup,
        outer: &Surroundings,
    ) -> Vec<Arc<dyn Handler>> {
        let mut place = outer.clone();
        let mut has_paths = false;
        if let Some(host) = host {
            match self.host(host, outer) {
                Ok(pattern) => {
                    place.host = Some(pattern);
                    // What answers for all other hosts does not know of the groups that are for them.
                    place.fallback = None;
                    (place.group, has_paths) = (self.groups.len() - 1, true);
                }
                Err(problem) => self.problem(&format!("host {host}"), &problem),
            }
        }
        if !prefix.is_empty() {
            match prefix_pattern(prefix).and_then(|_| Pattern::parse(&place.join(prefix))) {
                Ok(pattern) => {
                    place.prefix = place.join(prefix);
                    let title = format!("group {}", place.label(&place.prefix));
                    let number = self.groups.len();
                    self.groups[outer.group].0.add_group(&pattern, number as u32, &title);
                    self.groups.push(Default::default());
                    (place.group, has_paths) = (number, true);
                }
                Err(problem) => self.problem(&format!("group {prefix:?}"), &problem),
            }
        }
        self.group(group, place, has_paths)
    }

    /// Adds a host, whose group is the last one then.
    fn host(&mut self, host: &str, outer: &Surroundings) -> Result<HostPattern, String> {
        let pattern = HostPattern::parse(host)?;
        if outer.host.is_some() {
            return Err("it is in the group of another host".to_owned());
        }
        if !outer.prefix.is_empty() {
            return Err("it is in a group with a prefix: say the host first".to_owned());
        }
        let number = self.groups.len();
        if self.hosts.get_or_insert(&pattern, number) != number {
            return Err("it is there twice: put both into one".to_owned());
        }
        self.groups.push(Default::default());
        Ok(pattern)
    }

    /// The number for what a group answers itself.
    fn add_own(&mut self, place: &Surroundings) {
        // One that is wrong was complained of.
        let names = Pattern::parse(&place.prefix).map(|prefix| prefix.names).unwrap_or_default();
        self.entries.push(RouteEntry {
            params: names,
            host_label: place.host.as_ref().and_then(|host| host.label),
            config: place.config,
            own: place.own,
            // What is at all these paths is not known.
            has_rest: true,
            ..RouteEntry::default()
        });
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
            host_label: place.host.as_ref().and_then(|host| host.label),
            config: place.config.overlaid(&item.config),
            own: place.own,
            ..RouteEntry::default()
        });
        if let Err((what, problem)) = self.add_route(item, paths, number, &label, place) {
            self.problem(&what, &problem);
        }
    }

    /// # Errors
    /// What is wrong, and with what.
    fn add_route(
        &mut self,
        item: &RouteItem,
        paths: &[String],
        number: u32,
        label: &str,
        place: &Surroundings,
    ) -> Result<(), (String, String)> {
        let title = format!("route {label}");
        let wrong = |problem: String| (title.clone(), problem);
        let methods = match item.methods.as_deref() {
            None => RouteMethods::Any,
            Some(list) => RouteMethods::parse(list).map_err(wrong)?,
        };
        self.entries[number as usize].methods = methods.to_string();
        if !item.pattern.starts_with('/') {
            let within =
                if place.prefix.is_empty() { String::new() } else { format!(" in {}", place.prefix) };
            let what = format!("route {}{within}", item.pattern);
            return Err((what, "a path starts with a slash".to_owned()));
        }
        for path in paths {
            if methods.have_connect() && path != "/" {
                return Err(wrong("CONNECT has no path, so its route is `/`".to_owned()));
            }
            let pattern = Pattern::parse(path).map_err(wrong)?;
            self.note_pattern(&pattern, number, place).map_err(wrong)?;
            self.groups[place.group].0.add_route(pattern, methods.clone(), number, title.clone());
        }
        self.methods.push(methods);
        Ok(())
    }

    fn note_pattern(&mut self, pattern: &Pattern, number: u32, place: &Surroundings) -> Result<(), String> {
        let entry = &mut self.entries[number as usize];
        entry.params.clone_from(&pattern.names);
        entry.has_rest |= pattern.has_rest();
        if let Some(label) = entry.host_label.filter(|label| pattern.names.contains(label)) {
            return Err(format!("it has two parameters {label:?}"));
        }
        let Some(name) = entry.name else { return Ok(()) };
        let mut parts = place.host.as_ref().map(HostPattern::url_parts).unwrap_or_default();
        parts.extend(pattern.url_parts());
        match self.urls.add(name, parts) {
            true => Ok(()),
            false => Err(format!("another route is called {name:?}, too")),
        }
    }

    fn problem(&mut self, what: &str, problem: &str) {
        self.problems.push(format!("the {what}: {problem}"));
    }
}

/// What a group's prefix stands for.
fn prefix_pattern(prefix: &str) -> Result<Pattern, String> {
    if !prefix.starts_with('/') || prefix.ends_with('/') {
        return Err("a prefix starts with a slash, and ends without one; without a prefix there is `group`"
            .to_owned());
    }
    let pattern = Pattern::parse(prefix)?;
    if pattern.has_rest() {
        return Err("nothing can be behind all that is left".to_owned());
    }
    Ok(pattern)
}
