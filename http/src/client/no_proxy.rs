//! Which hosts are asked directly although there is a proxy, as `NO_PROXY` says it.
//!
//! There is no standard. This takes what the forms have in common that curl, Go, Python and others read; where those
//! differ, what more of them do.

use std::net::{IpAddr, Ipv6Addr};

/// A list of hosts; see the module's text.
#[derive(Clone, Debug, Default)]
pub(crate) struct NoProxy(Vec<DirectHosts>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum DirectHosts {
    All,
    /// A name and all below it, or one address.
    Named {
        name: String,
        port: Option<u16>,
    },
    Addr {
        addr: IpAddr,
        port: Option<u16>,
    },
    /// The addresses that begin with so many bits of this one.
    Network {
        addr: IpAddr,
        bits: u8,
    },
}

impl NoProxy {
    /// A list of entries between commas, blanks or both. What is none of the forms is nobody's name.
    pub(crate) fn parse(list: &str) -> Self {
        let entries = list.split(|byte: char| byte == ',' || byte.is_ascii_whitespace());
        Self(entries.filter(|entry| !entry.is_empty()).map(DirectHosts::parse).collect())
    }

    /// Whether `host`, a name or an address with or without brackets, is asked directly.
    pub(crate) fn has(&self, host: &str, port: u16) -> bool {
        let host = without_brackets(host).trim_end_matches('.').to_ascii_lowercase();
        let addr = host.parse::<IpAddr>().ok().map(canonical);
        self.0.iter().any(|entry| entry.is_for(&host, addr, port))
    }
}

impl DirectHosts {
    fn parse(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        if let Some((addr, bits)) = entry.split_once('/') {
            if let (Ok(addr), Ok(bits)) = (without_brackets(addr).parse::<IpAddr>(), bits.parse()) {
                return Self::Network { addr, bits };
            }
        }
        if let Ok(addr) = without_brackets(entry).parse() {
            return Self::Addr { addr: canonical(addr), port: None };
        }
        let (name, port) = match entry.rsplit_once(':').map(|(name, port)| (name, port.parse::<u16>())) {
            Some((name, Ok(port))) => (name, Some(port)),
            _ => (entry, None),
        };
        if let Ok(addr) = without_brackets(name).parse() {
            return Self::Addr { addr: canonical(addr), port };
        }
        let name = name.strip_prefix('*').unwrap_or(name);
        let name = name.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
        Self::Named { name, port }
    }

    fn is_for(&self, host: &str, host_addr: Option<IpAddr>, host_port: u16) -> bool {
        let is_port = |port: &Option<u16>| port.is_none_or(|port| port == host_port);
        match self {
            Self::All => true,
            Self::Named { name, port } => {
                // A whole label ends before the name, or nothing does.
                let before = host.strip_suffix(name.as_str());
                !name.is_empty()
                    && host_addr.is_none()
                    && is_port(port)
                    && before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            Self::Addr { addr, port } => host_addr == Some(*addr) && is_port(port),
            Self::Network { addr, bits } => host_addr.is_some_and(|host| begins_with(host, *addr, *bits)),
        }
    }
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// An IPv4 address that is written as one of IPv6 is the same.
fn canonical(addr: IpAddr) -> IpAddr {
    addr.to_canonical()
}

/// Whether the first `bits` of both are the same.
fn begins_with(host: IpAddr, addr: IpAddr, bits: u8) -> bool {
    let shifted = |left: u128, right: u128, unused: u32| {
        unused >= u128::BITS || left.checked_shr(unused) == right.checked_shr(unused)
    };
    match (host, addr) {
        (IpAddr::V4(host), IpAddr::V4(addr)) if bits <= 32 => {
            shifted(u32::from(host).into(), u32::from(addr).into(), 32 - u32::from(bits))
        }
        (IpAddr::V6(host), IpAddr::V6(addr)) if bits <= 128 => {
            let whole = |addr: Ipv6Addr| u128::from(addr);
            shifted(whole(host), whole(addr), 128 - u32::from(bits))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prx_01_the_forms_of_a_list() {
        for (list, host, port, is_direct) in [
            ("", "example.com", 80, false),
            ("*", "example.com", 80, true),
            ("other.com,*", "example.com", 80, true),
            ("example.com", "example.com", 443, true),
            ("example.com", "EXAMPLE.com.", 443, true),
            ("example.com", "sub.example.com", 80, true),
            ("example.com", "badexample.com", 80, false),
            ("example.com", "example.com.evil", 80, false),
            (".example.com", "sub.example.com", 80, true),
            (".example.com", "example.com", 80, true),
            (".example.com", "badexample.com", 80, false),
            ("*.example.com", "a.b.example.com", 80, true),
            ("example.com.", "example.com", 80, true),
            ("example.com:8080", "example.com", 8080, true),
            ("example.com:8080", "sub.example.com", 8080, true),
            ("example.com:8080", "example.com", 80, false),
            (" a.com , b.com\tc.com ", "b.com", 80, true),
            ("a.com b.com c.com", "c.com", 80, true),
            ("a.com,,b.com,", "d.com", 80, false),
            ("127.0.0.1", "127.0.0.1", 1, true),
            ("127.0.0.1:2", "127.0.0.1", 1, false),
            ("127.0.0.1:2", "127.0.0.1", 2, true),
            ("127.0.0.1", "127.0.0.10", 1, false),
            ("0.0.1", "127.0.0.1", 1, false),
            ("10.0.0.0/8", "10.200.3.4", 1, true),
            ("10.0.0.0/8", "11.0.0.1", 1, false),
            ("10.1.2.3/32", "10.1.2.3", 1, true),
            ("10.0.0.0/0", "192.0.2.1", 1, true),
            ("10.0.0.0/33", "10.0.0.1", 1, false),
            ("10.0.0.0/8", "10.example.com", 1, false),
            ("::1", "[::1]", 1, true),
            ("[::1]", "::1", 1, true),
            ("[::1]:7", "::1", 7, true),
            ("[::1]:7", "::1", 8, false),
            ("fd00::/8", "fd12::1", 1, true),
            ("fd00::/8", "fe80::1", 1, false),
            ("::/0", "fe80::1", 1, true),
            ("::ffff:10.0.0.1", "10.0.0.1", 1, true),
            ("localhost", "localhost", 1, true),
            ("localhost", "127.0.0.1", 1, false),
            ("example.com/24", "example.com", 1, false),
            (".", "example.com", 1, false),
            ("https://example.com", "example.com", 1, false),
        ] {
            assert_eq!(NoProxy::parse(list).has(host, port), is_direct, "{list:?} for {host}:{port}");
        }
    }
}
