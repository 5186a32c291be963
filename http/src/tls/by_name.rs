//! Which certificate a client is shown: by the name that it asks for, or the first.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::pair::CertifiedPair;

/// The certificates of a server by their names.
#[derive(Debug)]
pub(super) struct ByName {
    keys: Vec<Arc<CertifiedKey>>,
    /// Which of them are good for a name.
    exact: HashMap<String, Vec<usize>>,
    /// The same by what is behind the first label, which may be any.
    wild: HashMap<String, Vec<usize>>,
    /// Those for whoever asks for no name, or for one that is not here: the first, and its like by other keys.
    default: Vec<usize>,
}

impl ByName {
    pub(super) fn new(pairs: &[Arc<CertifiedPair>]) -> Self {
        let (mut exact, mut wild) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        for (place, pair) in pairs.iter().enumerate() {
            for name in &pair.names {
                let places = match name.strip_prefix("*.") {
                    Some(rest) => wild.entry(rest.to_owned()).or_default(),
                    None => exact.entry(name.clone()).or_default(),
                };
                places.push(place);
            }
        }
        let first = pairs.first().map_or(&[][..], |pair| &pair.names);
        let is_like_first = |place: &usize| *place == 0 || pairs[*place].names == first;
        Self {
            keys: pairs.iter().map(|pair| pair.certified.clone()).collect(),
            exact,
            wild,
            default: (0..pairs.len()).filter(is_like_first).collect(),
        }
    }

    /// Those for this name.
    fn places(&self, name: Option<&str>) -> &[usize] {
        let Some(name) = name.map(str::to_ascii_lowercase) else { return &self.default };
        let name = name.strip_suffix('.').unwrap_or(&name);
        let wild = || self.wild.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(wild).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let places = self.places(hello.server_name());
        let is_of_use = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let keys = || places.iter().filter_map(|place| self.keys.get(*place));
        keys().find(is_of_use).or_else(|| keys().next()).cloned()
    }
}
