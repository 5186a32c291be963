//! Which fields of a message a proxy passes on, and which it adds.
//!
//! The rules (RFC 9110 section 7.6.1): what is meant for one connection alone stays there, be it known for that or named
//! by `Connection`. What a client says of itself in fields by which proxies speak is not passed on as if a proxy had
//! said it.

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

/// Fields by which a proxy says who its client is and what it has asked for, beside all whose names begin with
/// `X-Forwarded`.
const FORWARDED: &[&str] = &[
    "Forwarded",
    "Front-End-Https",
    "Proxy",
    "True-Client-IP",
    "X-Client-IP",
    "X-Original-URL",
    "X-Real-IP",
    "X-Rewrite-URL",
];

/// Those that are said here.
const SAID: &[&str] = &["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"];

/// Fields of which each line counts for itself.
const LISTS: &[&str] = &["Link", "Set-Cookie", "Vary", "Via", "WWW-Authenticate", "Warning"];

/// What a reverse proxy says of its client in `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardedFields {
    /// What the server itself knows: [`remote_addr`](RequestCtx::remote_addr), [`scheme`](RequestCtx::scheme) and
    /// [`host`](RequestCtx::host), for which it may [trust proxies](crate::ServerBuilder::trusted_proxies) before it.
    /// These fields of the request are left out, and with them all others that begin so, `Forwarded`, `X-Real-IP` and the
    /// like, also when they are written with underscores: whoever reads them would take what a client made up for the
    /// word of this proxy. What the handler has set itself stays. The default.
    #[default]
    Replace,
    /// The address of the other end of the connection is added to `X-Forwarded-For`; the other two are set if they are
    /// not there. For a proxy behind others, which must be the only ones who can reach it.
    Append,
    /// They are passed on as they came.
    Keep,
}

fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether lines of a field stand beside others of its name.
pub(crate) fn is_list(name: &str) -> bool {
    is_among(LISTS, name)
}

/// Whether a proxy speaks by a field of that name, also as programs read it that know no hyphens (CGI, WSGI).
fn is_forwarded(name: &str) -> bool {
    let name = name.replace('_', "-");
    let start = name.get(.."X-Forwarded".len()).unwrap_or_default();
    start.eq_ignore_ascii_case("X-Forwarded") || is_among(FORWARDED, &name)
}

/// The fields that are passed on, but for `Host` and the length of the body, which whoever sends them says himself.
pub(crate) fn end_to_end(fields: Fields<'_>) -> Headers {
    end_to_end_but(fields, |_| false)
}

/// The same; `Connection` says nothing about those that `is_ours`.
fn end_to_end_but(fields: Fields<'_>, is_ours: impl Fn(&str) -> bool) -> Headers {
    let connection: Vec<&[u8]> = fields.get_all("Connection").collect();
    let is_named = |name: &str| has_token(connection.iter().copied(), name);
    let mut passed = Headers::new();
    for (name, value) in fields.iter() {
        let is_of_hop = is_among(HOP_BY_HOP, name) || is_among(&["Host", "Content-Length"], name);
        if !is_of_hop && (is_ours(name) || !is_named(name)) {
            passed.append(name, value);
        }
    }
    drop_contradictions(&mut passed);
    passed
}

/// Drops an announcement of trailers that names a field of the head: whoever sends the message would send that field
/// behind the body.
fn drop_contradictions(fields: &mut Headers) {
    let contradicts = fields
        .get_all("Trailer")
        .flat_map(token::list)
        .any(|named| std::str::from_utf8(named).is_ok_and(|named| fields.contains(named)));
    if contradicts {
        fields.remove("Trailer");
    }
}

/// The trailers of a request that are passed on.
pub(crate) fn request_trailers(request: &Request, trailers: Fields<'_>, mode: ForwardedFields) -> Headers {
    let connection: Vec<&[u8]> = request.headers().get_all("Connection").collect();
    let mut passed = Headers::new();
    passed.set_names_normalizing(false);
    for (name, value) in trailers.iter() {
        let is_of_hop = is_among(HOP_BY_HOP, name) || has_token(connection.iter().copied(), name);
        let is_made_up = mode == ForwardedFields::Replace && is_forwarded(name);
        if !is_of_hop && !is_made_up && !name.eq_ignore_ascii_case("Via") {
            passed.append(name, value);
        }
    }
    passed
}

/// The fields of a request that are passed on, and what is added to them.
pub(crate) fn request_fields(ctx: &RequestCtx, mode: ForwardedFields, via: Option<&str>) -> Headers {
    let fields = ctx.request.headers();
    // What a client says of its connection is about what it has sent, and not about what was added here.
    let mut passed = end_to_end_but(fields, |name| ctx.request.was_set_since(name));
    if has_token(fields.get_all("TE"), "trailers") {
        // We take them, and pass them on.
        passed.append("TE", "trailers");
        passed.append("Connection", "TE");
    }
    add_forwarded(&mut passed, ctx, mode);
    if let Some(name) = via {
        let version = if ctx.request.version() == Version::Http10 { "1.0" } else { "1.1" };
        add_to_list(&mut passed, "Via", &format!("{version} {name}"));
    }
    drop_contradictions(&mut passed);
    passed
}

fn add_forwarded(passed: &mut Headers, ctx: &RequestCtx, mode: ForwardedFields) {
    let address = match mode {
        ForwardedFields::Keep => return,
        ForwardedFields::Replace => {
            let is_kept = |name: &str| !is_among(SAID, name) && ctx.request.was_set_since(name);
            passed.retain(|name, _| !is_forwarded(name) || is_kept(name));
            ctx.known_remote_addr()
        }
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
        assert_eq!(names(&end_to_end(fields.fields())), "X-Kept Content-Type Trailer");
        let contradicts: Headers = [("X-Sum", "1"), ("Trailer", "Y, x-sum")].into_iter().collect();
        assert_eq!(names(&end_to_end(contradicts.fields())), "X-Sum");
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
        for spelt in ["X_Forwarded_For", "X-Forwarded_Port", "x-forwarded", "X_REAL_IP", "True-Client-IP"] {
            assert!(is_forwarded(spelt), "{spelt}");
        }
        assert!(!is_forwarded("X-Forward") && !is_forwarded("X-Request-Id"));
        // The address of the connection is not known here.
        let appended = said(ForwardedFields::Append);
        assert!(appended.starts_with("X-Forwarded-For: 6.6.6.6; Forwarded: for=6.6.6.6"), "{appended}");
        assert!(appended.ends_with("X-Forwarded-Proto: http; X-Forwarded-Host: h:81"), "{appended}");
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
