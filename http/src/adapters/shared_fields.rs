//! Which fields stand beside others of their name, and which are about one connection alone.

use crate::util::token;
use crate::values::headers::Headers;
use http::HeaderMap;

/// An error of a service, or of a body.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Fields of a response of which those of a service stand beside those that were set before.
const LISTS: [&str; 6] = ["Link", "Set-Cookie", "Vary", "Via", "Warning", "WWW-Authenticate"];

/// Fields that are about one connection, in small letters (RFC 9110 section 7.6.1). `TE` is not: HTTP/2 has it too.
const OF_CONNECTION: [&str; 6] =
    ["connection", "http2-settings", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Whether the field is about one connection alone.
pub(super) fn is_of_connection(name: &str) -> bool {
    OF_CONNECTION.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Adds those of a service to those that were set before, in the place of those with the same name.
pub(super) fn merge_fields(own: &mut Headers, of_service: &HeaderMap) {
    if !own.is_empty() {
        own.retain(|name, _| {
            LISTS.iter().any(|list| list.eq_ignore_ascii_case(name)) || !of_service.contains_key(name)
        });
    }
    of_service.iter().for_each(|(name, value)| own.append(name, value));
    // What names a field of the head would have that sent behind the body.
    let contradicts = |value: &[u8]| {
        token::list(value).any(|named| std::str::from_utf8(named).is_ok_and(|named| own.contains(named)))
    };
    if own.get_all("Trailer").any(contradicts) {
        own.remove("Trailer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(headers: &Headers) -> Vec<String> {
        let line = |(name, value): (&str, &[u8])| format!("{name}: {}", String::from_utf8_lossy(value));
        headers.iter().map(line).collect()
    }

    #[test]
    fn lists_are_joined_and_other_fields_replaced() {
        let mut own = Headers::new();
        own.append("Set-Cookie", "a=1");
        own.append("Content-Type", "text/html");
        own.append("X-Own", "1");
        let mut map = HeaderMap::new();
        for (name, value) in [("set-cookie", "b=2"), ("content-type", "text/plain"), ("set-cookie", "a=3")] {
            map.append(name, value.parse().expect("a value"));
        }
        merge_fields(&mut own, &map);
        let expected =
            ["Set-Cookie: a=1", "X-Own: 1", "Set-Cookie: b=2", "Set-Cookie: a=3", "Content-Type: text/plain"];
        assert_eq!(lines(&own), expected);
    }

    #[test]
    fn no_field_of_the_head_is_announced_as_a_trailer() {
        let mut map = HeaderMap::new();
        map.append("trailer", "x-sum".parse().expect("a value"));
        let mut own = Headers::new();
        merge_fields(&mut own, &map);
        assert_eq!(lines(&own), ["Trailer: x-sum"]);
        map.append("x-sum", "1".parse().expect("a value"));
        let mut own = Headers::new();
        merge_fields(&mut own, &map);
        assert_eq!(lines(&own), ["X-Sum: 1"]);
    }
}
