//! Routes that are ready to answer.

use super::assembly::Assembly;
use super::error::RouterError;
use super::group::RouteGroup;
use super::table::RouteTable;
use crate::config::hooks::RouteHooks;
use crate::config::request_config::RequestConfig;
use crate::ctx::{Handler, RequestCtx, UrlError};
use std::fmt;
use std::sync::Arc;

/// The routes of a [`Router`](crate::Router), ready to answer: a [`Handler`]. Cloning is cheap.
///
/// ```
/// use anthill_http::router::Route;
/// use anthill_http::{Request, RequestCtx, Router, Server};
///
/// let router = Router::new()
///     .route(Route::get("/users/{id}", |ctx: &mut RequestCtx| ctx.set_body("ann")).name("user"))
///     .post("/users", |ctx: &mut RequestCtx| ctx.set_status_code(201));
/// let routes = router.build()?;
/// assert_eq!(routes.to_string(), "GET /users/{id} (user)\nPOST /users\n");
/// assert_eq!(routes.url("user", &[("id", "7")])?, "/users/7");
///
/// let server = Server::builder().build_router(routes)?;
/// assert_eq!(server.call(&Request::new("GET", "/users/7")?)?.body(), b"ann");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// As its `Display` it lists the routes, for people: methods, pattern, name.
#[derive(Clone)]
pub struct Routes(Arc<Ready>);

struct Ready {
    table: RouteTable,
    outermost: Arc<dyn Handler>,
}

impl Routes {
    pub(super) fn of(group: RouteGroup) -> Result<Self, RouterError> {
        let (table, outermost) = Assembly::run(group).map_err(RouterError::new)?;
        Ok(Self(Arc::new(Ready { table, outermost })))
    }

    /// The URL of the route that is called `name`; see [`RequestCtx::url_for`].
    ///
    /// # Errors
    /// As there.
    pub fn url(&self, name: &str, values: &[(&str, &str)]) -> Result<String, UrlError> {
        self.0.table.urls.make(name, values)
    }

    /// What a server asks before it hands a request to its handler.
    pub(crate) fn hooks(&self) -> RouteHooks {
        let table = &self.0.table;
        let has_config = table.entries.iter().any(|entry| entry.config != RequestConfig::NOTHING);
        let (keyed, configured) = (self.clone(), self.clone());
        RouteHooks {
            label: Arc::new({
                let labelled = self.clone();
                move |ctx: &mut RequestCtx| labelled.0.table.label(ctx)
            }),
            key: Arc::new(move |ctx: &mut RequestCtx| keyed.0.table.key(ctx)),
            config: has_config
                .then(|| Arc::new(move |ctx: &mut RequestCtx| configured.0.table.config(ctx)) as _),
        }
    }
}

impl Handler for Routes {
    fn handle(&self, ctx: &mut RequestCtx) {
        let Ready { table, outermost } = &*self.0;
        let outer = ctx.begin_routing(&table.urls);
        table.route(ctx);
        // Whatever happens in there, who is around this finds what it has found.
        ctx.contain(|ctx| outermost.handle(ctx));
        ctx.end_routing(outer);
    }
}

impl fmt::Display for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in self.0.table.entries.iter().filter(|entry| !entry.label.is_empty()) {
            write!(f, "{} {}", entry.methods, entry.label)?;
            match entry.name {
                Some(name) => writeln!(f, " ({name})")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.to_string();
        f.debug_list().entries(shown.lines()).finish()
    }
}
