//! Bodies that are JSON.

use super::error::{ClientError, ClientErrorKind};
use super::request_builder::RequestBuilder;
use super::response::ClientResponse;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// JSON, with the feature `json`.
impl RequestBuilder<'_> {
    /// The body is `value` as JSON; without a `Content-Type` of its own, `application/json`. A value that is none, a
    /// map whose keys are no texts for example, is an error when the request is sent.
    ///
    /// ```
    /// use anthill_http::Server;
    /// use anthill_http::client::Client;
    /// use serde_json::json;
    ///
    /// let running = Server::new(|ctx| {
    ///     let said = [ctx.header("Content-Type").unwrap_or_default(), b" ", ctx.body()].concat();
    ///     ctx.set_body(said);
    /// })?
    /// .start("127.0.0.1:0")?;
    /// let client = Client::new();
    /// let url = format!("http://{}/", running.local_addr());
    /// let mut response = client.post(&url).json(&json!({"legs": 6})).send()?;
    /// assert_eq!(response.text()?, r#"application/json {"legs":6}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.typed("application/json", body),
            Err(error) => self.refused(ClientError::invalid(error)),
        }
    }
}

/// JSON, with the feature `json`.
impl ClientResponse {
    /// What is left of the body, as the value that its JSON says; of whatever type it is said to be. There may be as
    /// much of it as [`read_body`](Self::read_body) takes.
    ///
    /// ```
    /// use anthill_http::Server;
    /// use anthill_http::client::{ClientErrorKind, get};
    ///
    /// let running = Server::new(|ctx| ctx.success("application/json", r#"{"legs": 6}"#))?.start("127.0.0.1:0")?;
    /// let url = format!("http://{}/", running.local_addr());
    /// let value: serde_json::Value = get(&url)?.json()?;
    /// assert_eq!(value["legs"], 6);
    /// let error = get(&url)?.json::<Vec<u8>>().unwrap_err();
    /// assert_eq!(error.kind(), ClientErrorKind::Json);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Json`](ClientErrorKind::Json) when it is no JSON, or says something else than `T`; the error of `serde_json`
    /// is had by [`get_ref`](ClientError::get_ref). And those of [`read_body`](Self::read_body).
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, ClientError> {
        let body = self.read_body()?;
        let parsed = serde_json::from_slice(&body);
        parsed.map_err(|error| ClientError::because(ClientErrorKind::Json, error).at(self.remote_addr()))
    }
}
