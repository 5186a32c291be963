//! The connection, offered to a service that may speak another protocol on it.

use crate::ctx::HijackedConn;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

type TakeConn = Box<dyn FnOnce(HijackedConn) + Send>;

/// The connection of a request that asks for another protocol, among the extensions of that request: a service that
/// answers 101 says here who speaks the protocol.
///
/// ```
/// use anthill_http::adapters::{RequestBody, UpgradeOffer};
/// use std::io::Write;
///
/// fn chat(request: http::Request<RequestBody>) -> http::Response<String> {
///     let Some(offer) = request.extensions().get::<UpgradeOffer>() else {
///         return http::Response::builder().status(426).header("upgrade", "chat").body(String::new()).unwrap();
///     };
///     offer.accept(|mut conn| {
///         let _ = conn.write_all(b"welcome");
///     });
///     let switching = http::Response::builder().status(101).header("upgrade", "chat");
///     switching.header("connection", "upgrade").body(String::new()).unwrap()
/// }
/// # let _ = chat;
/// ```
#[derive(Clone, Default)]
pub struct UpgradeOffer {
    taker: Arc<Mutex<Option<TakeConn>>>,
}

impl UpgradeOffer {
    /// Lets `function` have the connection once the 101 was sent, as by
    /// [`RequestCtx::upgrade`](crate::RequestCtx::upgrade), which says what holds then. With any other status it is
    /// dropped. Of several the last one counts.
    pub fn accept(&self, function: impl FnOnce(HijackedConn) + Send + 'static) {
        let before = self.taker.lock().replace(Box::new(function));
        drop(before);
    }

    pub(super) fn take(&self) -> Option<TakeConn> {
        self.taker.lock().take()
    }
}

impl fmt::Debug for UpgradeOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeOffer").field("is_accepted", &self.taker.lock().is_some()).finish()
    }
}
