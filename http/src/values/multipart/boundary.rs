//! The text between the parts.
//!
//! Source: RFC 2046 section 5.1.1: 1 to 70 bytes out of a small set, the last one not a space.

use super::params;
use crate::util::cut::cut;
use crate::util::token;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};

/// The boundary of a multipart body.
///
/// ```
/// use anthill_http::multipart::{Boundary, BoundaryError};
///
/// let boundary = Boundary::from_content_type(b"Multipart/Form-Data; boundary=\"a b\"")?;
/// assert_eq!(boundary.as_str(), "a b");
/// assert_eq!(boundary.form_content_type(), "multipart/form-data; boundary=\"a b\"");
/// assert_eq!(Boundary::new("ends with a space "), Err(BoundaryError::Malformed));
/// # Ok::<(), BoundaryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Boundary {
    text: String,
}

/// Why there is no boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BoundaryError {
    /// The content type is not a multipart one.
    NotMultipart,
    /// The content type names no boundary.
    Missing,
    /// The boundary is not 1 to 70 allowed bytes, or is given twice, or a parameter is malformed.
    Malformed,
}

impl Boundary {
    /// This text as a boundary.
    ///
    /// # Errors
    /// [`BoundaryError::Malformed`] unless it is 1 to 70 ASCII letters, digits, spaces and `'()+_,-./:=?`, and
    /// does not end with a space.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, BoundaryError> {
        match std::str::from_utf8(text.as_ref()) {
            Ok(text) if is_boundary(text.as_bytes()) => Ok(Self { text: text.to_owned() }),
            _ => Err(BoundaryError::Malformed),
        }
    }

    /// The boundary that the value of a `Content-Type` field announces, for any `multipart/…` type.
    ///
    /// Type and parameter names are compared without regard to case, the value may be quoted or not.
    ///
    /// # Errors
    /// See [`BoundaryError`].
    pub fn from_content_type(value: impl AsRef<[u8]>) -> Result<Self, BoundaryError> {
        let (essence, params) = params::split(value.as_ref());
        let is_multipart = match cut(essence, b'/') {
            (kind, Some(subtype)) => kind.eq_ignore_ascii_case(b"multipart") && token::is_token(subtype),
            _ => false,
        };
        if !is_multipart {
            return Err(BoundaryError::NotMultipart);
        }
        let mut found = None;
        for param in params {
            let param = param.map_err(|_| BoundaryError::Malformed)?;
            if !param.name.eq_ignore_ascii_case(b"boundary") {
                continue;
            }
            // What another reader would take for the boundary must be the same.
            if param.is_of_words || found.replace(Self::new(param.value)?).is_some() {
                return Err(BoundaryError::Malformed);
            }
        }
        found.ok_or(BoundaryError::Missing)
    }

    /// A boundary of 32 hex digits that no one can guess, so that no content can be made to have it in it.
    pub fn random() -> Self {
        // The hash of nothing under a key from the operating system's source of randomness.
        let word = || RandomState::new().build_hasher().finish();
        Self { text: format!("{:016x}{:016x}", word(), word()) }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value for a `Content-Type` field of a form with this boundary, which is quoted where it has to be.
    pub fn form_content_type(&self) -> String {
        let quote = if token::is_token(self.text.as_bytes()) { "" } else { "\"" };
        format!("multipart/form-data; boundary={quote}{}{quote}", self.text)
    }
}

impl fmt::Display for BoundaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BoundaryError::NotMultipart => "the content type is not multipart: send multipart/form-data",
            BoundaryError::Missing => "the content type names no boundary: add a boundary parameter",
            BoundaryError::Malformed => {
                "the boundary is malformed: send one of 1 to 70 letters, digits, hyphens and underscores"
            }
        })
    }
}

impl std::error::Error for BoundaryError {}

fn is_boundary(text: &[u8]) -> bool {
    (1..=70).contains(&text.len())
        && text.last() != Some(&b' ')
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_content_types() {
        let long = "x".repeat(70);
        for (value, expected) in [
            ("multipart/form-data; boundary=abc", "abc"),
            ("multipart/form-data;boundary=abc", "abc"),
            ("MULTIPART/MIXED; charset=utf-8; BOUNDARY=abc ; x=y", "abc"),
            ("multipart/form-data; boundary=\"a;b\"", "" /* a semicolon is not allowed even quoted */),
            ("multipart/form-data; boundary=\"a b\"", "a b"),
            ("multipart/form-data; boundary=----=_Part_1:2/3?", "----=_Part_1:2/3?"),
            ("multipart/form-data; charset=; boundary=abc", "abc"),
            ("multipart/form-data; x=y z; boundary = \"a b\" ", "a b"),
            ("multipart/form-data; boundary=", ""),
            (&format!("multipart/form-data; boundary={long}"), &long),
            (&format!("multipart/form-data; boundary={long}x"), ""),
            ("multipart/form-data; boundary=\"a \"", ""),
            ("multipart/form-data; boundary=\"\"", ""),
            ("multipart/form-data; boundary=a@b", ""),
            ("multipart/form-data; boundary=ä", ""),
            ("multipart/form-data; boundary=a b", ""),
            ("multipart/form-data; boundary=a, text/plain", ""),
            ("multipart/form-data; boundary=a; boundary=a", ""),
            ("multipart/form-data; boundary=\"a", ""),
        ] {
            let found = Boundary::from_content_type(value);
            let expected = if expected.is_empty() { Err(BoundaryError::Malformed) } else { Ok(expected) };
            assert_eq!(
                found.as_ref().map(Boundary::as_str),
                expected.as_ref().map(|text| *text),
                "{value:?}"
            );
        }
        for (value, error) in [
            ("", BoundaryError::NotMultipart),
            ("multipart", BoundaryError::NotMultipart),
            ("multipart/; boundary=abc", BoundaryError::NotMultipart),
            ("multipart/form data; boundary=abc", BoundaryError::NotMultipart),
            ("multipart/form-data/x; boundary=abc", BoundaryError::NotMultipart),
            ("text/plain; boundary=abc", BoundaryError::NotMultipart),
            ("xmultipart/form-data; boundary=abc", BoundaryError::NotMultipart),
            ("multipart/form-data", BoundaryError::Missing),
            ("multipart/form-data; xboundary=abc", BoundaryError::Missing),
        ] {
            assert_eq!(Boundary::from_content_type(value), Err(error), "{value:?}");
        }
    }

    #[test]
    fn content_types_are_read_back() {
        for text in ["abc", "a b", "a=b/c", "(x)"] {
            let boundary = Boundary::new(text).expect("a boundary");
            assert_eq!(Boundary::from_content_type(boundary.form_content_type()), Ok(boundary));
        }
    }

    #[test]
    fn random_ones_are_valid_and_differ() {
        let (one, other) = (Boundary::random(), Boundary::random());
        assert_ne!(one, other);
        assert_eq!(Boundary::new(one.as_str()), Ok(one));
    }
}
