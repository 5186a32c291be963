//! How many connections there are, and whether one more is let in: in all, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::serve::refusal::Refusal;

/// The open connections, counted.
#[derive(Debug)]
pub(crate) struct Admission {
    open: AtomicUsize,
    open_max: usize,
    per_address: Mutex<HashMap<IpAddr, usize>>,
    /// Without a limit nothing is counted by address.
    per_address_max: Option<usize>,
}

impl Admission {
    pub(crate) fn new(open_max: usize, per_address_max: Option<usize>) -> Self {
        Admission {
            open: AtomicUsize::new(0),
            open_max,
            per_address: Mutex::new(HashMap::new()),
            per_address_max,
        }
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts a new connection from `address`, to be given back by [`Admission::leave`] when the connection is closed.
    ///
    /// # Errors
    /// The limit that it meets; then nothing was counted.
    pub(crate) fn admit(&self, address: Option<IpAddr>) -> Result<(), Refusal> {
        self.name(address)?;
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.open_max {
            self.leave(address);
            return Err(Refusal::Concurrency);
        }
        Ok(())
    }

    /// Counts for `address` a connection that was let in without one, and of which it is known only now; to be given
    /// back by [`Admission::leave`] together.
    ///
    /// # Errors
    /// The limit that it meets; then nothing was counted for the address.
    pub(crate) fn name(&self, address: Option<IpAddr>) -> Result<(), Refusal> {
        let (Some(address), Some(max)) = (address, self.per_address_max) else { return Ok(()) };
        let mut per_address = self.per_address.lock();
        let count = per_address.entry(address).or_insert(0);
        if *count >= max {
            return Err(Refusal::PerAddress);
        }
        *count += 1;
        Ok(())
    }

    /// Gives back what `admit` counted for `address`.
    pub(crate) fn leave(&self, address: Option<IpAddr>) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let (Some(address), Some(_)) = (address, self.per_address_max) else { return };
        let mut per_address = self.per_address.lock();
        if let Some(count) = per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                per_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn what_is_refused_is_not_counted() {
        let admission = Admission::new(2, Some(1));
        let [first, second, third] = [1, 2, 3].map(|last| Some(IpAddr::from(Ipv4Addr::new(10, 0, 0, last))));
        assert_eq!(admission.admit(first), Ok(()));
        assert_eq!(admission.admit(first), Err(Refusal::PerAddress));
        assert_eq!(admission.open(), 1);
        assert!(admission.admit(second).is_ok());
        assert_eq!(admission.admit(third), Err(Refusal::Concurrency));
        assert_eq!(admission.admit(None), Err(Refusal::Concurrency), "without an address too");
        assert_eq!(admission.open(), 2);
        admission.leave(first);
        assert!(admission.admit(third).is_ok(), "its address was not left counted");
        admission.leave(second);
        admission.leave(third);
        assert_eq!(admission.open(), 0);
        assert!(admission.per_address.lock().is_empty(), "addresses without connections are forgotten");
    }

    #[test]
    fn an_address_may_become_known_later() {
        let admission = Admission::new(3, Some(1));
        let address = Some(IpAddr::from(Ipv4Addr::LOCALHOST));
        for _ in 0..3 {
            assert_eq!(admission.admit(None), Ok(()));
        }
        assert_eq!(admission.name(address), Ok(()));
        assert_eq!(admission.name(address), Err(Refusal::PerAddress));
        admission.leave(None);
        admission.leave(address);
        assert_eq!((admission.open(), admission.name(address)), (1, Ok(())));
    }

    #[test]
    fn without_a_limit_addresses_are_not_counted() {
        let admission = Admission::new(10, None);
        let address = Some(IpAddr::from(Ipv4Addr::LOCALHOST));
        assert_eq!(admission.admit(address), Ok(()));
        assert!(admission.per_address.lock().is_empty());
        admission.leave(address);
        assert_eq!(admission.open(), 0);
    }
}
