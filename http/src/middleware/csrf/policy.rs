//! What is said about requests from pages of others.

use crate::config::error::BuildError;
use crate::ctx::RequestCtx;
use crate::util::origin::WebOrigin;

/// Whose requests pass although they are from pages of other origins; for [`csrf`](crate::middleware::csrf()).
///
/// ```
/// use anthill_http::middleware::CsrfPolicy;
/// let policy = CsrfPolicy::new().trust_origin("https://login.example.org")?.exempt("/hooks/")?;
/// # let _ = policy;
/// let error = CsrfPolicy::new().trust_origin("example.org").unwrap_err();
/// assert!(error.to_string().starts_with("trust_origin \"example.org\" is no origin: write it as https://"));
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CsrfPolicy {
    origins: Vec<String>,
    paths: Vec<String>,
}

impl CsrfPolicy {
    /// Nobody's.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests from pages of this origin pass: `https://example.org`, `http://localhost:3000`.
    ///
    /// # Errors
    /// When it is no origin: one with a path, without a scheme, or a pattern.
    pub fn trust_origin(mut self, origin: impl Into<String>) -> Result<Self, BuildError> {
        let origin = origin.into();
        if WebOrigin::read(origin.as_bytes()).is_none() || origin.contains('*') {
            let problem = format!("{origin:?} is no origin: write it as https://example.org, without a path");
            return Err(BuildError::new("trust_origin", problem));
        }
        self.origins.push(origin);
        Ok(self)
    }

    /// Requests to this path pass, and to all below it if it ends with a slash: those that say by themselves who they
    /// are, such as a signed call of another service. It is compared with [`Request::path`](crate::Request::path),
    /// which routes are found by as well.
    ///
    /// # Errors
    /// When it does not begin with a slash, has segments that no decoded path has (`//`, `.` and `..`), or is `/`, with
    /// which everything would be exempt.
    pub fn exempt(mut self, path: impl Into<String>) -> Result<Self, BuildError> {
        let path = path.into();
        let inside = path.strip_prefix('/').map(|inside| inside.strip_suffix('/').unwrap_or(inside));
        let is_path =
            inside.is_some_and(|inside| !inside.split('/').any(|segment| matches!(segment, "" | "." | "..")));
        if !is_path {
            let problem =
                format!("{path:?} is no path: write it as /hooks/mail, or /hooks/ with all below it");
            return Err(BuildError::new("exempt", problem));
        }
        self.paths.push(path);
        Ok(self)
    }

    pub(super) fn lets_pass(&self, ctx: &RequestCtx) -> bool {
        let path = ctx.path();
        let is_exempt =
            |known: &String| if known.ends_with('/') { path.starts_with(known) } else { path == known };
        self.paths.iter().any(is_exempt) || self.trusts(ctx)
    }

    fn trusts(&self, ctx: &RequestCtx) -> bool {
        let mut origins = ctx.request.headers().get_all("Origin");
        let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
        let Some(origin) = WebOrigin::read(origin) else { return false };
        let known = |known: &String| WebOrigin::read(known.as_bytes()).is_some_and(|known| known.is(&origin));
        self.origins.iter().any(known)
    }
}
