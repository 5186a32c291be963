//! All routes of a router, and which of them a request is for.
//!
//! The rule: what is found depends on method, host and path alone, nothing of the user's runs for it, and it can be
//! asked as often as somebody wants to know.

use super::hosts::{FoundHost, Hosts};
use super::layouts::ParamLayout;
use super::methods::{MethodKey, write_allow};
use super::paths::{PathEntry, PathLook, PathTables};
use super::pattern::SEGMENT;
use super::trailing_slash::TrailingSlash;
use crate::config::request_config::RequestConfig;
use crate::ctx::{OwnAnswer, RequestCtx, RouteMatch, RouteUrls};
use crate::message::request::Request;
use crate::util::percent;
use crate::util::segments::Segments;
use std::mem;
use std::sync::Arc;

/// All routes.
#[derive(Debug)]
pub(super) struct RouteTable {
    pub(super) hosts: Hosts,
    /// The first is the router's own.
    pub(super) groups: Vec<PrefixGroup>,
    /// By number. The first is what the router answers itself.
    pub(super) entries: Vec<RouteEntry>,
    /// How many segments of a path have to be known.
    pub(super) depth: usize,
    pub(super) trailing_slash: TrailingSlash,
    /// The methods that have a route somewhere, as an `Allow` has them.
    pub(super) allowed_anywhere: String,
    pub(super) urls: Arc<RouteUrls>,
}

/// A group that answers for all paths of a host, or for all below a prefix.
#[derive(Debug, Default)]
pub(super) struct PrefixGroup {
    pub(super) paths: PathTables,
    /// The number of what it answers itself.
    pub(super) own: u32,
}

/// A route, or what a group answers itself.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteEntry {
    /// What it is called in records; empty for what groups answer themselves.
    pub(super) label: &'static str,
    /// The methods, for people.
    pub(super) methods: String,
    pub(super) name: Option<&'static str>,
    /// What its parameters are called.
    pub(super) params: Vec<&'static str>,
    /// What the first label of its host is called.
    pub(super) host_label: Option<&'static str>,
    pub(super) config: RequestConfig,
    /// What its group answers itself.
    pub(super) own: u32,
    /// It takes whatever is left of a path.
    pub(super) has_rest: bool,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, Default)]
struct Resolved<'t> {
    /// Who answers.
    number: u32,
    /// What is answered, if that is a router's own.
    own: OwnAnswer,
    /// The route that it is about.
    about: u32,
    /// The group whose methods are told; `None`: those of all are.
    group: Option<usize>,
    /// Where the parameters of who answers are; `None`: there are none.
    layout: Option<&'t ParamLayout>,
}

/// Where the search for a path has ended; with where values are in it.
#[derive(Clone, Copy)]
enum Ended<'t> {
    AtRoute(u32, Option<&'t ParamLayout>),
    /// In this group, which has no such route; the values are those of its prefix.
    InGroup(usize, Option<&'t ParamLayout>),
}

impl RouteTable {
    /// Finds the route of the request in `ctx`, and puts it there.
    #[inline]
    pub(super) fn route(&self, ctx: &mut RequestCtx) {
        let about = if self.hosts.is_empty() {
            let (request, found) = ctx.request_and_match();
            self.fill(request, None, found)
        } else {
            // The host is the context's to know.
            let mut found = mem::take(ctx.request_and_match().1);
            let about = self.fill(&ctx.request, self.hosts.find(ctx.host()), &mut found);
            *ctx.request_and_match().1 = found;
            about
        };
        let label = self.entries[about as usize].label;
        if !label.is_empty() {
            ctx.set_route(label);
        }
    }

    /// Says in `found` what is found; returns what it is about.
    #[inline]
    fn fill(&self, request: &Request, host: Option<FoundHost<'_>>, found: &mut RouteMatch) -> u32 {
        let resolved = self.resolve(request, host.map_or(0, |host| host.number), &mut found.path);
        found.number = resolved.number;
        found.own_answer = resolved.own;
        if resolved.own != OwnAnswer::NotFound {
            self.write_own(&mut found.text, &resolved, request);
        }
        let entry = &self.entries[resolved.number as usize];
        if let (Some(name), Some(host)) = (entry.host_label, host) {
            found.push_lowercase(name, host.label.unwrap_or_default());
        }
        if let Some(layout) = resolved.layout {
            found.push_places(&entry.params, |path, index| layout.value(path, index));
        }
        resolved.about
    }

    /// What tells apart the routes that block: the number of the route that is found; `None`, where the path says more.
    pub(super) fn key(&self, ctx: &mut RequestCtx) -> Option<u32> {
        let number = self.asked(ctx).number;
        (!self.entries[number as usize].has_rest).then_some(number)
    }

    /// What is different for the request, of which only the head is there.
    pub(super) fn config(&self, ctx: &mut RequestCtx) -> RequestConfig {
        self.entries[self.asked(ctx).number as usize].config
    }

    /// What the route of the request is called.
    pub(super) fn label(&self, ctx: &mut RequestCtx) -> Option<&'static str> {
        let label = self.entries[self.asked(ctx).about as usize].label;
        (!label.is_empty()).then_some(label)
    }

    /// What the request in `ctx` is for, which no router answers yet.
    fn asked(&self, ctx: &mut RequestCtx) -> Resolved<'_> {
        let host = if self.hosts.is_empty() { None } else { self.hosts.find(ctx.host()) };
        let host = host.map_or(0, |host| host.number);
        let (request, room) = ctx.request_and_room();
        self.resolve(request, host, room)
    }

    /// What a request is for. The path whose values it has is in `room` then, if it has any.
    #[inline]
    fn resolve(&self, request: &Request, host: usize, room: &mut Segments) -> Resolved<'_> {
        let (method, path) = request.method_and_path();
        let method = MethodKey::of(method);
        let look = PathLook::new(path, room, self.depth);
        match self.groups[host].paths.of_method(method).text(&look) {
            Some(PathEntry::Route(number)) => Resolved { number, about: number, ..Resolved::default() },
            entry => self.resolve_further(request, method, host, look, entry),
        }
    }

    /// The same, where the path is not that of a route without parameters, but perhaps that of another `entry`.
    #[inline(never)]
    fn resolve_further<'t>(
        &'t self,
        request: &Request,
        method: MethodKey<'_>,
        host: usize,
        mut look: PathLook<'_>,
        entry: Option<PathEntry>,
    ) -> Resolved<'t> {
        if request.request_uri() == b"*" {
            // It is about the server, not about a path (RFC 9110 9.3.7).
            return self.about_the_host(host, refusal(method));
        }
        let found = match entry {
            Some(entry) => Some((entry, None)),
            None => self.groups[host].paths.of_method(method).pattern(&mut look),
        };
        match self.search(found, &mut look, method, host) {
            Ended::AtRoute(number, layout) => {
                Resolved { number, about: number, layout, ..Resolved::default() }
            }
            // Nor has this a path.
            Ended::InGroup(..) if method.is_connect() => self.about_the_host(host, OwnAnswer::NotAllowed),
            Ended::InGroup(group, layout) => {
                self.resolve_miss(Missed { request, method, host, group, layout }, look)
            }
        }
    }

    /// An answer that is about no path.
    fn about_the_host(&self, host: usize, own: OwnAnswer) -> Resolved<'_> {
        let number = self.groups[host].own;
        Resolved { number, own, about: number, ..Resolved::default() }
    }

    /// Goes from what was found first for a host from group to group, until there is a route, or none.
    #[inline]
    fn search<'t>(
        &'t self,
        found: Option<(PathEntry, Option<&'t ParamLayout>)>,
        look: &mut PathLook<'_>,
        method: MethodKey<'_>,
        host: usize,
    ) -> Ended<'t> {
        let (mut found, mut group, mut passed) = (found, host, None);
        loop {
            match found {
                Some((PathEntry::Route(number), layout)) => return Ended::AtRoute(number, layout),
                // A group in a group has a higher number, so this has an end.
                Some((PathEntry::Group(inner), layout)) => (group, passed) = (inner as usize, layout),
                None => return Ended::InGroup(group, passed),
            }
            found = self.groups[group].paths.of_method(method).find(look);
        }
    }

    /// The first route of the group at the path, whatever its method.
    fn first_at(&self, group: usize, look: &mut PathLook<'_>) -> Option<u32> {
        self.groups[group].paths.routes_at(look).next().map(|(_, number)| number)
    }

    /// What is answered when no route has the path and the method.
    #[cold]
    fn resolve_miss<'t>(&'t self, missed: Missed<'_, 't>, mut look: PathLook<'_>) -> Resolved<'t> {
        let Missed { request, method, host, group, layout } = missed;
        let at_path = self.first_at(group, &mut look);
        // Whoever refuses knows the parameters of its prefix, which stand before all others.
        let answer = |group: usize, about: u32, own, layout| {
            let number = self.entries[about as usize].own;
            Resolved { number, own, about, group: Some(group), layout }
        };
        let ignores = self.trailing_slash == TrailingSlash::Ignore;
        if ignores || self.trailing_slash == TrailingSlash::Redirect && at_path.is_none() {
            let (path, room) = look.into_parts();
            let other = other_path(path);
            let mut look = PathLook::new(&other, room, self.depth);
            let found = self.groups[host].paths.of_method(method).find(&mut look);
            match self.search(found, &mut look, method, host) {
                Ended::AtRoute(number, layout) if ignores => {
                    return Resolved { number, about: number, layout, ..Resolved::default() };
                }
                Ended::InGroup(group, layout) if ignores && at_path.is_none() => {
                    if let Some(about) = self.first_at(group, &mut look) {
                        return answer(group, about, refusal(method), layout);
                    }
                }
                Ended::AtRoute(about, _) if !ignores && is_text(request) => {
                    room.split(path, self.depth);
                    return answer(group, about, OwnAnswer::Redirect, layout);
                }
                _ => {}
            }
            room.split(path, self.depth);
        }
        match at_path {
            Some(about) => answer(group, about, refusal(method), layout),
            None => {
                let number = self.groups[group].own;
                Resolved { number, about: number, layout, ..Resolved::default() }
            }
        }
    }

    /// Writes what the router's own answer says: which methods there are, or where the other form of the path is.
    #[cold]
    fn write_own(&self, text: &mut String, resolved: &Resolved<'_>, request: &Request) {
        let Resolved { own, group, .. } = *resolved;
        if own == OwnAnswer::Redirect {
            return write_other_form(text, request);
        }
        let Some(group) = group else {
            return text.clone_from(&self.allowed_anywhere);
        };
        let paths = &self.groups[group].paths;
        let (mut room, mut other_room) = (Segments::default(), Segments::default());
        let path = request.path().as_bytes();
        let other = if self.trailing_slash == TrailingSlash::Ignore { other_path(path) } else { Vec::new() };
        let mut look = PathLook::new(path, &mut room, self.depth);
        let mut other_look = PathLook::new(&other, &mut other_room, self.depth);
        let at_both = paths.routes_at(&mut look).chain(paths.routes_at(&mut other_look));
        write_allow(text, at_both.map(|(method, _)| method));
    }
}

/// A search that has ended without a route.
struct Missed<'a, 't> {
    request: &'a Request,
    method: MethodKey<'a>,
    host: usize,
    group: usize,
    layout: Option<&'t ParamLayout>,
}

fn refusal(method: MethodKey<'_>) -> OwnAnswer {
    if method.is_options() { OwnAnswer::Options } else { OwnAnswer::NotAllowed }
}

/// Whether the path was text before it was made so: escapes for what is none cannot be told from text that looks like
/// one.
fn is_text(request: &Request) -> bool {
    let mut decoded = Vec::new();
    percent::append_decoded(&mut decoded, request.raw_path());
    std::str::from_utf8(&decoded).is_ok()
}

/// The path with a slash more, or less, at its end.
fn other_path(path: &[u8]) -> Vec<u8> {
    match path.strip_suffix(b"/") {
        Some(shorter) => shorter.to_vec(),
        None => [path, b"/"].concat(),
    }
}

/// Writes the same, encoded, and the query behind it.
fn write_other_form(text: &mut String, request: &Request) {
    let other = other_path(request.path().as_bytes());
    let mut location = Vec::with_capacity(other.len());
    // In its normal form the path has no empty segment but a last one, so this leads to no other host.
    for segment in other.split(|byte| *byte == b'/').skip(1) {
        location.push(b'/');
        percent::append_encoded(&mut location, segment, &SEGMENT);
    }
    text.clear();
    // All that was appended is ASCII.
    text.push_str(&String::from_utf8(location).unwrap_or_default());
    if !request.query().is_empty() {
        text.push('?');
        text.push_str(request.query_str());
    }
}
