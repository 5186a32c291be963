//! What is not to be in a snapshot.

/// What is different each time, and is not to be in a snapshot.
///
/// Without being told: values that are dates, wherever they stand in the head (`[date]`); those of `X-Request-Id`,
/// `Request-Id`, `X-Correlation-Id`, `X-Trace-Id` and `traceparent`, also in the body (`[id]`); those of cookies
/// (`[value]`); the boundary of a body in parts (`[boundary]`).
///
/// ```
/// use anthill_http::testing::{SnapshotRules, TestServer};
///
/// let server = TestServer::new(|ctx| {
///     ctx.response.set_header("X-Took", "17us");
///     ctx.set_body("order 8731 is on its way");
/// });
/// let rules = SnapshotRules::new().hide("X-Took").leave_out("Server").replace("8731", "[order]");
/// let snapshot = server.get("/").send().snapshot_by(&rules);
/// assert!(snapshot.contains("\nx-took: [x-took]\n") && snapshot.ends_with("\n\norder [order] is on its way\n"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "rules do nothing until a snapshot is made by them"]
pub struct SnapshotRules {
    pub(super) hidden: Vec<String>,
    pub(super) left_out: Vec<String>,
    pub(super) replaced: Vec<(String, String)>,
}

impl SnapshotRules {
    /// No further rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the name of the header field stand in the place of its value.
    pub fn hide(mut self, name: &str) -> Self {
        self.hidden.push(name.to_ascii_lowercase());
        self
    }

    /// Leaves the header field out.
    pub fn leave_out(mut self, name: &str) -> Self {
        self.left_out.push(name.to_ascii_lowercase());
        self
    }

    /// Puts `with` in the place of each `text`, in the head and in the body.
    pub fn replace(mut self, text: impl Into<String>, with: impl Into<String>) -> Self {
        self.replaced.push((text.into(), with.into()));
        self
    }
}
