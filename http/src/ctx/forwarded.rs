//! What trusted proxies say of the client: from whom a request comes, by which scheme, and for which host.
//!
//! The rule: lists are read from the right, where the proxy next to us has written, and no further than to the first
//! address that is not trusted itself: what stands left of that its owner may have made up.

use crate::util::authority;
use crate::util::network::Network;
use crate::values::headers::Fields;
use std::iter;
use std::net::{IpAddr, SocketAddr};

/// Whom the server believes, and by which fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies {
    pub(crate) networks: Vec<Network>,
    /// Whoever comes by a Unix domain socket is a proxy.
    pub(crate) unix: bool,
    /// `Forwarded` is read, and `X-Forwarded-For`, `-Proto` and `-Host` are not.
    pub(crate) by_forwarded: bool,
    /// Somebody has said who is trusted, if only that nobody is.
    pub(crate) are_named: bool,
    /// What was given as a network and is none.
    pub(crate) refused: Option<String>,
}

/// What is known of a client by its proxies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded<'a> {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) scheme: Option<&'static str>,
    pub(crate) host: Option<&'a [u8]>,
}

impl TrustedProxies {
    /// Whether it is a proxy that has made the connection; without an address it is no TCP.
    pub(crate) fn trusts_peer(&self, address: Option<SocketAddr>) -> bool {
        address.map_or(self.unix, |address| self.trusts(address.ip()))
    }

    /// Whether a peer may say by the PROXY protocol whose its connection is.
    pub(crate) fn may_name_client(&self, address: Option<SocketAddr>) -> bool {
        !self.are_named || self.trusts_peer(address)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// What the fields of a request say that has come from a trusted proxy.
    pub(crate) fn read<'a>(&self, fields: Fields<'a>) -> Forwarded<'a> {
        if self.by_forwarded { self.read_forwarded(fields) } else { self.read_x_forwarded(fields) }
    }

    /// RFC 7239.
    fn read_forwarded<'a>(&self, fields: Fields<'a>) -> Forwarded<'a> {
        let mut found = Forwarded::default();
        let elements = fields.get_all("forwarded").rev().flat_map(|line| from_right(line, b','));
        for element in elements.filter(|element| !element.is_empty()) {
            let Some(element) = Element::parse(element) else { break };
            found.scheme = element.scheme.or(found.scheme);
            found.host = element.host.or(found.host);
            let Some(address) = element.address else { break };
            found.address = Some(address);
            if !self.trusts(address.ip()) {
                break;
            }
        }
        found
    }

    fn read_x_forwarded<'a>(&self, fields: Fields<'a>) -> Forwarded<'a> {
        let mut found = Forwarded::default();
        // How many proxies have spoken.
        let mut hops = 0;
        // What counts is read from the right: up to the first that is not trusted, or is no address. From the left that
        // is where it begins anew.
        for name in list(fields, "x-forwarded-for") {
            match node(name) {
                None => (found.address, hops) = (None, 0),
                Some(address) if self.trusts(address.ip()) => {
                    found.address = found.address.or(Some(address));
                    hops += 1;
                }
                address => (found.address, hops) = (address, 1),
            }
        }
        // Proxies that replace the field leave one value, others one each.
        let outermost = |name| {
            let mut values = list(fields, name);
            let count = values.clone().count();
            values.nth(count.saturating_sub(hops.max(1)))
        };
        found.scheme = outermost("x-forwarded-proto").and_then(scheme);
        found.host = outermost("x-forwarded-host").filter(|host| is_host(host));
        found
    }
}

/// One proxy's part of `Forwarded`.
#[derive(Default)]
struct Element<'a> {
    address: Option<SocketAddr>,
    scheme: Option<&'static str>,
    host: Option<&'a [u8]>,
}

impl<'a> Element<'a> {
    /// `None`: it is malformed.
    fn parse(text: &'a [u8]) -> Option<Self> {
        let mut element = Element::default();
        let mut seen = [false; 3];
        for pair in from_right(text, b';') {
            if pair.is_empty() {
                continue;
            }
            let equals = pair.iter().position(|&byte| byte == b'=')?;
            let name = &pair[..equals];
            let place =
                ["for", "proto", "host"].iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()));
            // Twice the same is malformed, RFC 7239 4.
            if place.is_some_and(|place| std::mem::replace(&mut seen[place], true)) {
                return None;
            }
            let Some(place) = place else { continue };
            let value = unquoted(&pair[equals + 1..])?;
            match place {
                0 => element.address = node(value),
                1 => element.scheme = Some(scheme(value)?),
                _ if !is_host(value) => return None,
                _ => element.host = Some(value),
            }
        }
        Some(element)
    }
}

/// The elements of all fields of a name, in order. There are no quotes in them.
fn list<'a>(fields: Fields<'a>, name: &'static str) -> impl Iterator<Item = &'a [u8]> + Clone {
    let elements = fields.get_all(name).flat_map(|value| value.split(|&byte| byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// The parts between separators that do not stand in quotes, from the right, so that a quote which a client has opened
/// does not take in what its proxy has written behind it.
fn from_right(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let text = rest?;
        let mut is_quoted = false;
        for (index, &byte) in text.iter().enumerate().rev() {
            if byte == b'"' {
                let escapes = text[..index].iter().rev().take_while(|&&byte| byte == b'\\').count();
                is_quoted ^= escapes % 2 == 0;
            } else if byte == separator && !is_quoted {
                rest = Some(&text[..index]);
                return Some(text[index + 1..].trim_ascii());
            }
        }
        rest = None;
        Some(text.trim_ascii())
    })
}

/// A value without its quotes. `None`: they do not match, or something in them is escaped, which no address or host
/// needs.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let inner = match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    };
    (!inner.is_empty() && !inner.iter().any(|byte| matches!(byte, b'"' | b'\\'))).then_some(inner)
}

/// An address, with a port or without (0), IPv6 in brackets or not. `None`: it is unknown, or hidden behind a name. A
/// port may be hidden (`192.0.2.1:_a7`, RFC 7239 6.2), as if there were none.
fn node(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let text = match text.rsplit_once(":_") {
        Some((address, hidden))
            if is_obfuscated(hidden) && (address.ends_with(']') || !address.contains(':')) =>
        {
            address
        }
        _ => text,
    };
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = inner.map_or_else(|| text.parse().ok(), |inner| inner.parse().ok().map(IpAddr::V6))?;
    Some((address, 0).into())
}

/// What may follow the underscore of a name that hides something.
fn is_obfuscated(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn scheme(text: &[u8]) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|known| text.eq_ignore_ascii_case(known.as_bytes()))
}

fn is_host(text: &[u8]) -> bool {
    authority::is_valid(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::headers::Headers;

    fn proxies(by_forwarded: bool) -> TrustedProxies {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| Network::parse(text).expect(text));
        TrustedProxies { networks: networks.to_vec(), by_forwarded, ..TrustedProxies::default() }
    }

    /// Address, scheme and host, as one line.
    fn read(by_forwarded: bool, fields: &[(&str, &str)]) -> String {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        let found = proxies(by_forwarded).read(headers.fields());
        let address = found.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        let host = found.host.map_or_else(|| "-".into(), String::from_utf8_lossy);
        format!("{address} {} {host}", found.scheme.unwrap_or("-"))
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        for (value, expected) in [
            ("198.51.100.7", "198.51.100.7:0"),
            ("6.6.6.6, 198.51.100.7", "198.51.100.7:0"),
            ("6.6.6.6, 198.51.100.7, 10.1.1.1 ,10.2.2.2", "198.51.100.7:0"),
            ("10.3.3.3, 10.1.1.1", "10.3.3.3:0"),
            ("198.51.100.7:4711", "198.51.100.7:4711"),
            ("2001:db9::7", "[2001:db9::7]:0"),
            ("[2001:db9::7]", "[2001:db9::7]:0"),
            ("[2001:db9::7]:80", "[2001:db9::7]:80"),
            ("198.51.100.7, 2001:db8::1", "198.51.100.7:0"),
            ("::ffff:10.1.1.1", "[::ffff:10.1.1.1]:0"),
            // Whatever is no address ends it.
            ("198.51.100.7, unknown, 10.1.1.1", "10.1.1.1:0"),
            ("198.51.100.7, x", "-"),
            ("6.6.6.6, \", 198.51.100.7", "198.51.100.7:0"),
            ("198.51.100.7 10.1.1.1", "-"),
            ("[10.1.1.1]", "-"),
            ("", "-"),
            (", ,", "-"),
        ] {
            assert_eq!(read(false, &[("X-Forwarded-For", value)]), format!("{expected} - -"), "{value:?}");
        }
        let several = [("X-Forwarded-For", "6.6.6.6, 198.51.100.7"), ("X-Forwarded-For", "10.1.1.1")];
        assert_eq!(read(false, &several), "198.51.100.7:0 - -");
        assert_eq!(read(false, &[("Forwarded", "for=198.51.100.7")]), "- - -", "the other is not looked at");
    }

    #[test]
    fn scheme_and_host_are_those_that_the_outermost_trusted_proxy_saw() {
        let of = |chain: &str, proto: &str, host: &str| {
            read(
                false,
                &[("X-Forwarded-For", chain), ("X-Forwarded-Proto", proto), ("X-Forwarded-Host", host)],
            )
        };
        assert_eq!(of("198.51.100.7", "https", "shop.example"), "198.51.100.7:0 https shop.example");
        assert_eq!(
            of("198.51.100.7", "http, HTTPS", "evil, shop.example:8443"),
            "198.51.100.7:0 https shop.example:8443"
        );
        let two = "6.6.6.6, 198.51.100.7, 10.1.1.1";
        assert_eq!(
            of(two, "http, https, http", "evil, shop.example, inner"),
            "198.51.100.7:0 https shop.example"
        );
        assert_eq!(of(two, "https", "shop.example"), "198.51.100.7:0 https shop.example", "it was replaced");
        assert_eq!(of("", "https", "shop.example"), "- https shop.example");
        assert_eq!(of("198.51.100.7", "gopher", "a b"), "198.51.100.7:0 - -");
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        for (value, expected) in [
            ("for=198.51.100.7", "198.51.100.7:0 - -"),
            (
                "For=\"198.51.100.7:4711\";Proto=https;by=10.1.1.1;host=shop.example",
                "198.51.100.7:4711 https shop.example",
            ),
            ("for=\"[2001:db9::7]:80\"", "[2001:db9::7]:80 - -"),
            // The port alone may be hidden.
            ("for=\"[2001:db9::7]:_a.7-x_\"", "[2001:db9::7]:0 - -"),
            ("for=\"198.51.100.7:_a\", for=\"10.1.1.1:_b\"", "198.51.100.7:0 - -"),
            ("for=\"198.51.100.7:_\", for=10.1.1.1", "10.1.1.1:0 - -"),
            ("for=\"198.51.100.7:80:_a\", for=10.1.1.1", "10.1.1.1:0 - -"),
            ("for=\"2001:db9::7:_a\", for=10.1.1.1", "10.1.1.1:0 - -"),
            ("for=\"::1:_a\", for=10.1.1.1", "10.1.1.1:0 - -"),
            ("for=\"198.51.100.7:_a b\", for=10.1.1.1", "10.1.1.1:0 - -"),
            (
                "for=6.6.6.6;proto=http;host=evil, for=198.51.100.7;proto=https;host=a, for=10.1.1.1;proto=http",
                "198.51.100.7:0 https a",
            ),
            ("for=6.6.6.6, for=_hidden;proto=https, for=10.1.1.1", "10.1.1.1:0 https -"),
            ("for=6.6.6.6, for=unknown", "- - -"),
            ("proto=https", "- https -"),
            // A separator in quotes is none.
            ("for=6.6.6.6, for=10.1.1.1;x=\"a, for=7.7.7.7; \\\" ,\"", "6.6.6.6:0 - -"),
            // A quote that a client has left open takes nothing in.
            ("for=\", for=198.51.100.7", "198.51.100.7:0 - -"),
            ("for=6.6.6.6;x=\", for=\"[2001:db9::7]\"", "[2001:db9::7]:0 - -"),
            ("for=6.6.6.6;x=\"\\, for=\"[2001:db9::7]\";host=\"a\"", "[2001:db9::7]:0 - a"),
            // What is malformed ends it.
            ("for=198.51.100.7, for=10.1.1.1;for=10.1.1.1", "- - -"),
            ("for=198.51.100.7;nonsense", "- - -"),
            ("for=\"198.51.100.7", "- - -"),
            ("for=198.51.100.7;proto=gopher", "- - -"),
            ("for=198.51.100.7;host=\"a b\"", "- - -"),
            ("", "- - -"),
        ] {
            assert_eq!(read(true, &[("Forwarded", value)]), expected, "{value:?}");
        }
        assert_eq!(read(true, &[("X-Forwarded-For", "198.51.100.7")]), "- - -", "the other is not looked at");
    }
}
