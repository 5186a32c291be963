//! A value as the body of a response, as JSON.

use super::Response;
use serde::Serialize;
use std::mem;

impl Response {
    /// Makes `value` the body, as JSON, of type `application/json`, in memory that is used again for later responses;
    /// with the feature `json`. The status and other fields stay.
    ///
    /// ```
    /// use anthill_http::Response;
    /// let mut response = Response::new();
    /// response.set_json(&vec!["a", "b"])?;
    /// assert_eq!(response.body(), br#"["a","b"]"#);
    /// assert_eq!(response.header_str("Content-Type"), Some("application/json"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the value is none, such as a map whose keys are no texts. There is no body then, and the fields stay as
    /// they were. A handler that fails with it is answered 500.
    pub fn set_json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        self.clear_body();
        // Where a value panics there is no body either.
        let mut body = mem::take(self.body_mut());
        let written = serde_json::to_writer(&mut body, value);
        if written.is_err() {
            body.clear();
        }
        *self.body_mut() = body;
        if written.is_ok() {
            self.set_content_type("application/json");
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn memory_is_used_again_and_nothing_half_is_left() {
        let mut response = Response::new();
        response.set_json(&vec![1; 1000]).expect("numbers");
        let memory = response.body_mut().as_ptr();
        response.set_json(&[2]).expect("a number");
        assert_eq!(response.body(), b"[2]");
        assert_eq!(response.body_mut().as_ptr(), memory);
        response.set_content_type("text/html");
        response.set_json(&(1, BTreeMap::from([(vec![1], 1)]))).expect_err("a key that is no text");
        assert_eq!((response.body(), response.content_type_str()), (&b""[..], Some("text/html")));
        response.set_body_reader(std::io::empty());
        response.set_json(&true).expect("a truth");
        assert!(!response.is_body_stream());
    }
}
