//! Routes over real sockets. A binary of its own, so that it is compiled quickly.

mod found;
mod guards;
mod limits;
mod records;
mod states;

use anthill_http::{RequestCtx, Router, ServerBuilder};
use anthill_tests::server::{Running, plain};

/// A server of these routes that runs.
#[track_caller]
fn serving(router: Router) -> Running {
    serving_with(plain(), router)
}

/// The same with these options.
#[track_caller]
fn serving_with(options: ServerBuilder, router: Router) -> Running {
    Running::serving(options.build_router(router).expect("routes in which nothing is wrong"))
}

/// Answers with the method, the route and the parameters.
fn tell(ctx: &mut RequestCtx) {
    let mut text = format!("{} {}", ctx.method(), ctx.route().unwrap_or("no route"));
    for (name, value) in ctx.params() {
        text.push_str(&format!(" {name}={value:?}"));
    }
    ctx.set_body(text);
}
