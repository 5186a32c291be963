//! Which fields of a message a proxy passes on, and which it adds.
//!
//! The rules (RFC 9110 section 7.6.1): what is meant for one connection alone stays there, be it known for that or
//! named by `Connection`. What a client says of itself in fields by which proxies speak is not passed on as if a proxy
//! had said it. Both is about what the client has said: what somebody here has set since is passed on.

use crate::ctx::RequestCtx;
use crate::message::request::Request;
use crate::util::token;
use crate::values::header::has_token;
use crate::values::headers::{Fields, Headers};
use crate::values::version::Version;

/// Fields that are about one connection, or about its two ends.
const HOP_BY_HOP: &[&str] = &[
    "Connection",
    "HTTP2-Settings",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Transfer-Encoding",
    "Upgrade",
];

/// Fields by which a proxy says who its client is, or what was asked for, beside those that begin with
/// [`FORWARDED_PREFIX`].
const FORWARDED: &[&str] = &[
    "Client-IP",
    "Forwarded",
    "Front-End-Https",
    "True-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Original-URL",
    "X-Real-IP",
    "X-Rewrite-URL",
];

const FORWARDED_PREFIX: &str = "X-Forwarded";

/// What the proxy says of its client itself.
const OWN: &[&str] = &["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"];

/// Fields of a response of which those of the upstream stand beside those that were set here.
const LISTS: &[&str] = &["Link", "Set-Cookie", "Vary", "Via", "Warning", "WWW-Authenticate"];

/// What a reverse proxy says of its client in `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardedFields {
    /// What the server itself knows: [`remote_addr`](RequestCtx::remote_addr), [`scheme`](RequestCtx::scheme) and
    /// [`host`](RequestCtx::host), for which it may [trust proxies](crate::ServerBuilder::trusted_proxies) before it.
    /// What the client says in these fields is left out, and in others by which proxies speak too (all that begin with
    /// `X-Forwarded`; `Forwarded`, `X-Real-IP`, `True-Client-IP`, `X-Original-URL` and the like; with `_` for `-` as
    /// well, since many programs take one for the other), since whoever reads them would take what a client made up
    /// for the word of this proxy. What the handler has set stays, but for these three. The default.
    #[default]
    Replace,
    /// The address of the other end of the connection is added to `X-Forwarded-For`; the other two are set if they are
    /// not there. For a proxy behind others, which must be the only ones who can reach it.
    Append,
    /// They are passed on as they came.
    Keep,
}

/// Whether a field of a message whose `Connection` fields these are goes no further than this connection.
fn is_hop_by_hop(name: &str, connection: &[&[u8]]) -> bool {
    is_one_of(HOP_BY_HOP, name) || has_token(connection.iter().copied(), name)
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether whoever reads this field of a request takes it for the word of a proxy. Many take `_` for `-`.
fn is_of_proxies(name: &str) -> bool {
    let name = name.replace('_', "-");
    let starts =
        name.get(..FORWARDED_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORWARDED_PREFIX));
    // What CGI makes of `Proxy` is how programs are told of a proxy of their own.
    starts || is_one_of(FORWARDED, &name) || name.eq_ignore_ascii_case("Proxy")
}

/// Those that are passed on of `fields`, but for `Host` and the length of the body, which whoever sends them says
/// himself. Which of them go no further, says `stays`.
fn end_to_end(fields: Fields<'_>, stays: impl Fn(&str) -> bool) -> Headers {
    let mut passed = Headers::new();
    passed.set_names_normalizing(false);
    for (name, value) in fields.iter() {
        if !is_one_of(&["Host", "Content-Length"], name) && !stays(name) {
            passed.append(name, value);
        }
    }
    passed
}

/// The fields of a response that are passed on.
pub(crate) fn response_fields(fields: Fields<'_>) -> Headers {
    let connection: Vec<&[u8]> = fields.get_all("Connection").collect();
    end_to_end(fields, |name| is_hop_by_hop(name, &connection))
}

/// The same of those behind its body.
pub(crate) fn response_trailers(head: Fields<'_>, trailers: Fields<'_>) -> Headers {
    let connection: Vec<&[u8]> = head.get_all("Connection").collect();
    end_to_end(trailers, |name| is_hop_by_hop(name, &connection))
}

/// Puts the fields of the upstream's response to those that were set here: in their place, or, of lists, beside them.
pub(crate) fn merge_response(own: &mut Headers, upstream: &Headers) {
    own.retain(|name, _| is_one_of(LISTS, name) || !upstream.contains(name));
    upstream.iter().for_each(|(name, value)| own.append(name, value));
    settle_announcements(own);
}

/// Leaves out announcements of trailers that name a field of the head: whoever sends the message would send that field
/// behind the body.
fn settle_announcements(fields: &mut Headers) {
    let contradicts = |value: &[u8]| {
        token::list(value).any(|named| std::str::from_utf8(named).is_ok_and(|named| fields.contains(named)))
    };
    if fields.get_all("Trailer").any(contradicts) {
        fields.remove("Trailer");
    }
}

/// Which fields behind the body of a request are passed on.
#[derive(Debug)]
pub(crate) struct TrailerRules {
    connection: Vec<Vec<u8>>,
    mode: ForwardedFields,
}

impl TrailerRules {
    pub(crate) fn new(request: &Request, mode: ForwardedFields) -> Self {
        Self { connection: request.received_connection().into_iter().map(<[u8]>::to_vec).collect(), mode }
    }

    pub(crate) fn passed(&self, trailers: Fields<'_>) -> Headers {
        let connection: Vec<&[u8]> = self.connection.iter().map(Vec::as_slice).collect();
        end_to_end(trailers, |name| {
            let is_made_up = self.mode == ForwardedFields::Replace && is_of_proxies(name);
            is_hop_by_hop(name, &connection) || is_made_up || name.eq_ignore_ascii_case("Via")
        })
    }
}

/// The fields of a request that are passed on, and what is added to them.
pub(crate) fn request_fields(ctx: &RequestCtx, mode: ForwardedFields, via: Option<&str>) -> Headers {
    let request = &ctx.request;
    let connection = request.received_connection();
    let stays = |name: &str| {
        if is_one_of(HOP_BY_HOP, name) {
            return true;
        }
        if mode == ForwardedFields::Replace && is_one_of(OWN, name) {
            return true;
        }
        let is_made_up = mode == ForwardedFields::Replace && is_of_proxies(name);
        (is_made_up || has_token(connection.iter().copied(), name)) && !request.was_set_since(name)
    };
    let mut passed = end_to_end(request.headers(), stays);
    if has_token(request.headers().get_all("TE"), "trailers") {
        // We take them, and pass them on.
        passed.append("TE", "trailers");
        passed.append("Connection", "TE");
    }
    add_forwarded(&mut passed, ctx, mode);
    if let Some(name) = via {
        let version = if ctx.request.version() == Version::Http10 { "1.0" } else { "1.1" };
        add_to_list(&mut passed, "Via", &format!("{version} {name}"));
    }
    settle_announcements(&mut passed);
    passed
}

fn add_forwarded(passed: &mut Headers, ctx: &RequestCtx, mode: ForwardedFields) {
    let address = match mode {
        ForwardedFields::Keep => return,
        ForwardedFields::Replace => ctx.known_remote_addr(),
        ForwardedFields::Append => ctx.conn().remote_addr(),
    };
    // Nobody has an address on a Unix domain socket.
    if let Some(address) = address {
        add_to_list(passed, "X-Forwarded-For", &address.ip().to_canonical().to_string());
    }
    if !passed.contains("X-Forwarded-Proto") {
        passed.append("X-Forwarded-Proto", ctx.scheme());
    }
    if !passed.contains("X-Forwarded-Host") && !ctx.host().is_empty() {
        passed.append("X-Forwarded-Host", ctx.host());
    }
}

/// Adds to a list, which stays in one field.
fn add_to_list(fields: &mut Headers, name: &str, element: &str) {
    let mut lines: Vec<&[u8]> = fields.get_all(name).collect();
    lines.push(element.as_bytes());
    let list = lines.join(&b", "[..]);
    fields.set(name, list);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &Headers) -> String {
        headers.iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
    }

    fn ctx(fields: &[(&str, &str)]) -> RequestCtx {
        let mut request = Request::new("GET", "http://h:81/").expect("a request");
        for (name, value) in fields {
            request.append_header(name, value);
        }
        RequestCtx::for_request(request, Some(([192, 0, 2, 1], 7).into()))
    }

    #[test]
    fn what_is_meant_for_one_connection_stays_there() {
        let fields: Headers = [
            ("Host", "h"),
            ("Connection", "close, X-Named"),
            ("connection", "x-other"),
            ("X-Named", "1"),
            ("X-Other", "2"),
            ("X-Kept", "3"),
            ("Keep-Alive", "timeout=5"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "5"),
            ("Upgrade", "websocket"),
            ("Proxy-Authorization", "Basic x"),
            ("TE", "trailers"),
            ("Content-Type", "t"),
            ("Trailer", "X-Sum"),
        ]
        .into_iter()
        .collect();
        assert_eq!(names(&response_fields(fields.fields())), "X-Kept Content-Type Trailer");
        let (mut own, contradicts) = (Headers::new(), [("X-Sum", "1"), ("Trailer", "Y, x-sum")]);
        merge_response(&mut own, &contradicts.into_iter().collect());
        assert_eq!(names(&own), "X-Sum");
    }

    #[test]
    fn what_is_said_of_the_client() {
        let spoofed =
            [("X-Forwarded-For", "6.6.6.6"), ("Forwarded", "for=6.6.6.6"), ("X-Real-IP", "6.6.6.6")];
        let said = |mode| {
            let fields = request_fields(&ctx(&spoofed), mode, None);
            let all = fields.iter().filter(|(name, _)| *name != "Host");
            all.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
                .collect::<Vec<_>>()
                .join("; ")
        };
        let replaced = "X-Forwarded-For: 192.0.2.1; X-Forwarded-Proto: http; X-Forwarded-Host: h:81";
        assert_eq!(said(ForwardedFields::Replace), replaced);
        let kept = said(ForwardedFields::Keep);
        assert!(kept.contains("X-Forwarded-For: 6.6.6.6;") && !kept.contains("Proto"), "{kept}");
        // The address of the connection is not known here.
        let appended = said(ForwardedFields::Append);
        assert!(appended.starts_with("X-Forwarded-For: 6.6.6.6; Forwarded: for=6.6.6.6"), "{appended}");
        assert!(appended.ends_with("X-Forwarded-Proto: http; X-Forwarded-Host: h:81"), "{appended}");
    }

    #[test]
    fn what_only_looks_like_the_word_of_a_proxy_is_none() {
        let head = "X_Forwarded_For: 6\r\nX-Forwarded_For: 6\r\nx_real_ip: 6\r\nX-Forwarded-Port: 6\r\n\
             X-Forwarded-Prefix: /6\r\nX-Forwarded: 6\r\nTrue-Client-IP: 6\r\nX-Original-URL: /6\r\n\
             X-Rewrite-URL: /6\r\nFront-End-Https: on\r\nProxy: 6\r\nX-Kept: 1\r\nX-Forward: 1\r\n";
        let request =
            format!("GET / HTTP/1.1\r\nHost: h\r\n{head}Connection: X-User, X-Other\r\nX-User: 6\r\n\r\n");
        let (mut request, _) = Request::parse(request.as_bytes()).expect("a request").expect("all of it");
        request.set_header("X-Forwarded-Prefix", "/app");
        request.set_header("x-user", "7");
        request.append_header("X-Other", "8");
        for request in [request.clone(), request] {
            let mut request = request;
            // What the client has said of its connection stays said.
            request.set_header("Connection", "close");
            request.set_header("X-Late", "9");
            let ctx = RequestCtx::for_request(request, None);
            let fields = request_fields(&ctx, ForwardedFields::Replace, None);
            let expected = "X-Forwarded-Prefix X-Kept X-Forward X-User X-Other X-Late";
            assert_eq!(names(&fields), format!("{expected} X-Forwarded-Proto X-Forwarded-Host"));
            assert_eq!(
                [fields.get("X-User"), fields.get("X-Forwarded-Prefix")],
                [Some(&b"7"[..]), Some(b"/app")]
            );
        }
        let trailers: Headers =
            [("Forwarded", "6"), ("Via", "6"), ("X-Other", "6"), ("X-Sum", "1")].into_iter().collect();
        let request = Request::parse(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: x-other\r\n\r\n");
        let (request, _) = request.expect("a request").expect("all of it");
        let rules = TrailerRules::new(&request, ForwardedFields::Replace);
        assert_eq!(names(&rules.passed(trailers.fields())), "X-Sum");
        let rules = TrailerRules::new(&request, ForwardedFields::Keep);
        assert_eq!(names(&rules.passed(trailers.fields())), "Forwarded X-Sum");
    }

    #[test]
    fn trailers_are_taken_and_the_way_is_told() {
        let fields = request_fields(
            &ctx(&[("TE", "gzip, trailers"), ("Via", "1.0 a")]),
            ForwardedFields::Keep,
            Some("b"),
        );
        let value = |name| fields.get_str(name);
        assert_eq!((value("TE"), value("Connection")), (Some("trailers"), Some("TE")));
        assert_eq!(value("Via"), Some("1.0 a, 1.1 b"));
    }
}
