//! Values of sessions that are of types of the user's.

use super::error::SessionError;
use super::session::Session;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Values as JSON (feature `json`).
impl Session {
    /// The value called `name`, which was [set as JSON](Self::set_json). `None` when there is none, and when it is not
    /// of this type: a version of the program that had another one has set it.
    ///
    /// ```
    /// use anthill_http::RequestCtx;
    /// use anthill_http::middleware::SessionError;
    ///
    /// fn add(ctx: &mut RequestCtx) -> Result<(), SessionError> {
    ///     let session = ctx.session()?;
    ///     let mut cart: Vec<u32> = session.get_json("cart").unwrap_or_default();
    ///     cart.push(7);
    ///     session.set_json("cart", &cart)
    /// }
    /// # let _: fn(&mut RequestCtx) -> Result<(), SessionError> = add;
    /// ```
    pub fn get_json<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// Sets the value called `name` to `value` as JSON.
    ///
    /// # Errors
    /// [`SessionError::Json`] when it cannot be JSON, such as a map whose keys are no texts.
    pub fn set_json<T: Serialize + ?Sized>(
        &mut self,
        name: impl Into<String>,
        value: &T,
    ) -> Result<(), SessionError> {
        self.set(name, serde_json::to_string(value).map_err(SessionError::Json)?);
        Ok(())
    }
}
