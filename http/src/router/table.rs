//! All routes of a router, and which of them a request is for.
//!
//! The rule: what is found depends on method, host and path alone, nothing of the user's runs for it, and it can be
//! asked as often as somebody wants to know.

use super::hosts::{FoundHost, Hosts};
use super::methods::{ALL, AllowedMethods, MethodKey};
use super::pattern::SEGMENT;
use super::slashes::{KEPT_SLASH, has_escaped_slash, keep_slashes, kept_text};
use super::trailing_slash::TrailingSlash;
use super::tree::{Tree, Values};
use crate::config::request_config::RequestConfig;
use crate::ctx::{OwnAnswer, RequestCtx, RouteMatch, RouteUrls};
use crate::message::request::Request;
use crate::util::percent;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

/// All routes.
#[derive(Debug)]
pub(super) struct RouteTable {
    pub(super) hosts: Hosts,
    /// By the number of the host; the first is for all.
    pub(super) trees: Vec<HostTree>,
    /// By number. The first is what the router answers itself.
    pub(super) entries: Vec<RouteEntry>,
    pub(super) trailing_slash: TrailingSlash,
    pub(super) urls: Arc<RouteUrls>,
}

/// The routes of a host.
#[derive(Debug, Default)]
pub(super) struct HostTree {
    pub(super) routes: Tree,
    /// Groups that have wrappers, by their prefix.
    pub(super) guards: Tree,
    /// Those, and groups that have a fallback.
    pub(super) misses: Tree,
    /// What answers when there is nothing else.
    pub(super) miss: Option<u32>,
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
    /// Of what a group answers itself: behind which number the group ends, and whether it has a prefix.
    pub(super) end: u32,
    pub(super) is_prefixed: bool,
    /// Groups with wrappers whose prefix it matches, but only as one of many: paths there are theirs.
    pub(super) guards: Vec<u32>,
    /// It takes whatever is left of a path.
    pub(super) has_rest: bool,
}

/// What a request is for.
#[derive(Clone, Debug)]
struct Resolved {
    /// Who answers.
    number: u32,
    /// What is answered, if that is a router's own.
    own: OwnAnswer,
    /// The route that it is about.
    about: u32,
    /// The routes whose methods are told.
    told: Range<u32>,
}

impl Resolved {
    fn route(number: u32) -> Self {
        Self { number, own: OwnAnswer::NotFound, about: number, told: ALL }
    }
}

/// The path that is searched for, where its form is another than the request's.
enum Searched<'a> {
    Path(&'a str),
    /// With escaped slashes.
    Kept(&'a [u8]),
}

impl<'a> Searched<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Path(path) => path.as_bytes(),
            Self::Kept(path) => path,
        }
    }
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

    fn fill(&self, request: &Request, host: Option<FoundHost<'_>>, found: &mut RouteMatch) -> &'static str {
        let mut room = mem::take(&mut found.room.path);
        let mut spans = mem::take(&mut found.room.spans);
        let number = host.map_or(0, |host| host.number);
        let (resolved, is_kept) = self.look_up(request, number, &mut room, &mut spans);
        let searched = if is_kept { Searched::Kept(&room) } else { Searched::Path(request.path()) };
        match resolved.own {
            OwnAnswer::NotFound => {}
            OwnAnswer::Redirect => write_other_form(&mut found.text, request, &searched),
            OwnAnswer::NotAllowed | OwnAnswer::Options => {
                self.write_methods(&mut found.text, &resolved, searched.bytes(), number);
            }
        }
        found.number = resolved.number;
        found.own_answer = resolved.own;
        let entry = &self.entries[resolved.number as usize];
        if let (Some(name), Some(host)) = (entry.host_label, host) {
            found.push_lowercase(name, host.label.unwrap_or_default());
        }
        for (&name, place) in entry.params.iter().zip(&spans) {
            match &searched {
                Searched::Path(path) => found.push(name, path.get(place.clone()).unwrap_or_default()),
                Searched::Kept(path) => found.push(name, &kept_text(&path[place.clone()])),
            }
        }
        found.room.path = room;
        found.room.spans = spans;
        self.entries[resolved.about as usize].label
    }

    /// What tells apart the routes that block: the number of the route that is found; `None`, where the path says more.
    pub(super) fn key(&self, ctx: &RequestCtx) -> Option<u32> {
        let number = self.number(ctx);
        (!self.entries[number as usize].has_rest).then_some(number)
    }

    /// What is different for the request, of which only the head is there.
    pub(super) fn config(&self, ctx: &RequestCtx) -> RequestConfig {
        self.entries[self.number(ctx) as usize].config
    }

    /// What the route of the request is called.
    pub(super) fn label(&self, ctx: &RequestCtx) -> Option<&'static str> {
        let label = self.entries[self.found(ctx).about as usize].label;
        (!label.is_empty()).then_some(label)
    }

    /// Who answers.
    fn number(&self, ctx: &RequestCtx) -> u32 {
        self.found(ctx).number
    }

    fn found(&self, ctx: &RequestCtx) -> Resolved {
        let host = if self.hosts.is_empty() { None } else { self.hosts.find(ctx.host()) };
        let number = host.map_or(0, |host| host.number);
        self.look_up(&ctx.request, number, &mut Vec::new(), &mut ()).0
    }

    /// What the request is for, and whether its escaped slashes are kept for that, which they are where its path leads
    /// nowhere: so nobody gets past a group with wrappers by escaping a slash. `room` is for the path with kept ones.
    #[inline]
    fn look_up(
        &self,
        request: &Request,
        host: usize,
        room: &mut Vec<u8>,
        values: &mut impl Values,
    ) -> (Resolved, bool) {
        values.clear();
        let path = request.path().as_bytes();
        let resolved = self.resolve(request, path, host, values);
        let is_settled = resolved.own == OwnAnswer::NotFound && !self.is_miss(&resolved);
        if is_settled || request.is_path_plain() {
            return (resolved, false);
        }
        self.look_again(resolved, request, host, room, values)
    }

    /// Nobody answers but with a 404.
    fn is_miss(&self, resolved: &Resolved) -> bool {
        resolved.own == OwnAnswer::NotFound && self.entries[resolved.about as usize].label.is_empty()
    }

    #[cold]
    fn look_again(
        &self,
        mut resolved: Resolved,
        request: &Request,
        host: usize,
        room: &mut Vec<u8>,
        values: &mut impl Values,
    ) -> (Resolved, bool) {
        let path = request.path().as_bytes();
        let raw = request.raw_path();
        if self.is_miss(&resolved) && has_escaped_slash(raw) && keep_slashes(room, raw) {
            values.clear();
            let kept = self.resolve(request, room, host, values);
            let (about, miss) = (&self.entries[kept.about as usize], &self.entries[resolved.number as usize]);
            let is_within = !miss.is_prefixed || (resolved.number..miss.end).contains(&kept.about);
            if !about.label.is_empty() && !about.has_rest && is_within {
                return (kept, true);
            }
            values.clear();
            resolved = self.resolve(request, path, host, values);
        }
        if resolved.own == OwnAnswer::Redirect && !is_text(request) {
            values.clear();
            resolved = self.resolve_miss(path, host, values);
        }
        (resolved, false)
    }

    /// The trees of a host, its own first.
    fn trees(&self, host: usize) -> impl Iterator<Item = &HostTree> {
        let own = if host == 0 { None } else { self.trees.get(host) };
        own.into_iter().chain(self.trees.first())
    }

    #[inline]
    fn resolve(&self, request: &Request, path: &[u8], host: usize, values: &mut impl Values) -> Resolved {
        let method = MethodKey::of(request.method());
        if path == b"/*" && request.request_uri() == b"*" {
            // It is about the server, not about a path (RFC 9110 9.3.7).
            let own = if method.is_options() { OwnAnswer::Options } else { OwnAnswer::NotAllowed };
            return Resolved { own, ..Resolved::route(0) };
        }
        for tree in self.trees(host) {
            if let Some(number) = tree.routes.find(path, method, values) {
                return self.guarded(Resolved::route(number), method, path, host, values);
            }
        }
        if method.is_connect() {
            // Nor has this a path.
            return Resolved { own: OwnAnswer::NotAllowed, ..Resolved::route(0) };
        }
        let resolved = self.resolve_other(method, path, host, values);
        self.guarded(resolved, method, path, host, values)
    }

    /// The same, but that what is below the prefix of a group with wrappers is answered within these.
    #[inline]
    fn guarded(
        &self,
        resolved: Resolved,
        method: MethodKey<'_>,
        path: &[u8],
        host: usize,
        values: &mut impl Values,
    ) -> Resolved {
        if self.entries[resolved.about as usize].guards.is_empty() {
            return resolved;
        }
        self.within_guards(resolved, method, path, host, values)
    }

    #[cold]
    fn within_guards(
        &self,
        resolved: Resolved,
        method: MethodKey<'_>,
        path: &[u8],
        host: usize,
        values: &mut impl Values,
    ) -> Resolved {
        let guards = &self.entries[resolved.about as usize].guards;
        let is_guard = |own: &u32| guards.contains(own);
        for tree in self.trees(host) {
            let guard =
                tree.guards.search(path, false, &mut (), |endpoint| endpoint.first().filter(is_guard));
            let Some(own) = guard else { continue };
            let told = own..self.entries[own as usize].end;
            values.clear();
            if let Some(about) = tree.routes.search(path, false, values, |endpoint| endpoint.first_of(&told))
            {
                let number = self.entries[about as usize].own;
                return Resolved { number, own: refusal(method), about, told };
            }
            tree.guards
                .search(path, false, values, |endpoint| endpoint.first().filter(|found| *found == own));
            return Resolved::route(own);
        }
        resolved
    }

    /// What is answered when no route has the path and the method.
    #[cold]
    fn resolve_other(
        &self,
        method: MethodKey<'_>,
        path: &[u8],
        host: usize,
        values: &mut impl Values,
    ) -> Resolved {
        let own_answer =
            |about: u32, own| Resolved { number: self.entries[about as usize].own, own, about, told: ALL };
        let ignores = self.trailing_slash == TrailingSlash::Ignore;
        if ignores {
            for tree in self.trees(host) {
                let number = tree.routes.search(path, true, values, |endpoint| endpoint.route(method));
                if let Some(number) = number {
                    return Resolved::route(number);
                }
            }
        }
        for tree in self.trees(host) {
            if let Some(about) = tree.routes.search(path, ignores, values, |endpoint| endpoint.first()) {
                return own_answer(about, refusal(method));
            }
        }
        if self.trailing_slash == TrailingSlash::Redirect {
            for tree in self.trees(host) {
                let number = tree.routes.search(path, true, values, |endpoint| endpoint.route(method));
                if let Some(number) = number {
                    return own_answer(number, OwnAnswer::Redirect);
                }
            }
        }
        self.resolve_miss(path, host, values)
    }

    /// Whose fallback answers.
    fn resolve_miss(&self, path: &[u8], host: usize, values: &mut impl Values) -> Resolved {
        for tree in self.trees(host) {
            let own = tree.misses.search(path, false, values, |endpoint| endpoint.first()).or(tree.miss);
            if let Some(number) = own {
                return Resolved::route(number);
            }
        }
        Resolved::route(0)
    }

    /// Writes which methods are answered into `text`.
    #[cold]
    fn write_methods(&self, text: &mut String, resolved: &Resolved, path: &[u8], host: usize) {
        let mut allowed = AllowedMethods::default();
        let aliases = self.trailing_slash == TrailingSlash::Ignore;
        for tree in self.trees(host) {
            if resolved.about == 0 {
                tree.routes.endpoints().iter().for_each(|endpoint| allowed.add(endpoint, &ALL));
            } else {
                tree.routes.search(path, aliases, &mut (), |endpoint| {
                    allowed.add(endpoint, &resolved.told);
                    None
                });
            }
        }
        allowed.write(text);
    }
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

/// Writes the path with a slash more, or less, at its end, encoded, and the query into `text`.
#[cold]
fn write_other_form(text: &mut String, request: &Request, searched: &Searched<'_>) {
    text.clear();
    let path = searched.bytes();
    let (path, slash) = match path.strip_suffix(b"/") {
        Some(shorter) => (shorter, ""),
        None => (path, "/"),
    };
    let mut location = Vec::with_capacity(path.len() + 1);
    // In its normal form the path has no empty segment, so this leads to no other host.
    for segment in path.split(|&byte| byte == b'/').skip(1) {
        location.push(b'/');
        for (index, part) in segment.split(|&byte| byte == KEPT_SLASH).enumerate() {
            if index > 0 {
                location.extend_from_slice(b"%2F");
            }
            percent::append_encoded(&mut location, part, &SEGMENT);
        }
    }
    // All that was appended is ASCII.
    text.push_str(&String::from_utf8(location).unwrap_or_default());
    text.push_str(slash);
    if !request.query().is_empty() {
        text.push('?');
        text.push_str(request.query_str());
    }
}
