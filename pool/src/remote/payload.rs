//! What jobs carry: values of a type, written as JSON beside the version of their form.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::PayloadError;

/// A type whose values are the payloads of jobs. They travel as JSON beside [`VERSION`](Self::VERSION), so that
/// programs of two ages can share a queue: whoever does not know a version leaves the job as a dead letter and loses
/// nothing.
///
/// ```
/// use anthill_pool::remote::{Payload, PayloadError, from_json};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// struct Resize { path: String, width: u32 }
///
/// #[derive(Deserialize)]
/// struct ResizeV1 { path: String }
///
/// impl Payload for Resize {
///     const VERSION: u32 = 2;
///
///     // Without this, version 1 could not be read any more.
///     fn read(version: u32, body: &[u8]) -> Result<Self, PayloadError> {
///         match version {
///             1 => from_json(body).map(|old: ResizeV1| Resize { path: old.path, width: 640 }),
///             2 => from_json(body),
///             _ => Err(PayloadError::new(format!("version {version} is newer than this program"))),
///         }
///     }
/// }
///
/// let old = Resize::read(1, br#"{"path":"a.png"}"#)?;
/// assert_eq!(old, Resize { path: "a.png".to_owned(), width: 640 });
/// # Ok::<(), PayloadError>(())
/// ```
pub trait Payload: Serialize + DeserializeOwned {
    /// The version of the form in which values are written; 1 when not said. Raise it when older programs would
    /// misunderstand what newer ones write.
    const VERSION: u32 = 1;

    /// Reads a value that was written in this version. Without an implementation of its own it reads
    /// [`VERSION`](Self::VERSION) alone.
    ///
    /// # Errors
    /// When the version is not known, or the bytes are no such value.
    fn read(version: u32, body: &[u8]) -> Result<Self, PayloadError> {
        if version != Self::VERSION {
            let reason = format!("written as version {version}, and version {} is read here", Self::VERSION);
            return Err(PayloadError::new(reason));
        }
        from_json(body)
    }
}

/// Reads a value from JSON, as [`Payload::read`] does.
///
/// # Errors
/// When the bytes are no such value; the reason says where.
pub fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, PayloadError> {
    serde_json::from_slice(body).map_err(|error| PayloadError::new(error.to_string()))
}

/// Writes a value as JSON.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, PayloadError> {
    serde_json::to_vec(value).map_err(|error| PayloadError::new(error.to_string()))
}
