//! Why bytes are not a URI.

use std::fmt;

use crate::util::authority::Fault;

/// What is wrong with a URI, a host or a scheme.
///
/// The text never repeats the bytes, which may come from anywhere.
// URI-03.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UriError {
    /// A byte below 0x20, or 0x7f.
    ControlByte,
    /// What is before the first colon is no scheme, or there is no `//` behind it.
    Scheme,
    /// A byte before the last `@` of the authority that cannot stand in user information.
    Userinfo,
    /// The host is empty where there must be one, or has a byte or an escape that cannot stand in a host.
    Host,
    /// Brackets without an IPv6 address in them, or with something else around them.
    Ipv6,
    /// The port is not a number, or above 65535.
    Port,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ControlByte => "the uri has a control byte: escape it as `%XX`",
            Self::Scheme => {
                "the uri has an invalid scheme: write `scheme://`, or `./` before a path with a colon"
            }
            Self::Userinfo => "the uri's user or password has an invalid byte: escape it as `%XX`",
            Self::Host => "the uri's host is empty or has an invalid byte: write a name or an address",
            Self::Ipv6 => {
                "the uri's brackets do not enclose one IPv6 address: write `[address]` or `[address%25zone]`"
            }
            Self::Port => "the uri's port is invalid: write a number up to 65535",
        })
    }
}

impl std::error::Error for UriError {}

impl From<Fault> for UriError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Name => Self::Host,
            Fault::Literal => Self::Ipv6,
            Fault::Port => Self::Port,
        }
    }
}
