//! All routes of a router, and which of them a request is for.
//!
//! The rule: what is found depends on method, host and path alone, nothing of the user's runs for it, and it can be
//! asked as often as somebody wants to know.

use super::hosts::{FoundHost, Hosts};
use super::methods::{MethodKey, write_allow};
use super::paths::{PathEntry, PathTrees};
use super::pattern::SEGMENT;
use super::trailing_slash::TrailingSlash;
use crate::config::request_config::RequestConfig;
use crate::ctx::{OwnAnswer, RequestCtx, RouteMatch, RouteUrls};
use crate::message::request::Request;
use crate::util::percent;
use matchit::Params;
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
    pub(super) trailing_slash: TrailingSlash,
    /// The methods that have a route somewhere, as an `Allow` has them.
    pub(super) allowed_anywhere: String,
    pub(super) urls: Arc<RouteUrls>,
}

/// A group that answers for all paths of a host, or for all below a prefix.
#[derive(Debug, Default)]
pub(super) struct PrefixGroup {
    pub(super) paths: PathTrees,
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
#[derive(Debug, Default)]
struct Resolved<'t, 'p> {
    /// Who answers.
    number: u32,
    /// What is answered, if that is a router's own.
    own: OwnAnswer,
    /// The route that it is about.
    about: u32,
    /// The group whose methods are told; `None`: those of all are.
    group: Option<usize>,
    /// Values of the parameters of who answers.
    params: Params<'t, 'p>,
}

/// Where the search for a path has ended.
enum Ended<'t, 'p> {
    AtRoute(u32, Params<'t, 'p>),
    /// In this group, which has no such route; the values are those of its prefix.
    InGroup(usize, Params<'t, 'p>),
}

impl RouteTable {
    /// Finds the route of the request in `ctx`, and puts it there.
    #[inline]
    pub(super) fn route(&self, ctx: &mut RequestCtx) {
        let label = if self.hosts.is_empty() {
            let (request, found) = ctx.request_and_match();
            self.fill(request, None, found)
        } else {
            // The host is the context's to know.
            let mut found = mem::take(ctx.request_and_match().1);
            let label = self.fill(&ctx.request, self.hosts.find(ctx.host()), &mut found);
            *ctx.request_and_match().1 = found;
            label
        };
        if !label.is_empty() {
            ctx.set_route(label);
        }
    }

    #[inline]
    fn fill(&self, request: &Request, host: Option<FoundHost<'_>>, found: &mut RouteMatch) -> &'static str {
        let mut room = mem::take(&mut found.room);
        let resolved = self.resolve(request, host.map_or(0, |host| host.number), &mut room);
        match resolved.own {
            OwnAnswer::NotFound => {}
            OwnAnswer::Redirect => write_other_form(&mut found.text, request),
            OwnAnswer::NotAllowed | OwnAnswer::Options => {
                self.write_methods(&mut found.text, &resolved, request.path());
            }
        }
        found.number = resolved.number;
        found.own_answer = resolved.own;
        let entry = &self.entries[resolved.number as usize];
        if let (Some(name), Some(host)) = (entry.host_label, host) {
            found.push_lowercase(name, host.label.unwrap_or_default());
        }
        for (&name, (_, value)) in entry.params.iter().zip(resolved.params.iter()) {
            found.push(name, value);
        }
        let label = self.entries[resolved.about as usize].label;
        found.room = room;
        label
    }

    /// What tells apart the routes that block: the number of the route that is found; `None`, where the path says more.
    pub(super) fn key(&self, ctx: &RequestCtx) -> Option<u32> {
        self.asked(ctx, |resolved| {
            let has_rest = self.entries[resolved.number as usize].has_rest;
            (!has_rest).then_some(resolved.number)
        })
    }

    /// What is different for the request, of which only the head is there.
    pub(super) fn config(&self, ctx: &RequestCtx) -> RequestConfig {
        self.asked(ctx, |resolved| self.entries[resolved.number as usize].config)
    }

    /// What the route of the request is called.
    pub(super) fn label(&self, ctx: &RequestCtx) -> Option<&'static str> {
        let label = self.asked(ctx, |resolved| self.entries[resolved.about as usize].label);
        (!label.is_empty()).then_some(label)
    }

    fn asked<R>(&self, ctx: &RequestCtx, look: impl FnOnce(&Resolved<'_, '_>) -> R) -> R {
        let host = if self.hosts.is_empty() { None } else { self.hosts.find(ctx.host()) };
        look(&self.resolve(&ctx.request, host.map_or(0, |host| host.number), &mut String::new()))
    }

    /// What a request is for. `room` is for another form of its path.
    #[inline]
    fn resolve<'t, 'p>(
        &'t self,
        request: &'p Request,
        host: usize,
        room: &'p mut String,
    ) -> Resolved<'t, 'p> {
        let method = MethodKey::of(request.method());
        let path = request.path();
        if path == "/*" && request.request_uri() == b"*" {
            // It is about the server, not about a path (RFC 9110 9.3.7).
            return self.about_the_host(host, refusal(method));
        }
        match self.search(path, method, host) {
            Ended::AtRoute(number, params) => {
                Resolved { number, about: number, params, ..Resolved::default() }
            }
            // Nor has this a path.
            Ended::InGroup(..) if method.is_connect() => self.about_the_host(host, OwnAnswer::NotAllowed),
            Ended::InGroup(group, params) => {
                let missed = Missed { request, method, host, group, params };
                self.resolve_miss(missed, room)
            }
        }
    }

    /// An answer that is about no path.
    fn about_the_host<'t, 'p>(&'t self, host: usize, own: OwnAnswer) -> Resolved<'t, 'p> {
        let number = self.groups[host].own;
        Resolved { number, own, about: number, group: None, params: Params::default() }
    }

    /// Goes from group to group until there is a route, or none.
    #[inline]
    fn search<'t, 'p>(&'t self, path: &'p str, method: MethodKey<'_>, host: usize) -> Ended<'t, 'p> {
        let mut group = host;
        let mut passed = Params::default();
        loop {
            match self.groups[group].paths.find(path, method) {
                Some((PathEntry::Route(number), params)) => return Ended::AtRoute(number, params),
                // A group in a group has a higher number, so this has an end.
                Some((PathEntry::Group(inner), params)) => (group, passed) = (inner as usize, params),
                None => return Ended::InGroup(group, passed),
            }
        }
    }

    /// What is answered when no route has the path and the method.
    #[cold]
    fn resolve_miss<'t, 'p>(&'t self, missed: Missed<'t, 'p>, room: &'p mut String) -> Resolved<'t, 'p> {
        let Missed { request, method, host, group, params } = missed;
        let path = request.path();
        write_other_path(room, path);
        let other: &'p str = room;
        let first_at = |group: usize, path| self.groups[group].paths.routes_at(path).next();
        // Whoever refuses knows the parameters of its prefix, which stand before all others.
        let answer = |group: usize, about: u32, own, params| {
            let number = self.entries[about as usize].own;
            Resolved { number, own, about, group: Some(group), params }
        };
        let by_other = match self.trailing_slash {
            TrailingSlash::Strict => None,
            TrailingSlash::Redirect | TrailingSlash::Ignore => Some(self.search(other, method, host)),
        };
        let ignores = self.trailing_slash == TrailingSlash::Ignore;
        match by_other {
            Some(Ended::AtRoute(number, params)) if ignores => {
                return Resolved { number, about: number, params, ..Resolved::default() };
            }
            _ if first_at(group, path).is_some() => {}
            Some(Ended::InGroup(group, params)) if ignores => {
                if let Some((_, about)) = first_at(group, other) {
                    return answer(group, about, refusal(method), params);
                }
            }
            Some(Ended::AtRoute(number, params)) if is_text(request) => {
                return answer(group, number, OwnAnswer::Redirect, params);
            }
            _ => {}
        }
        match first_at(group, path) {
            Some((_, about)) => answer(group, about, refusal(method), params),
            None => {
                let number = self.groups[group].own;
                Resolved { number, about: number, params, ..Resolved::default() }
            }
        }
    }

    /// Writes which methods are answered into `text`.
    #[cold]
    fn write_methods(&self, text: &mut String, resolved: &Resolved<'_, '_>, path: &str) {
        let Some(group) = resolved.group else {
            return text.clone_from(&self.allowed_anywhere);
        };
        let mut other = String::new();
        if self.trailing_slash == TrailingSlash::Ignore {
            write_other_path(&mut other, path);
        }
        let paths = &self.groups[group].paths;
        write_allow(text, paths.routes_at(path).chain(paths.routes_at(&other)).map(|(method, _)| method));
    }
}

/// A search that has ended without a route.
struct Missed<'t, 'p> {
    request: &'p Request,
    method: MethodKey<'p>,
    host: usize,
    group: usize,
    params: Params<'t, 'p>,
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

/// Writes the path with a slash more, or less, at its end.
fn write_other_path(out: &mut String, path: &str) {
    out.clear();
    match path.strip_suffix('/') {
        Some(shorter) => out.push_str(shorter),
        None => {
            out.push_str(path);
            out.push('/');
        }
    }
}

/// The same, encoded, and the query behind it.
#[cold]
fn write_other_form(text: &mut String, request: &Request) {
    let mut other = String::new();
    write_other_path(&mut other, request.path());
    let mut location = Vec::with_capacity(other.len());
    // In its normal form the path has no empty segment but a last one, so this leads to no other host.
    for segment in other.split('/').skip(1) {
        location.push(b'/');
        percent::append_encoded(&mut location, segment.as_bytes(), &SEGMENT);
    }
    text.clear();
    // All that was appended is ASCII.
    text.push_str(&String::from_utf8(location).unwrap_or_default());
    if !request.query().is_empty() {
        text.push('?');
        text.push_str(request.query_str());
    }
}
