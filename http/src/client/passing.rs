//! Which fields of a message a proxy passes on, and which it adds.
//!
//! The rules (RFC 9110 section 7.6.1): what is meant for one connection alone stays there, be it known for that or named
//! by `Connection`. What a client says of itself in fields by which proxies speak is not passed on as if a proxy had
//! said it.

use crate::ctx::RequestCtx;
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
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Transfer-Encoding",
    "Upgrade",
];

/// Fields by which a proxy says who its client is.
const FORWARDED: &[&str] =
    &["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"];

/// What a reverse proxy says of its client in `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardedFields {
    /// What the server itself knows: [`remote_addr`](RequestCtx::remote_addr), [`scheme`](RequestCtx::scheme) and
    /// [`host`](RequestCtx::host), for which it may [trust proxies](crate::ServerBuilder::trusted_proxies) before it.
    /// These fields of the request are left out, and `Forwarded` and `X-Real-IP` too, since whoever reads them would
    /// take what a client made up for the word of this proxy. The default.
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
    HOP_BY_HOP.iter().any(|known| known.eq_ignore_ascii_case(name))
        || has_token(connection.iter().copied(), name)
}

/// The fields that are passed on, but for `Host` and the length of the body, which whoever sends them says himself.
pub(crate) fn end_to_end(fields: Fields<'_>) -> Headers {
    let connection: Vec<&[u8]> = fields.get_all("Connection").collect();
    let mut passed = Headers::new();
    for (name, value) in fields.iter() {
        let is_ours = name.eq_ignore_ascii_case("Host") || name.eq_ignore_ascii_case("Content-Length");
        if !is_ours && !is_hop_by_hop(name, &connection) && !contradicts_trailers(name, value, fields) {
            passed.append(name, value);
        }
    }
    passed
}

/// Whether it is an announcement of trailers that names a field of the head: whoever sends the message would send that
/// field behind the body.
fn contradicts_trailers(name: &str, value: &[u8], fields: Fields<'_>) -> bool {
    name.eq_ignore_ascii_case("Trailer")
        && token::list(value)
            .any(|named| std::str::from_utf8(named).is_ok_and(|named| fields.contains(named)))
}

/// The fields of a request that are passed on, and what is added to them.
pub(crate) fn request_fields(ctx: &RequestCtx, mode: ForwardedFields, via: Option<&str>) -> Headers {
    let fields = ctx.request.headers();
    let mut passed = end_to_end(fields);
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
    passed
}

fn add_forwarded(passed: &mut Headers, ctx: &RequestCtx, mode: ForwardedFields) {
    let address = match mode {
        ForwardedFields::Keep => return,
        ForwardedFields::Replace => {
            FORWARDED.iter().for_each(|name| {
                passed.remove(name);
            });
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
    use crate::message::request::Request;

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
