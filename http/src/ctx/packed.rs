//! What every parked connection knows about itself, in few bytes: addresses, and when and how it was opened.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, SystemTime};

/// The address of a socket in 24 bytes. What is lost is the flow label, which is of no use to whoever accepts.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedAddress {
    ip: [u8; 16],
    scope_id: u32,
    port: u16,
    family: Family,
}

#[derive(Clone, Copy, Debug)]
enum Family {
    V4,
    V6,
}

impl From<SocketAddr> for PackedAddress {
    fn from(address: SocketAddr) -> Self {
        let mut ip = [0; 16];
        let (family, scope_id) = match address {
            SocketAddr::V4(address) => {
                ip[..4].copy_from_slice(&address.ip().octets());
                (Family::V4, 0)
            }
            SocketAddr::V6(address) => {
                ip = address.ip().octets();
                (Family::V6, address.scope_id())
            }
        };
        Self { ip, scope_id, port: address.port(), family }
    }
}

impl From<PackedAddress> for SocketAddr {
    fn from(packed: PackedAddress) -> Self {
        let PackedAddress { ip, scope_id, port, family } = packed;
        match family {
            Family::V4 => {
                let [a, b, c, d, ..] = ip;
                (IpAddr::from(Ipv4Addr::new(a, b, c, d)), port).into()
            }
            Family::V6 => SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, scope_id).into(),
        }
    }
}

/// A time of day, good until the year 2116, earlier than 1970 it is 1970; whether the connection is encrypted, and
/// whether a proxy is still to say whose it is. In 8 bytes: the lowest two bits are not the time's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened(u64);

impl Opened {
    pub(super) fn new(time: SystemTime, is_tls: bool) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanos = u64::try_from(since.as_nanos()).map_or(u64::MAX >> 2, |nanos| nanos.min(u64::MAX >> 2));
        Self(nanos << 2 | u64::from(is_tls))
    }

    pub(super) fn time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.0 >> 2)
    }

    pub(super) fn is_tls(self) -> bool {
        self.0 & 1 != 0
    }

    #[cfg(feature = "tls-no-provider")]
    pub(super) fn over_tls(self) -> Self {
        Self(self.0 | 1)
    }

    pub(super) fn behind_proxy(self) -> Self {
        Self(self.0 | 2)
    }

    pub(super) fn is_behind_proxy(self) -> bool {
        self.0 & 2 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_out_as_they_went_in() {
        for text in [
            "127.0.0.1:80",
            "255.1.2.3:65535",
            "0.0.0.0:0",
            "[::1]:8080",
            "[fe80::1%7]:9",
            "[::ffff:1.2.3.4]:5",
        ] {
            let address: SocketAddr = text.parse().expect("an address");
            assert_eq!(SocketAddr::from(PackedAddress::from(address)), address);
        }
        assert_eq!(size_of::<Option<PackedAddress>>(), 24);
    }

    #[test]
    fn times_come_out_as_they_went_in() {
        for time in
            [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789)]
        {
            for is_tls in [false, true] {
                let opened = Opened::new(time, is_tls);
                assert_eq!((opened.time(), opened.is_tls(), opened.is_behind_proxy()), (time, is_tls, false));
                let behind = opened.behind_proxy();
                assert_eq!((behind.time(), behind.is_tls(), behind.is_behind_proxy()), (time, is_tls, true));
            }
        }
        let earlier = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Opened::new(earlier, false).time(), SystemTime::UNIX_EPOCH);
        let beyond = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 34);
        let last = Opened::new(beyond, true);
        assert!(last.is_tls() && last.time() < beyond && last.time() > SystemTime::UNIX_EPOCH);
        assert_eq!(size_of::<Opened>(), 8);
    }
}
