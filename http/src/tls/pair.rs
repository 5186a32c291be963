//! A certificate with its key, checked: they belong together, and it is valid.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use webpki::{EndEntityCert, KeyUsage};

use super::error::TlsError;
use super::pem::Material;
use crate::util::date::{self, Civil};

/// How long before its end a certificate is worth a warning: those that live for 90 days are renewed at 30.
const WARN_BEFORE: Duration = Duration::from_secs(21 * DAY);
const DAY: u64 = 86_400;

/// Where a pair is read from.
#[derive(Clone, Debug)]
pub(super) struct PairSource {
    pub(super) certificate: Material,
    pub(super) key: Material,
}

/// A pair; see the module's text.
#[derive(Debug)]
pub(super) struct CertifiedPair {
    pub(super) certified: Arc<CertifiedKey>,
    /// What the certificate is good for, as it says; with a `*` as the first label for all names of a level.
    pub(super) names: Vec<String>,
    validity: Validity,
    /// What it is called in messages.
    pub(super) label: String,
}

/// From when to when a certificate is valid; `None` where that cannot be found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Validity {
    from: Option<SystemTime>,
    until: Option<SystemTime>,
}

impl Validity {
    /// What is to be said of it at `now`, if anything.
    fn warning(self, now: SystemTime) -> Option<String> {
        if let Some(from) = self.from.filter(|from| *from > now) {
            return Some(format!("is not valid before {}; is this machine's clock right?", day(from)));
        }
        let until = self.until?;
        let left = until.duration_since(now).unwrap_or_default();
        (left < WARN_BEFORE).then(|| {
            if left.is_zero() {
                format!("has expired on {}; renew it, clients refuse it", day(until))
            } else {
                format!("expires in {} days, on {}; renew it", left.as_secs() / DAY, day(until))
            }
        })
    }
}

/// As people write it.
fn day(time: SystemTime) -> String {
    let Civil { year, month, day, .. } = date::civil(time).0;
    format!("{year:04}-{month:02}-{day:02}")
}

impl CertifiedPair {
    /// Whether it is another one than `before`.
    pub(super) fn is_other_than(&self, before: &Self) -> bool {
        self.certified.cert != before.certified.cert
    }

    /// Tells the log that it is used from now on.
    pub(super) fn say_in_use(&self) {
        let Self { names, validity, label, .. } = self;
        let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
        let until = validity.until.map_or_else(|| "an unknown day".to_owned(), day);
        log::info!("{label} is in use: for {names}, until {until}");
        self.warn(SystemTime::now());
    }

    /// Tells the log when it is of no use for long at `now`.
    pub(super) fn warn(&self, now: SystemTime) {
        if let Some(warning) = self.validity.warning(now) {
            log::warn!("{} {warning}", self.label);
        }
    }
}

impl PairSource {
    /// Reads both, and checks that they go together and are of use at `now`.
    ///
    /// # Errors
    /// When they are not; the error names the file.
    pub(super) fn load(&self, provider: &CryptoProvider, now: SystemTime) -> Result<CertifiedPair, TlsError> {
        let Self { certificate, key } = self;
        let chain = certificate.certificates(&certificate.read()?)?;
        let private = key.key(&key.read()?)?;
        let signing = provider.key_provider.load_private_key(private).map_err(|error| {
            let kinds = "is of no kind that can be used (RSA of 2048 bits and more, ECDSA by P-256, P-384 or P-521, and \
                         Ed25519 can)";
            key.wrong(kinds).because(error)
        })?;
        let leaf = EndEntityCert::try_from(&chain[0])
            .map_err(|error| certificate.wrong("cannot be read as X.509, version 3").because(error))?;
        let names: Vec<String> = leaf.valid_dns_names().map(str::to_ascii_lowercase).collect();
        let validity = validity(&leaf);
        if let Some(until) = validity.until.filter(|until| *until <= now) {
            return Err(certificate.wrong(format!("has expired on {}; renew it", day(until))));
        }
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                return Err(self.mismatched(&certified));
            }
            Err(error) => {
                return Err(certificate.wrong("cannot be compared with its key").because(error));
            }
        }
        Ok(CertifiedPair { certified: Arc::new(certified), names, validity, label: certificate.name() })
    }

    /// The key is not that of the first certificate; perhaps it is that of another one in the file.
    fn mismatched(&self, certified: &CertifiedKey) -> TlsError {
        let belongs = |certificate: &CertificateDer<'static>| {
            CertifiedKey::new(vec![certificate.clone()], certified.key.clone()).keys_match().is_ok()
        };
        match certified.cert.iter().position(belongs) {
            Some(place) => self.certificate.wrong(format!(
                "has another one first than that of its key, which is number {} in the file; put that first, and those of \
                 authorities behind it",
                place + 1
            )),
            None => {
                let problem = format!("does not belong to {}; give the two that were made together", self.certificate.name());
                self.key.wrong(problem)
            }
        }
    }
}

/// From when to when `leaf` is valid. Whoever verifies it says so when asked about a time at which it is not.
fn validity(leaf: &EndEntityCert<'_>) -> Validity {
    let at = |seconds| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        leaf.verify_for_usage(&[], &[], &[], time, KeyUsage::server_auth(), None, None).err()
    };
    let time = |time: UnixTime| UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
    let from = match at(0) {
        Some(webpki::Error::CertNotValidYet { not_before, .. }) => time(not_before),
        _ => None,
    };
    let until = match at(date::SECONDS_MAX + 1) {
        Some(webpki::Error::CertExpired { not_after, .. }) => time(not_after),
        _ => None,
    };
    Validity { from, until }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_warned_of_the_end() {
        let day = |day: u64| UNIX_EPOCH + Duration::from_secs(day * DAY);
        let validity = Validity { from: Some(day(100)), until: Some(day(200)) };
        for (now, said) in [
            (99, Some("is not valid before 1970-04-11; is this machine's clock right?")),
            (100, None),
            (179, None),
            (180, Some("expires in 20 days, on 1970-07-20; renew it")),
            (200, Some("has expired on 1970-07-20; renew it, clients refuse it")),
            (300, Some("has expired on 1970-07-20; renew it, clients refuse it")),
        ] {
            assert_eq!(validity.warning(day(now)).as_deref(), said, "day {now}");
        }
        assert_eq!(Validity::default().warning(day(1)), None);
    }
}
