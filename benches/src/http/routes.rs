//! What every server answers: `GET /` with a short text, `GET /sleep?ms=N` with N after sleeping that long.
//!
//! Only values, no handlers: a shared handler would need a shared framework, and that is what is compared.

/// Body of `GET /`.
pub(crate) const HELLO: &str = "Hello, World!";

/// Type of every body.
pub(crate) const CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// Path of the route that blocks.
pub(crate) const SLEEP: &str = "/sleep";

/// The milliseconds asked for in the query of [`SLEEP`]; none when the query is something else.
pub(crate) fn millis(query: &str) -> Option<u64> {
    query.strip_prefix("ms=")?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn milliseconds_are_read_from_the_query() {
        assert_eq!(super::millis("ms=20"), Some(20));
        assert_eq!(super::millis("us=20"), None);
        assert_eq!(super::millis("ms="), None);
    }
}
