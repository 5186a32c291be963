//! Values that are kept by their types, as the crate `http` has them (feature `http`).
//!
//! The rule: they live as long as other values that handlers keep, and what one panics with when it is dropped stays
//! here.

use super::RequestCtx;
use crate::util::panic::Contained;
use ::http::Extensions;

/// Extensions, whose drop is the user's.
#[derive(Default)]
pub(super) struct KeptExtensions {
    /// `None`: nothing was ever kept.
    kept: Option<Extensions>,
}

impl KeptExtensions {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.as_ref().is_none_or(Extensions::is_empty)
    }

    pub(super) fn clear(&mut self) {
        drop(self.kept.take().map(Contained::new));
    }
}

impl Drop for KeptExtensions {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Values by their types.
impl RequestCtx {
    /// Values that are kept by their types until the response has been sent (feature `http`): those of the
    /// `http::Request`, where the handler is a [`HandlerService`](crate::adapters::HandlerService), and what handlers
    /// add. The service of a [`TowerService`](crate::adapters::TowerService) gets a copy of them with its request, and
    /// what it leaves among those of its response is here afterwards.
    ///
    /// ```
    /// #[derive(Clone, Debug, PartialEq)]
    /// struct User(&'static str);
    ///
    /// let mut ctx = anthill_http::RequestCtx::default();
    /// ctx.extensions_mut().insert(User("ann"));
    /// assert_eq!(ctx.extensions_mut().get::<User>(), Some(&User("ann")));
    /// ```
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.take_brought_extensions();
        self.user_values.extensions_mut().kept.get_or_insert_default()
    }

    /// A copy of them all, for whoever answers in the place of the handler.
    #[cfg(feature = "tower")]
    pub(crate) fn extensions_copied(&mut self) -> Extensions {
        self.take_brought_extensions();
        self.user_values.extensions().and_then(|extensions| extensions.kept.clone()).unwrap_or_default()
    }

    /// Takes over what was brought along, before the connection is out of sight.
    pub(super) fn take_brought_extensions(&mut self) {
        if let Some(brought) = self.lent.take_extensions() {
            let kept = &mut self.user_values.extensions_mut().kept;
            kept.get_or_insert_default().extend(brought);
        }
    }
}
