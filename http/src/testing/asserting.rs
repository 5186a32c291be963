//! What a test asserts of a response.

use super::exchange::printable;
use super::response::TestResponse;
use crate::values::status;

/// What is asserted. Each fails the test, and shows the exchange, unless it holds.
impl TestResponse {
    /// The status is this one.
    ///
    /// # Panics
    /// When it is another one.
    #[track_caller]
    pub fn assert_status(&self, expected: u16) -> &Self {
        let found = self.status_code();
        if found != expected {
            let (asked, got) = (status::reason(expected), status::reason(found));
            self.fail(format_args!("expected status {expected} ({asked}), found {found} ({got})"));
        }
        self
    }

    /// The status is of the class 2xx.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn assert_success(&self) -> &Self {
        let found = self.status_code();
        if !(200..300).contains(&found) {
            self.fail(format_args!("expected a success, found {found} ({})", status::reason(found)));
        }
        self
    }

    /// The header field `name` is there once, with this value.
    ///
    /// # Panics
    /// When it is not there, several times, or has another value.
    #[track_caller]
    pub fn assert_header(&self, name: &str, expected: impl AsRef<[u8]>) -> &Self {
        let expected = expected.as_ref();
        let found: Vec<_> = self.headers().get_all(name).collect();
        if found != [expected] {
            let expected = printable(expected);
            let found = match &*found {
                [] => "none".to_owned(),
                values => {
                    values.iter().map(|value| self.shown(name, value)).collect::<Vec<_>>().join(" and ")
                }
            };
            self.fail(format_args!("expected the header field {name}: {expected}, found {found}"));
        }
        self
    }

    /// The header field `name` is there, and one of its values has this in it.
    ///
    /// # Panics
    /// When it is not there, or none has.
    #[track_caller]
    pub fn assert_header_contains(&self, name: &str, expected: impl AsRef<[u8]>) -> &Self {
        let expected = expected.as_ref();
        let mut values = self.headers().get_all(name).peekable();
        let is_there = values.peek().is_some();
        if !values.any(|value| memchr::memmem::find(value, expected).is_some()) {
            let found = if is_there { "others" } else { "no such field" };
            let expected = printable(expected);
            self.fail(format_args!("expected a header field {name} with {expected:?} in it, found {found}"));
        }
        self
    }

    /// There is no header field `name`.
    ///
    /// # Panics
    /// When there is.
    #[track_caller]
    pub fn assert_no_header(&self, name: &str) -> &Self {
        if let Some(value) = self.header(name) {
            let found = self.shown(name, value);
            self.fail(format_args!("expected no header field {name}, found {found}"));
        }
        self
    }

    /// The body is this text.
    ///
    /// # Panics
    /// When it is another one, or cannot be had.
    #[track_caller]
    pub fn assert_text(&self, expected: impl AsRef<str>) -> &Self {
        let (found, expected) = (self.text(), expected.as_ref());
        if found != expected {
            let differences = super::differences::line_differences(expected, found);
            self.fail(format_args!("expected another text (- expected, + found):\n{differences}"));
        }
        self
    }

    /// The body is these bytes.
    ///
    /// # Panics
    /// When it has others, or cannot be had.
    #[track_caller]
    pub fn assert_body(&self, expected: impl AsRef<[u8]>) -> &Self {
        let (found, expected) = (self.body(), expected.as_ref());
        if found != expected {
            let same = found.iter().zip(expected).take_while(|(one, other)| one == other).count();
            let (count, wanted) = (found.len(), expected.len());
            self.fail(format_args!(
                "expected a body of {wanted} bytes, found one of {count}; they are the same up to byte {same}"
            ));
        }
        self
    }

    /// The body has this in it.
    ///
    /// # Panics
    /// When it has not, or cannot be had.
    #[track_caller]
    pub fn assert_body_contains(&self, expected: impl AsRef<[u8]>) -> &Self {
        let expected = expected.as_ref();
        if memchr::memmem::find(self.body(), expected).is_none() {
            self.fail(format_args!("expected a body with {:?} in it", printable(expected)));
        }
        self
    }

    /// The body is JSON, and says the same as `expected`: the order of keys and blanks between them do not matter
    /// (feature `json`). What is different is told place by place.
    ///
    /// ```
    /// use anthill_http::testing::TestServer;
    /// use serde_json::json;
    ///
    /// let server = TestServer::new(|ctx| ctx.success("application/json", r#"{"legs": [3, 3]}"#));
    /// server.get("/").send().assert_json(&json!({"legs": [3, 3]}));
    ///
    /// let failing = || drop(server.get("/").send().assert_json(&json!({"legs": [3, 4]})));
    /// let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(failing));
    /// let message = failed.unwrap_err().downcast::<String>().unwrap();
    /// assert!(message.contains("at $.legs[1]: expected 4, found 3"));
    /// ```
    ///
    /// # Panics
    /// When it is no JSON, says something else, or cannot be had; and when `expected` is nothing that JSON can say.
    #[cfg(feature = "json")]
    #[track_caller]
    pub fn assert_json(&self, expected: &(impl serde::Serialize + ?Sized)) -> &Self {
        let found: serde_json::Value = self.json();
        let expected = match serde_json::to_value(expected) {
            Ok(expected) => expected,
            Err(error) => self.fail(format_args!("what is expected is no JSON: {error}")),
        };
        if let Some(differences) = super::json::differences(&expected, &found) {
            self.fail(format_args!("expected other JSON:\n{differences}"));
        }
        self
    }

    /// The response is a redirect (301, 302, 303, 307, 308) whose `Location` is this, as it was sent.
    ///
    /// # Panics
    /// When it is none, or leads elsewhere.
    #[track_caller]
    pub fn assert_redirect_to(&self, expected: &str) -> &Self {
        let (code, location) = (self.status_code(), self.header("Location"));
        if !matches!(code, 301 | 302 | 303 | 307 | 308) {
            self.fail(format_args!("expected a redirect to {expected}, found status {code}"));
        }
        if location != Some(expected.as_bytes()) {
            let found = location.map_or_else(|| "nowhere".to_owned(), printable);
            self.fail(format_args!("expected a redirect to {expected}, found one to {found}"));
        }
        self
    }

    /// The response sets the cookie `name` to this value.
    ///
    /// # Panics
    /// When it sets none, or another one.
    #[track_caller]
    pub fn assert_cookie(&self, name: &str, expected: impl AsRef<[u8]>) -> &Self {
        match self.cookie(name) {
            Some(cookie) if cookie.value() == expected.as_ref() => self,
            Some(_) => self.fail(format_args!("expected another value of the cookie {name}")),
            None => self.fail(format_args!("expected a cookie {name}, found none")),
        }
    }
}
