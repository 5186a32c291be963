//! Lists whose members carry a weight, such as `gzip;q=0.5, br`, on which the `Accept` fields stand.
//!
//! The rule: a malformed member is left out and the others count. One leniency: a weight may begin with the
//! point (`q=.2`), as in what Java's own client has sent for decades.
//!
//! Source: RFC 9110 section 12.4.2 (weights).

use super::list::Members;
use super::params::Params;
use crate::util::token;
use std::fmt;

/// How much something is wanted, from 0 (not at all) to 1, in thousandths.
///
/// ```
/// use anthill_http::header::Quality;
/// let half = Quality::from_thousandths(500).unwrap();
/// assert!(Quality::ZERO < half && half < Quality::ONE);
/// assert_eq!(half.to_string(), "0.5");
/// assert_eq!(Quality::from_thousandths(1001), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quality(u16);

impl Quality {
    /// Not acceptable.
    pub const ZERO: Self = Self(0);
    /// Acceptable, but anything else that is acceptable is no worse.
    pub const LEAST: Self = Self(1);
    /// What counts when no weight is given.
    pub const ONE: Self = Self(1000);

    /// The quality of so many thousandths; `None` above 1000.
    pub fn from_thousandths(thousandths: u16) -> Option<Self> {
        (thousandths <= 1000).then_some(Self(thousandths))
    }

    /// From 0 to 1000.
    pub fn thousandths(self) -> u16 {
        self.0
    }

    /// Whether it is not [`Quality::ZERO`].
    pub fn is_acceptable(self) -> bool {
        self.0 > 0
    }

    /// Reads `1`, `0.25`, `.2`; at most three decimals, and nothing above 1.
    fn parse(text: &[u8]) -> Option<Self> {
        let (whole, decimals): (u16, &[u8]) = match text {
            [b'0'] => (0, b""),
            [b'1'] => (1000, b""),
            [b'0', b'.', decimals @ ..] => (0, decimals),
            [b'1', b'.', decimals @ ..] => (1000, decimals),
            [b'.', decimals @ ..] if !decimals.is_empty() => (0, decimals),
            _ => return None,
        };
        if decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let places = [100, 10, 1];
        let thousandths: u16 =
            decimals.iter().zip(places).map(|(&digit, place)| u16::from(digit - b'0') * place).sum();
        Self::from_thousandths(whole + thousandths)
    }
}

impl fmt::Display for Quality {
    /// As a weight is written: `0`, `0.25`, `1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            1000.. => f.write_str("1"),
            tenths if tenths % 100 == 0 => write!(f, "0.{}", tenths / 100),
            hundredths if hundredths % 10 == 0 => write!(f, "0.{:02}", hundredths / 10),
            thousandths => write!(f, "0.{thousandths:03}"),
        }
    }
}

/// A member of a quality list: what stands before its parameters, those, and its weight.
///
/// For fields that have no type of their own, as [`Accept`](super::Accept), [`AcceptEncoding`](super::AcceptEncoding)
/// and [`AcceptLanguage`](super::AcceptLanguage) have.
#[derive(Clone, Copy, Debug)]
pub struct Weighted<'a> {
    value: &'a [u8],
    params: &'a [u8],
    quality: Quality,
}

impl<'a> Weighted<'a> {
    /// The well-formed members of the quality list in `lines`, the values of one field, in order.
    ///
    /// ```
    /// use anthill_http::header::Weighted;
    /// let members: Vec<_> = Weighted::list(["a;x=1;q=0.5, b", "c;q=2"]).collect();
    /// assert_eq!(members.len(), 2);
    /// assert_eq!((members[0].value(), members[0].quality().thousandths()), (&b"a"[..], 500));
    /// assert!(members[0].params().eq([("x", &b"1"[..])]));
    /// assert_eq!((members[1].value(), members[1].quality().thousandths()), (&b"b"[..], 1000));
    /// ```
    pub fn list<T, L>(lines: L) -> impl Iterator<Item = Self> + use<'a, T, L>
    where
        T: AsRef<[u8]> + ?Sized + 'a,
        L: IntoIterator<Item = &'a T>,
    {
        quality_list(lines)
    }

    /// What stands before the first `;`.
    pub fn value(&self) -> &'a [u8] {
        self.value
    }

    /// The parameters that stand before the weight.
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params)
    }

    /// The weight, [`Quality::ONE`] when there is none.
    pub fn quality(&self) -> Quality {
        self.quality
    }

    /// Reads one member. What follows the weight is not looked at: such extensions are obsolete.
    fn parse(member: &'a [u8]) -> Option<Self> {
        let mut rest = Params::new(member);
        let (value, params) = member.split_at(member.len() - rest.rest().len());
        let value = token::trim(value);
        if value.is_empty() {
            return None;
        }
        loop {
            let before = rest.rest();
            match rest.next() {
                Some((name, weight)) if name.eq_ignore_ascii_case("q") => {
                    let params = &params[..params.len() - before.len()];
                    return Some(Self { value, params, quality: Quality::parse(weight)? });
                }
                Some(_) => {}
                None if rest.rest().is_empty() => {
                    return Some(Self { value, params, quality: Quality::ONE });
                }
                None => return None,
            }
        }
    }
}

/// The well-formed members of the quality list in `lines`, the values of one field, in order.
pub(super) fn quality_list<'a, T, L>(lines: L) -> impl Iterator<Item = Weighted<'a>> + use<'a, T, L>
where
    T: AsRef<[u8]> + ?Sized + 'a,
    L: IntoIterator<Item = &'a T>,
{
    lines.into_iter().flat_map(|line| Members::new(line.as_ref())).filter_map(Weighted::parse)
}

/// The first of the offers that `quality` puts highest; `None` when it accepts none.
pub(super) fn best<T: AsRef<str>>(
    offers: impl IntoIterator<Item = T>,
    quality: impl Fn(&str) -> Quality,
) -> Option<T> {
    let mut best: Option<(Quality, T)> = None;
    for offer in offers {
        let quality = quality(offer.as_ref());
        let is_better = best.as_ref().is_none_or(|(highest, _)| quality > *highest);
        if quality.is_acceptable() && is_better {
            best = Some((quality, offer));
            // No other can be wanted more.
            if quality == Quality::ONE {
                break;
            }
        }
    }
    best.map(|(_, offer)| offer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1000)),
            ("0.", Some(0)),
            ("1.", Some(1000)),
            ("0.5", Some(500)),
            ("0.05", Some(50)),
            ("0.123", Some(123)),
            ("1.000", Some(1000)),
            (".2", Some(200)),
            ("1.001", None),
            ("0.1234", None),
            ("2", None),
            ("00", None),
            ("-1", None),
            ("0,5", None),
            ("0.5x", None),
            (".", None),
            ("", None),
        ] {
            let found = Quality::parse(text.as_bytes()).map(Quality::thousandths);
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn every_weight_is_written_as_it_is_read() {
        for thousandths in 0..=1000 {
            let text = Quality(thousandths).to_string();
            assert_eq!(Quality::parse(text.as_bytes()), Some(Quality(thousandths)), "{text}");
            assert_eq!(text.trim_end_matches(['0', '.']).is_empty(), text == "0", "{text}");
            assert!(!text.contains('.') || !text.ends_with(['0', '.']), "{text}");
        }
    }

    #[test]
    fn malformed_members_are_left_out() {
        let line = r#"a;q=x, b;q=0.5, c;q = 1, ;q=1, d;p, e;p="1, f;q=0.2"#;
        let found: Vec<_> =
            quality_list([line]).map(|member| (member.value(), member.quality().thousandths())).collect();
        assert_eq!(found, [(&b"b"[..], 500)]);
        let line = r#"a;q="0.5", b;Q=0.2;ext;bad=, c ; p="x,y" ;q=0, d;"#;
        let found: Vec<_> = quality_list([line])
            .map(|member| (member.value(), member.quality().thousandths(), member.params().count()))
            .collect();
        assert_eq!(found, [(&b"a"[..], 500, 0), (b"b", 200, 0), (b"c", 0, 1), (b"d", 1000, 0)]);
    }
}
